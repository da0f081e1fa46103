#include "controlplane/sync/snapshot_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "replica/test_history.h"
#include "tests/support/manual_executor.h"

namespace trivium {
namespace {

class CountingRandom final : public Random {
 public:
  uint64_t Next() override { return ++last_; }

 private:
  uint64_t last_ = 0;
};

class SnapshotCacheTest : public testing::Test {
 protected:
  SnapshotCacheTest() {
    for (int i = 0; i < 40; ++i) history_.Commit({{"node-" + std::to_string(i), 1 + i}});
    EXPECT_TRUE(replica_.LoadSnapshot(history_.SnapshotAt(history_.head())).ok());
  }
  void Make(SnapshotCache::Options options) {
    cache_ = std::make_unique<SnapshotCache>("cp1", &executor_, &clock_, &random_, options);
  }
  void MoveOn() {
    history_.Commit({{"node-1", next_++}});
    ASSERT_EQ(replica_.Apply(history_.batches.back()), Replica::Outcome::kApplied);
  }
  // Opens without waiting.
  std::shared_ptr<v1::SnapshotOpen> Ask() {
    auto answer = std::make_shared<v1::SnapshotOpen>();
    cache_->Open(replica_, [answer](absl::StatusOr<v1::SnapshotOpen> open) {
      ASSERT_TRUE(open.ok()) << open.status();
      *answer = *open;
    });
    return answer;
  }
  absl::Status Fetch(const v1::SnapshotOpen& open, uint32_t index, SnapshotLoad* load = nullptr) {
    const auto reply = cache_->Chunk(*Id128::FromBytes(open.snapshot_id()), index);
    if (!reply.ok()) return reply.status();
    v1::ChunkReply parsed;
    EXPECT_TRUE(parsed.ParseFromString(**reply));
    return load == nullptr ? absl::OkStatus() : load->Add(absl::string_view(parsed.chunk()));
  }
  void ExpectIs(const v1::SnapshotOpen& open, uint64_t revision) {
    Replica copy("aws");
    SnapshotLoad load = copy.BeginLoad();
    for (uint32_t i = 0; i < open.chunks(); ++i) ASSERT_TRUE(Fetch(open, i, &load).ok());
    ASSERT_TRUE(copy.Load(std::move(load)).ok());
    EXPECT_EQ(copy.position().revision, revision);
    EXPECT_EQ(StateOf(copy), history_.StateAt(revision));
  }

  ManualClock clock_;
  ManualExecutor executor_{&clock_};
  CountingRandom random_;
  History history_;
  Replica replica_{"aws"};
  std::unique_ptr<SnapshotCache> cache_;
  uint32_t next_ = 1000;
};

TEST_F(SnapshotCacheTest, IsCutOnceAndShared) {
  Make({});
  const auto first = Ask();
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Ask()->snapshot_id(), first->snapshot_id());
  EXPECT_EQ(cache_->cuts(), 1u);
  MoveOn();
  EXPECT_EQ(Ask()->snapshot_id(), first->snapshot_id()) << "fresh enough: the log after it is short";
  executor_.RunFor(absl::Seconds(4));
  EXPECT_NE(Ask()->snapshot_id(), first->snapshot_id());
  EXPECT_EQ(cache_->cuts(), 2u);
}

TEST_F(SnapshotCacheTest, ALargeOneIsCutInTurnsAtOneRevision) {
  SnapshotCache::Options options;
  options.objects_per_turn = 7;
  Make(options);
  const uint64_t revision = replica_.position().revision;
  const auto first = Ask(), second = Ask();
  EXPECT_EQ(first->chunks(), 0u) << "others have had no turn yet";
  // Changes in between are not in it.
  MoveOn();
  executor_.RunFor(absl::Milliseconds(1));
  ASSERT_GT(first->chunks(), 0u);
  EXPECT_EQ(first->snapshot_id(), second->snapshot_id());
  EXPECT_EQ(cache_->cuts(), 1u);
  ExpectIs(*first, revision);
}

TEST_F(SnapshotCacheTest, ASlowReaderHoldsNoMemory) {
  SnapshotCache::Options options;
  Make(options);
  const size_t one = Ask()->bytes();
  options.max_bytes = 3 * one + one / 2;
  Make(options);
  // Each opens, takes its first chunk, and then hardly reads on, while the state moves on for others.
  std::vector<std::shared_ptr<v1::SnapshotOpen>> slow;
  for (int i = 0; i < 50; ++i) {
    slow.push_back(Ask());
    EXPECT_TRUE(Fetch(*slow.back(), 0).ok());
    MoveOn();
    executor_.RunFor(absl::Seconds(4));
    EXPECT_LE(cache_->bytes(), options.max_bytes);
    EXPECT_LE(cache_->size(), 3u);
  }
  // It is told to open another, and that one is whole.
  EXPECT_EQ(Fetch(*slow.front(), 0).code(), absl::StatusCode::kNotFound);
  ExpectIs(*Ask(), replica_.position().revision);
}

TEST_F(SnapshotCacheTest, IsForgottenSomeTimeAfterItsLastUse) {
  Make({});
  const auto open = Ask();
  for (int i = 0; i < 10; ++i) {
    executor_.RunFor(absl::Seconds(20));
    EXPECT_TRUE(Fetch(*open, 0).ok()) << "in use";
  }
  executor_.RunFor(absl::Seconds(31));
  EXPECT_EQ(Fetch(*open, 0).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(cache_->bytes(), 0u);
}

TEST_F(SnapshotCacheTest, AnotherEpochIsAnotherSnapshot) {
  Make({});
  const auto old = Ask();
  const History restored = history_.BranchAt(5, 9);
  ASSERT_TRUE(replica_.LoadSnapshot(restored.SnapshotAt(5)).ok());
  const auto now = Ask();
  EXPECT_NE(now->snapshot_id(), old->snapshot_id());
  EXPECT_EQ(now->head().epoch(), 9u);
}

}  // namespace
}  // namespace trivium
