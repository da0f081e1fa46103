// What every Store must do, run over FakeStore and SqlStore alike. Include in one .cc per store and
// instantiate:
//   INSTANTIATE_TEST_SUITE_P(Fake, StoreContract, testing::Values(StoreWorld{"fake", MakeWorld}));
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/executor.h"
#include "controlplane/store/store.h"
#include "schema/codec.h"
#include "schema/digest.h"
#include "tests/contract/random_history.h"
#include "tests/contract/store_client.h"

namespace trivium {

// One database; each Open is another control plane's store on it.
class StoreHarness {
 public:
  virtual ~StoreHarness() = default;
  virtual std::unique_ptr<Store> Open() = 0;
  // The reachability rows as "identity>peer", and the selections as "identity:name", sorted; for assertions.
  virtual std::vector<std::string> ReachabilityOf(const ClusterRef& cluster) = 0;
};

struct StoreWorld {
  std::string name;
  std::function<std::unique_ptr<StoreHarness>()> make;
};

inline std::ostream& operator<<(std::ostream& out, const StoreWorld& world) { return out << world.name; }

class StoreContract : public testing::TestWithParam<StoreWorld> {
 protected:
  void SetUp() override {
    harness_ = GetParam().make();
    client_ = std::make_unique<StoreClient>(harness_->Open());
    const absl::StatusOr<StoredHead> head = client_->OpenCluster(kCluster);
    ASSERT_TRUE(head.ok()) << head.status();
    history_ = std::make_unique<RandomHistory>(kCluster, *head, 1);
  }
  void TearDown() override {
    client_.reset();
    harness_.reset();
  }

  // Commits the history's next batch.
  void Commit(size_t changes = 1) {
    const absl::Status committed = client_->Commit(history_->Next(changes));
    ASSERT_TRUE(committed.ok()) << committed;
  }
  void ExpectStateIs(const Mirror& mirror) {
    const absl::StatusOr<v1::Snapshot> snapshot = client_->ReadSnapshot(kCluster);
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    EXPECT_EQ(RowsOf(*snapshot), RowsOf(mirror));
    EXPECT_EQ(snapshot->head().digest(), mirror.digest().ToBytes());
  }

  const ClusterRef kCluster{"aws-euw2", 1, 1};
  const ClusterRef kOther{"gcp-euw2", 2, 2};
  std::unique_ptr<StoreHarness> harness_;
  std::unique_ptr<StoreClient> client_;
  std::unique_ptr<RandomHistory> history_;
};

TEST_P(StoreContract, OpensAClusterOnce) {
  const absl::StatusOr<StoredHead> first = client_->OpenCluster(kOther);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->epoch, 1u);
  EXPECT_EQ(first->revision, 0u);
  EXPECT_TRUE(first->last_batch.IsZero());
  EXPECT_TRUE(first->digest.IsZero());
  Commit();
  EXPECT_EQ(client_->OpenCluster(kCluster)->revision, 1u);
}

TEST_P(StoreContract, RefusesAnotherNameForTheSameNumbers) {
  const absl::Status refused = client_->OpenCluster({"impostor", 1, 1}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("aws-euw2"));
}

