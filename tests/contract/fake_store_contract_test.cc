#include "tests/contract/store_contract.h"
#include "tests/contract/store_upkeep_contract.h"
#include "tests/support/fake_store.h"

namespace trivium {
namespace {

class FakeHarness final : public StoreHarness {
 public:
  std::unique_ptr<Store> Open() override { return std::make_unique<FakeStore>(database_, RealClock()); }
  std::vector<std::string> ReachabilityOf(const ClusterRef& cluster) override {
    const FakeDatabase::ClusterRows rows = database_->Look(cluster);
    std::vector<std::string> texts;
    for (const auto& row : rows.reachability) texts.push_back(absl::StrCat(row.identity, ">", row.peer));
    for (const auto& row : rows.selections) texts.push_back(absl::StrCat(row.identity, ":", row.name));
    std::sort(texts.begin(), texts.end());
    return texts;
  }

 private:
  std::shared_ptr<FakeDatabase> database_ = std::make_shared<FakeDatabase>();
};

INSTANTIATE_TEST_SUITE_P(Fake, StoreContract,
                         testing::Values(StoreWorld{"fake", [] { return std::make_unique<FakeHarness>(); }}),
                         testing::PrintToStringParamName());

// The knobs, which no other store has.
class FakeStoreFaults : public testing::Test {
 protected:
  const ClusterRef kCluster{"aws", 1, 1};
  std::shared_ptr<FakeDatabase> database_ = std::make_shared<FakeDatabase>();
  FakeStore* fake_ = new FakeStore(database_, RealClock());
  StoreClient client_{std::unique_ptr<Store>(fake_)};
  RandomHistory history_{kCluster, *client_.OpenCluster(kCluster), 1};
};

TEST_F(FakeStoreFaults, AnAmbiguousCommitMayHaveHappened) {
  fake_->FailNextCommits({FakeStore::CommitFault::kAmbiguousCommitted});
  const CommitRequest first = history_.Next(1);
  EXPECT_EQ(client_.Commit(first).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(client_.ReadHead(kCluster)->revision, 1u);
  EXPECT_TRUE(client_.Commit(first).ok());
  fake_->FailNextCommits({FakeStore::CommitFault::kAmbiguousNotCommitted});
  const CommitRequest second = history_.Next(1);
  EXPECT_EQ(client_.Commit(second).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(client_.ReadHead(kCluster)->revision, 1u);
  EXPECT_TRUE(client_.Commit(second).ok());
  fake_->FailNextCommits({FakeStore::CommitFault::kAmbiguousLate});
  const CommitRequest third = history_.Next(1);
  EXPECT_EQ(client_.Commit(third).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(client_.ReadHead(kCluster)->revision, 3u) << "it landed after the answer";
  EXPECT_TRUE(client_.Commit(third).ok());
  EXPECT_EQ(fake_->commits(), 6u);
}

TEST_F(FakeStoreFaults, ALostRaceLeavesAnothersBatch) {
  fake_->FailNextCommits({FakeStore::CommitFault::kLostRace});
  EXPECT_EQ(client_.Commit(history_.Next(1)).code(), absl::StatusCode::kAborted);
  const std::vector<LogRow> log = *client_.ReadLog(kCluster, 0);
  ASSERT_EQ(log.size(), 1u);
  EXPECT_TRUE(DecodeBatch(log[0].envelope).ok());
}

TEST_F(FakeStoreFaults, HomesFailAlone) {
  fake_->SetHomeUnavailable(1, true);
  EXPECT_EQ(client_.ReadHeads(1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(client_.ReadHeads(2).ok());
  fake_->SetHomeUnavailable(1, false);
  fake_->SetUnavailable(true);
  EXPECT_EQ(client_.ReadHeads(2).status().code(), absl::StatusCode::kUnavailable);
  fake_->SetUnavailable(false);
  EXPECT_TRUE(client_.ReadHeads(1).ok());
}

TEST_F(FakeStoreFaults, ARestoreForgetsAndAnotherStoreSees) {
  ASSERT_TRUE(client_.Commit(history_.Next(1)).ok());
  FakeDatabase::Rows backup = database_->Save();
  ASSERT_TRUE(client_.Commit(history_.Next(1)).ok());
  database_->Restore(std::move(backup));
  StoreClient other(std::make_unique<FakeStore>(database_, RealClock()));
  EXPECT_EQ(other.ReadHead(kCluster)->revision, 1u);
}

TEST_F(FakeStoreFaults, DelaysDoNotChangeAnswers) {
  fake_->SetDelay(absl::Milliseconds(2));
  ASSERT_TRUE(client_.Commit(history_.Next(1)).ok());
  EXPECT_EQ(client_.ReadHead(kCluster)->revision, 1u);
}

}  // namespace
}  // namespace trivium