TEST_P(StoreContract, KnowsNothingOfAClusterThatWasNeverOpened) {
  EXPECT_EQ(client_->ReadHead(kOther).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client_->ReadSnapshot(kOther).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client_->ReadLog(kOther, 0).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client_->BumpEpoch(kOther, 5).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(StoreContract, ACommitMovesTheHeadAndIsTheLog) {
  const CommitRequest request = history_->Next(5);
  ASSERT_TRUE(client_->Commit(request).ok());
  const absl::StatusOr<StoredHead> head = client_->ReadHead(kCluster);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->epoch, 1u);
  EXPECT_EQ(head->revision, 1u);
  EXPECT_EQ(head->last_batch, request.batch.batch);
  EXPECT_EQ(head->prev_batch, request.batch.prev_batch);
  EXPECT_EQ(head->digest, request.batch.digest);
  const absl::StatusOr<std::vector<LogRow>> log = client_->ReadLog(kCluster, 0);
  ASSERT_TRUE(log.ok()) << log.status();
  ASSERT_EQ(log->size(), 1u);
  EXPECT_EQ((*log)[0].revision, 1u);
  EXPECT_EQ((*log)[0].envelope, request.batch.envelope);
}

TEST_P(StoreContract, AnEmptyBatchIsARevisionToo) {
  ASSERT_TRUE(client_->Commit(history_->Next(std::vector<v1::Change>{})).ok());
  EXPECT_EQ(client_->ReadHead(kCluster)->revision, 1u);
}

TEST_P(StoreContract, ALostRaceWritesNothing) {
  Commit(20);
  // Two plans on one head: the second must leave no trace.
  const StoredHead head = history_->head();
  const CommitRequest winner = history_->Next(20);
  RandomHistory losing(kCluster, head, 99);
  CommitRequest loser = losing.Next(20);
  loser.requests = {{Id128{1, 1}, "aws:ctl:ann", "answer"}};
  loser.audit = {{"aws:ctl:ann", "test", Id128{1, 1}, "apply", v1::KIND_POLICY, "k", "text", 1}};
  ASSERT_TRUE(client_->Commit(winner).ok());
  const absl::Status lost = client_->Commit(loser);
  EXPECT_EQ(lost.code(), absl::StatusCode::kAborted) << lost;
  EXPECT_EQ(client_->ReadHead(kCluster)->last_batch, winner.batch.batch);
  EXPECT_EQ(client_->ReadLog(kCluster, 0)->size(), 2u);
  EXPECT_EQ(client_->FindRequest(kCluster, Id128{1, 1}, "aws:ctl:ann")->has_value(), false);
  ExpectStateIs(history_->mirror());
}

TEST_P(StoreContract, ARaceLostLongAgoIsStillLost) {
  RandomHistory losing(kCluster, history_->head(), 99);
  const CommitRequest loser = losing.Next(3);
  for (int i = 0; i < 3; ++i) Commit();
  EXPECT_EQ(client_->Commit(loser).code(), absl::StatusCode::kAborted);
}

TEST_P(StoreContract, TheSameCommitTwiceIsOne) {
  const CommitRequest request = history_->Next(5);
  ASSERT_TRUE(client_->Commit(request).ok());
  EXPECT_TRUE(client_->Commit(request).ok());
  EXPECT_EQ(client_->ReadHead(kCluster)->revision, 1u);
  Commit(5);
  EXPECT_TRUE(client_->Commit(request).ok()) << "it is in the log, though no longer the head";
  EXPECT_EQ(client_->ReadHead(kCluster)->revision, 2u);
  ExpectStateIs(history_->mirror());
}

TEST_P(StoreContract, RefusesABatchThatDoesNotFollowItsHead) {
  CommitRequest request = history_->Next(1);
  request.expected.revision = 7;
  EXPECT_EQ(client_->Commit(request).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client_->ReadHead(kCluster)->revision, 0u);
}

TEST_P(StoreContract, SnapshotsEqualTheMirrorOfTheSameBatches) {
  for (int i = 0; i < 40; ++i) {
    Commit(1 + i % 30);
    if (HasFatalFailure()) return;
    if (i % 8 == 7) ExpectStateIs(history_->mirror());
  }
  EXPECT_GT(history_->mirror().size(), 30u);
}

TEST_P(StoreContract, OfOneKeyInABatchTheLastChangeStands) {
  ASSERT_TRUE(client_
                  ->Commit(history_->Next(
                      {UpsertOf(NamespaceObject("a", "one")), UpsertOf(NamespaceObject("a", "two")),
                       UpsertOf(NamespaceObject("b")), DeleteOf({v1::KIND_NAMESPACE, "b"}),
                       DeleteOf({v1::KIND_NAMESPACE, "c"}), UpsertOf(NamespaceObject("c"))}))
                  .ok());
  EXPECT_EQ(history_->mirror().size(), 2u);
  ExpectStateIs(history_->mirror());
}

TEST_P(StoreContract, ClustersDoNotMeet) {
  ASSERT_TRUE(client_->OpenCluster(kOther).ok());
  RandomHistory other(kOther, *client_->ReadHead(kOther), 1);
  Commit(50);
  ASSERT_TRUE(client_->Commit(other.Next(50)).ok());
  ASSERT_TRUE(client_->Commit(other.Next(50)).ok());
  ExpectStateIs(history_->mirror());
  EXPECT_EQ(RowsOf(*client_->ReadSnapshot(kOther)), RowsOf(other.mirror()));
  EXPECT_EQ(client_->ReadLog(kCluster, 0)->size(), 1u);
}

TEST_P(StoreContract, ReadsTheLogInPages) {
  for (int i = 0; i < 10; ++i) Commit(3);
  EXPECT_EQ(client_->ReadLog(kCluster, 0)->size(), 10u);
  EXPECT_THAT(*client_->ReadLog(kCluster, 10), testing::IsEmpty());
  EXPECT_THAT(*client_->ReadLog(kCluster, 11), testing::IsEmpty());
  const std::vector<LogRow> page = *client_->ReadLog(kCluster, 4, 3);
  ASSERT_EQ(page.size(), 3u);
  EXPECT_EQ(page[0].revision, 5u);
  EXPECT_EQ(page[2].revision, 7u);
  // By bytes: as many as fit, and never less than one.
  const size_t two = page[0].envelope.size() + page[1].envelope.size();
  EXPECT_EQ(client_->ReadLog(kCluster, 4, 1000, two)->size(), 2u);
  EXPECT_EQ(client_->ReadLog(kCluster, 4, 1000, two - 1)->size(), 1u);
  EXPECT_EQ(client_->ReadLog(kCluster, 4, 1000, 1)->size(), 1u);
}

TEST_P(StoreContract, ARequestIsAnsweredAgainToItsOwnActorOnly) {
  CommitRequest request = history_->Next(1);
  const std::string answer("bin\0ary \xff", 9);
  request.requests = {{Id128{1, 1}, "aws:ctl:ann", answer}, {Id128{2, 2}, "aws:ctl:bob", "bob's"}};
  ASSERT_TRUE(client_->Commit(request).ok());
  EXPECT_EQ(*client_->FindRequest(kCluster, Id128{1, 1}, "aws:ctl:ann"), answer);
  EXPECT_EQ(*client_->FindRequest(kCluster, Id128{1, 1}, "aws:ctl:bob"), std::nullopt);
  EXPECT_EQ(*client_->FindRequest(kCluster, Id128{3, 3}, "aws:ctl:ann"), std::nullopt);
  // The same id of another actor, and the first answer stands.
  request = history_->Next(1);
  request.requests = {{Id128{1, 1}, "aws:ctl:bob", "other"}, {Id128{2, 2}, "aws:ctl:bob", "late"}};
  ASSERT_TRUE(client_->Commit(request).ok());
  EXPECT_EQ(*client_->FindRequest(kCluster, Id128{1, 1}, "aws:ctl:ann"), answer);
  EXPECT_EQ(*client_->FindRequest(kCluster, Id128{1, 1}, "aws:ctl:bob"), "other");
  EXPECT_EQ(*client_->FindRequest(kCluster, Id128{2, 2}, "aws:ctl:bob"), "bob's");
}

TEST_P(StoreContract, KeepsManifestsWithTheirObjects) {
  const ObjectKey key{v1::KIND_NAMESPACE, "shop"};
  CommitRequest request = history_->Next({UpsertOf(NamespaceObject("shop"))});
  const std::string text = "kind: Namespace\nname: \"sh\\op\" # {größe}\n";
  request.manifests = {{key, text}, {{v1::KIND_NAMESPACE, "absent"}, "nobody's"}};
  ASSERT_TRUE(client_->Commit(request).ok());
  EXPECT_EQ(*client_->ReadManifest(kCluster, key), text);
  EXPECT_EQ(client_->ReadManifest(kCluster, {v1::KIND_NAMESPACE, "absent"}).status().code(),
            absl::StatusCode::kNotFound);
  // A change that came otherwise keeps it.
  ASSERT_TRUE(client_->Commit(history_->Next({UpsertOf(NamespaceObject("shop", "new"))})).ok());
  EXPECT_EQ(*client_->ReadManifest(kCluster, key), text);
  request = history_->Next({UpsertOf(NamespaceObject("shop", "newer"))});
  request.manifests = {{key, "second"}};
  ASSERT_TRUE(client_->Commit(request).ok());
  EXPECT_EQ(*client_->ReadManifest(kCluster, key), "second");
  // One that is not in the batch stays as it is, and it goes with the object.
  request = history_->Next({UpsertOf(NamespaceObject("other"))});
  request.manifests = {{key, "third"}};
  ASSERT_TRUE(client_->Commit(request).ok());
  EXPECT_EQ(*client_->ReadManifest(kCluster, key), "second");
  ASSERT_TRUE(client_->Commit(history_->Next({DeleteOf(key)})).ok());
  EXPECT_EQ(client_->ReadManifest(kCluster, key).status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(client_->Commit(history_->Next({UpsertOf(NamespaceObject("shop"))})).ok());
  EXPECT_EQ(client_->ReadManifest(kCluster, key).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(StoreContract, CompactsTheLogAndTheRequestsItHeld) {
  for (uint64_t i = 1; i <= 6; ++i) {
    CommitRequest request = history_->Next(1);
    request.requests = {{Id128{i, i}, "a", "r"}};
    ASSERT_TRUE(client_->Commit(request).ok());
  }
  ASSERT_TRUE(client_->Compact(kCluster, 4, absl::InfinitePast()).ok());
  EXPECT_EQ(client_->ReadHead(kCluster)->log_floor, 4u);
  EXPECT_EQ(client_->ReadLog(kCluster, 3).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(client_->ReadLog(kCluster, 4)->size(), 2u);
  EXPECT_TRUE(client_->FindRequest(kCluster, Id128{1, 1}, "a")->has_value()) << "still young";
  ASSERT_TRUE(client_->Compact(kCluster, 2, absl::InfiniteFuture()).ok());
  EXPECT_EQ(client_->ReadHead(kCluster)->log_floor, 4u) << "never down";
  EXPECT_FALSE(client_->FindRequest(kCluster, Id128{4, 4}, "a")->has_value());
  EXPECT_TRUE(client_->FindRequest(kCluster, Id128{5, 5}, "a")->has_value()) << "the log still holds it";
  ASSERT_TRUE(client_->Compact(kCluster, ~0ull, absl::InfinitePast()).ok());
  EXPECT_EQ(client_->ReadHead(kCluster)->log_floor, 6u) << "never beyond the head";
  Commit();
  EXPECT_EQ(client_->ReadLog(kCluster, 6)->size(), 1u);
  ExpectStateIs(history_->mirror());
}

TEST_P(StoreContract, ABatchThatTheLogNoLongerHoldsIsInDoubt) {
  const CommitRequest request = history_->Next(1);
  ASSERT_TRUE(client_->Commit(request).ok());
  Commit();
  ASSERT_TRUE(client_->Compact(kCluster, 1, absl::InfinitePast()).ok());
  EXPECT_EQ(client_->Commit(request).code(), absl::StatusCode::kDataLoss);
  // Nor may it take the place of a log row that is gone.
  ASSERT_TRUE(client_->Compact(kCluster, 2, absl::InfinitePast()).ok());
  RandomHistory losing(kCluster, request.expected, 99);
  EXPECT_EQ(client_->Commit(losing.Next(5)).code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(*client_->ReadLog(kCluster, 2), testing::IsEmpty());
  ExpectStateIs(history_->mirror());
}

TEST_P(StoreContract, TheWholePlaceIsCompared) {
  Commit();
  StoredHead fork = history_->head();  // another history, equally long
  fork.last_batch = Id128{1, 2};
  EXPECT_EQ(client_->Commit(RandomHistory(kCluster, fork, 9).Next(3)).code(), absl::StatusCode::kAborted);
  StoredHead ahead = history_->head();  // a place that is not there yet
  ahead.revision += 1;
  EXPECT_EQ(client_->Commit(RandomHistory(kCluster, ahead, 9).Next(3)).code(), absl::StatusCode::kAborted);
  StoredHead later = history_->head();
  later.epoch += 1;
  EXPECT_EQ(client_->Commit(RandomHistory(kCluster, later, 9).Next(3)).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(client_->ReadHead(kCluster)->revision, 1u);
  ExpectStateIs(history_->mirror());
}

TEST_P(StoreContract, ANewEpochFencesOldPlans) {
  Commit(3);
  const CommitRequest planned = history_->Next(3);
  const absl::StatusOr<StoredHead> head = client_->BumpEpoch(kCluster, 1000);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(head->epoch, 1000u);
  EXPECT_EQ(head->revision, 1u);
  EXPECT_EQ(head->last_batch, planned.expected.last_batch);
  EXPECT_EQ(head->digest, planned.expected.digest);
  EXPECT_EQ(client_->Commit(planned).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(client_->BumpEpoch(kCluster, 5)->epoch, 1001u) << "always up";
  RandomHistory again(kCluster, *client_->ReadHead(kCluster), 5);
  CommitRequest next = again.Next(std::vector<v1::Change>{});
  EXPECT_TRUE(client_->Commit(next).ok());
  EXPECT_EQ(client_->ReadHead(kCluster)->epoch, 1001u);
}

TEST_P(StoreContract, AnObjectsDigestIsCheckedAndMadeAnewByANewEpoch) {
  CommitRequest request = history_->Next({UpsertOf(NamespaceObject("a"))});
  absl::StatusOr<Batch> wrong =
      EncodeBatch(kCluster.name, 1, 1, request.batch.prev_batch, Id128{6, 6}, request.batch.changes);
  ASSERT_TRUE(wrong.ok());
  request.batch = *wrong;
  ASSERT_TRUE(client_->Commit(request).ok());
  EXPECT_EQ(client_->ReadSnapshot(kCluster).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(client_->BumpEpoch(kCluster, 9)->digest, history_->mirror().digest());
  EXPECT_TRUE(client_->ReadSnapshot(kCluster).ok());
}

TEST_P(StoreContract, ReadsTheHeadsOfOneHome) {
  ASSERT_TRUE(client_->OpenCluster({"aws-euw1", 1, 4}).ok());
  ASSERT_TRUE(client_->OpenCluster(kOther).ok());
  ASSERT_TRUE(client_->OpenCluster({kMeshCluster, 0, kMeshClusterId}).ok());
  Commit(2);
  const absl::StatusOr<std::vector<v1::Head>> heads = client_->ReadHeads(1);
  ASSERT_TRUE(heads.ok()) << heads.status();
  ASSERT_EQ(heads->size(), 2u);
  EXPECT_EQ((*heads)[0].cluster(), "aws-euw2");
  EXPECT_EQ((*heads)[0].revision(), 1u);
  EXPECT_EQ((*heads)[0].epoch(), 1u);
  EXPECT_EQ((*heads)[0].batch(), history_->head().last_batch.ToBytes());
  EXPECT_EQ((*heads)[0].digest(), history_->mirror().digest().ToBytes());
  EXPECT_EQ((*heads)[1].cluster(), "aws-euw1");
  EXPECT_EQ((*heads)[1].revision(), 0u);
  EXPECT_EQ(client_->ReadHeads(0)->size(), 1u);
  EXPECT_THAT(*client_->ReadHeads(9), testing::IsEmpty());
}

TEST_P(StoreContract, TakesAgentsReports) {
  v1::AgentStatus status;
  status.set_cluster(kCluster.name);
  status.set_node("n1");
  status.add_applied()->set_cluster(kCluster.name);
  EXPECT_TRUE(client_->WriteAgents(kCluster, {status, status}).ok());
  EXPECT_TRUE(client_->WriteAgents(kCluster, {}).ok());
}

// Several control planes on one cluster, without any lease.
TEST_P(StoreContract, RacingWritersMakeOneHistory) {
  constexpr int kWriters = 8;
  constexpr int kBatches = 12;
  std::vector<std::thread> writers;
  std::vector<std::set<std::string>> own(kWriters);
  std::atomic<int> lost{0};
  for (int w = 0; w < kWriters; ++w) {
    auto client = std::make_shared<StoreClient>(harness_->Open());
    writers.emplace_back([this, w, client, &own, &lost] {
      for (int done = 0; done < kBatches;) {
        const absl::StatusOr<v1::Snapshot> at = client->ReadSnapshot(kCluster);
        ASSERT_TRUE(at.ok()) << at.status();
        // Plan on what was read: one namespace more.
        StoredHead head;
        head.epoch = at->head().epoch();
        head.revision = at->head().revision();
        head.last_batch = *Id128::FromBytes(at->head().batch());
        Digest digest(*Id128::FromBytes(at->head().digest()));
        const std::string name = absl::StrCat("w", w, "-", done);
        digest.Add(KeyHash(v1::KIND_NAMESPACE, name), head.revision + 1);
        v1::Changes changes;
        *changes.add_changes() = UpsertOf(NamespaceObject(name));
        CommitRequest request;
        request.cluster = kCluster;
        request.expected = head;
        request.batch = *EncodeBatch(kCluster.name, head.epoch, head.revision + 1, head.last_batch,
                                     digest.value(), std::move(changes));
        request.requests = {{Id128{static_cast<uint64_t>(w + 1), head.revision}, "w", name}};
        const absl::Status committed = client->Commit(request);
        const auto answer = client->FindRequest(kCluster, request.requests[0].request_id, "w");
        if (committed.ok()) {
          own[w].insert(request.batch.batch.ToHex());
          ++done;
          EXPECT_EQ(**answer, name);
        } else {
          ASSERT_EQ(committed.code(), absl::StatusCode::kAborted) << committed;
          ++lost;
          EXPECT_FALSE(answer->has_value()) << "a loser wrote";
        }
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::vector<LogRow> log = *client_->ReadLog(kCluster, 0);
  ASSERT_EQ(log.size(), static_cast<size_t>(kWriters * kBatches));
  Id128 prev;
  std::set<std::string> all;
  for (size_t i = 0; i < log.size(); ++i) {
    EXPECT_EQ(log[i].revision, i + 1);
    const absl::StatusOr<Batch> batch = DecodeBatch(log[i].envelope);
    ASSERT_TRUE(batch.ok()) << batch.status();
    EXPECT_EQ(batch->revision, i + 1);
    EXPECT_EQ(batch->prev_batch, prev);
    prev = batch->batch;
    all.insert(batch->batch.ToHex());
  }
  for (const std::set<std::string>& batches : own) {
    EXPECT_EQ(batches.size(), static_cast<size_t>(kBatches));
    for (const std::string& batch : batches) EXPECT_TRUE(all.contains(batch));
  }
  EXPECT_EQ(client_->ReadSnapshot(kCluster)->objects_size(), kWriters * kBatches);
  EXPECT_GT(lost.load(), 0) << "nobody raced";
}

TEST_P(StoreContract, ADeletedIdentityIsKeptAsRetiredUntilItIsBack) {
  v1::Object object = history_->RandomObject(v1::KIND_IDENTITY);
  const ObjectKey key = KeyOf(object);
  ASSERT_TRUE(client_->Commit(history_->Next({UpsertOf(object)})).ok());
  EXPECT_TRUE(client_->ReadIdentityLife(kCluster)->retired.empty());
  ASSERT_TRUE(client_->Commit(history_->Next({DeleteOf(key)})).ok());
  const absl::StatusOr<IdentityLife> life = client_->ReadIdentityLife(kCluster);
  ASSERT_TRUE(life.ok()) << life.status();
  ASSERT_EQ(life->retired.size(), 1u);
  EXPECT_EQ(life->retired[0].epoch, 1u);
  EXPECT_EQ(life->retired[0].revision, 2u);
  EXPECT_EQ(life->retired[0].identity.DebugString(), object.identity().DebugString());
  // Deleting what is not there changes nothing of that.
  ASSERT_TRUE(client_->Commit(history_->Next({DeleteOf(key)})).ok());
  EXPECT_EQ(client_->ReadIdentityLife(kCluster)->retired[0].revision, 2u);
  ASSERT_TRUE(client_->Commit(history_->Next({UpsertOf(object)})).ok());
  EXPECT_TRUE(client_->ReadIdentityLife(kCluster)->retired.empty());
}

TEST_P(StoreContract, TheLeastAdvancedNodeOfAllClustersIsWhatIsConfirmed) {
  EXPECT_EQ(client_->ReadIdentityLife(kCluster)->node, "");
  const absl::StatusOr<StoredHead> other = client_->OpenCluster(kOther);
  ASSERT_TRUE(other.ok());
  RandomHistory others(kOther, *other, 2);
  auto node = [](RandomHistory* history, const std::string& name, uint32_t number) {
    v1::Object object = history->RandomObject(v1::KIND_NODE);
    object.mutable_node()->set_name(name);
    object.mutable_node()->set_number(number);
    return UpsertOf(std::move(object));
  };
  ASSERT_TRUE(client_->Commit(history_->Next({node(history_.get(), "n1", 1)})).ok());
  ASSERT_TRUE(client_->Commit(others.Next({node(&others, "g1", 1)})).ok());
  auto report = [](const ClusterRef& cluster, const std::string& name, uint64_t sequence, uint64_t enforced) {
    v1::AgentStatus status;
    status.set_cluster(cluster.name);
    status.set_node(name);
    status.set_start_ms(1);
    status.set_sequence(sequence);
    v1::AppliedCluster* applied = status.add_applied();
    applied->set_cluster("aws-euw2");
    applied->set_epoch(1);
    applied->set_received(enforced + 1);
    applied->set_enforced(enforced);
    applied->set_batch(Id128{1, 2}.ToBytes());
    return status;
  };
  ASSERT_TRUE(client_->WriteAgents(kCluster, {report(kCluster, "n1", 1, 7)}).ok());
  IdentityLife life = *client_->ReadIdentityLife(kCluster);
  EXPECT_EQ(life.node, "gcp-euw2/g1") << "it has said nothing yet";
  EXPECT_EQ(life.epoch, 0u);
  ASSERT_TRUE(client_->WriteAgents(kOther, {report(kOther, "g1", 1, 5)}).ok());
  life = *client_->ReadIdentityLife(kCluster);
  EXPECT_EQ(life.node, "gcp-euw2/g1");
  EXPECT_EQ(life.epoch, 1u);
  EXPECT_EQ(life.revision, 5u);
  // A node that is deleted is waited for no longer.
  ASSERT_TRUE(client_->Commit(others.Next({DeleteOf(ObjectKey{v1::KIND_NODE, "g1"})})).ok());
  life = *client_->ReadIdentityLife(kCluster);
  EXPECT_EQ(life.node, "aws-euw2/n1");
  EXPECT_EQ(life.revision, 7u);
}

}  // namespace trivium
