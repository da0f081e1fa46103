// What a commit answers when the connection is cut, frozen, or the server dies under it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "tests/db/sql_world.h"
#include "tests/support/cutting_proxy.h"

namespace trivium {
namespace {

class CommitFault : public testing::Test {
 protected:
  void SetUp() override {
    proxied_ = world_.options();
    proxied_.hosts = {{"127.0.0.1", proxy_.port()}};
    store_ = world_.Open(Options(), &client_);
    history_ = std::make_unique<RandomHistory>(kCluster, *client_->OpenCluster(kCluster), 1);
    ASSERT_TRUE(client_->Commit(history_->Next(10)).ok());
  }
  SqlStore::Options Options() const {
    SqlStore::Options options = StoreOn(proxied_);
    options.pool.threads = 1;
    options.deadline = absl::Seconds(30);
    return options;
  }
  void ExpectHistoryHolds() {
    EXPECT_EQ(client_->ReadHead(kCluster)->last_batch, history_->head().last_batch);
    const absl::StatusOr<v1::Snapshot> snapshot = client_->ReadSnapshot(kCluster);
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    EXPECT_EQ(RowsOf(*snapshot), RowsOf(history_->mirror()));
    EXPECT_EQ(client_->ReadLog(kCluster, 0)->size(), history_->head().revision);
  }

  const ClusterRef kCluster{"aws-euw2", 1, 1};
  SqlWorld world_;
  CuttingProxy proxy_{"127.0.0.1", SharedPostgres()->port()};
  SqlServerOptions proxied_;
  SqlStore* store_ = nullptr;
  std::unique_ptr<StoreClient> client_;
  std::unique_ptr<RandomHistory> history_;
};

TEST_F(CommitFault, CutBeforeCommitReachedTheServerIsRunAgain) {
  proxy_.CutOnce(CuttingProxy::Cut::kBeforeServer, "COMMIT");
  const absl::Status committed = client_->Commit(history_->Next(10));
  EXPECT_TRUE(committed.ok()) << committed;
  EXPECT_EQ(proxy_.cuts(), 1);
  EXPECT_EQ(store_->counters().lost_connections, 1u);
  ExpectHistoryHolds();
}

TEST_F(CommitFault, CutAfterTheCommitIsFoundInTheLog) {
  proxy_.CutOnce(CuttingProxy::Cut::kAnswer, "COMMIT");
  const absl::Status committed = client_->Commit(history_->Next(10));
  EXPECT_TRUE(committed.ok()) << committed;
  EXPECT_EQ(proxy_.cuts(), 1);
  ExpectHistoryHolds();
}

TEST_F(CommitFault, CutWhileTheCommitIsOnItsWayEndsInOneRevision) {
  for (int i = 0; i < 10; ++i) {
    proxy_.CutOnce(CuttingProxy::Cut::kAfterServer, "COMMIT");
    const absl::Status committed = client_->Commit(history_->Next(10));
    ASSERT_TRUE(committed.ok()) << committed;
    ASSERT_EQ(proxy_.cuts(), i + 1);
  }
  ExpectHistoryHolds();
}

TEST_F(CommitFault, CutAndOvertakenIsALostRace) {
  // The answer is lost, and before this store is back another one commits on top: found below the head.
  std::unique_ptr<StoreClient> direct = world_.Open();
  const CommitRequest mine = history_->Next(5);
  ASSERT_TRUE(direct->Commit(mine).ok());
  const CommitRequest next = history_->Next(5);
  ASSERT_TRUE(direct->Commit(next).ok());
  EXPECT_TRUE(client_->Commit(mine).ok()) << "committed by the attempt whose answer was lost";
  // Cut before the server, and another batch takes the place meanwhile.
  RandomHistory rival(kCluster, history_->head(), 77);
  const CommitRequest losing = rival.Next(5);
  ASSERT_TRUE(direct->Commit(history_->Next(5)).ok());
  proxy_.CutOnce(CuttingProxy::Cut::kBeforeServer, "COMMIT");
  EXPECT_EQ(client_->Commit(losing).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(proxy_.cuts(), 1);
  ExpectHistoryHolds();
}

TEST_F(CommitFault, WithoutAnyServerItSaysSoInTimeAndTheSameRequestMayCome) {
  SqlStore::Options options = Options();
  options.deadline = absl::Milliseconds(300);
  std::unique_ptr<StoreClient> hasty;
  world_.Open(options, &hasty);
  ASSERT_TRUE(hasty->ReadHead(kCluster).ok());
  const CommitRequest request = history_->Next(5);
  proxy_.Refuse(true);
  EXPECT_EQ(hasty->Commit(request).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(hasty->ReadHead(kCluster).status().code(), absl::StatusCode::kUnavailable);
  proxy_.Refuse(false);
  EXPECT_TRUE(hasty->Commit(request).ok());
  ExpectHistoryHolds();
}

TEST_F(CommitFault, HeadsAreAnsweredInTimeAndAFrozenConnectionIsGivenUp) {
  SqlStore::Options options = Options();
  options.heads_deadline = absl::Milliseconds(100);
  options.heads_patience = absl::Milliseconds(500);
  std::unique_ptr<StoreClient> client;
  SqlStore* store = world_.Open(options, &client);
  while (!client->ReadHeads(1).ok()) continue;  // connected
  const uint64_t lost = store->counters().lost_connections;
  proxy_.Freeze(true);
  EXPECT_EQ(client->ReadHeads(1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(client->ReadHeads(1).status().code(), absl::StatusCode::kUnavailable) << "one at a time";
  // The thread gives the connection up and is free for what comes next, though the proxy stays as it is.
  EXPECT_EQ(client->ReadHeads(2).status().code(), absl::StatusCode::kUnavailable);
  while (store->counters().lost_connections == lost) EXPECT_FALSE(client->ReadHeads(1).ok());
  proxy_.Freeze(false);
  while (!client->ReadHeads(1).ok()) continue;
}

TEST_F(CommitFault, ClosingAStoreDoesNotWaitForAFrozenServer) {
  proxy_.Freeze(true);
  LoopExecutor executor("closing");
  auto store = std::make_unique<SqlStore>(Options(), RealRandom());
  store->ReadHead(kCluster, &executor,
                  [](absl::StatusOr<StoredHead>) { ADD_FAILURE() << "called after the end"; });
  executor.RunAndWait([&store] { store.reset(); });
  proxy_.Freeze(false);
}

TEST_F(CommitFault, AWaiterIsRefusedBeyondTheQueue) {
  SqlStore::Options options = Options();
  options.pool.queue = 2;
  LoopExecutor executor("full");  // outlives the store, whose threads post to it
  std::unique_ptr<StoreClient> client;
  SqlStore* store = world_.Open(options, &client);
  proxy_.Freeze(true);
  absl::Mutex mutex;
  std::vector<absl::StatusCode> codes;
  for (int i = 0; i < 8; ++i) {
    store->ReadHead(kCluster, &executor, [&](absl::StatusOr<StoredHead> head) {
      absl::MutexLock lock(&mutex);
      codes.push_back(head.status().code());
    });
  }
  proxy_.Freeze(false);
  absl::MutexLock lock(&mutex);
  auto all = [&codes] { return codes.size() == 8; };
  ASSERT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&all), absl::Seconds(30)));
  EXPECT_THAT(codes, testing::Contains(absl::StatusCode::kResourceExhausted)
                         .Times(testing::AllOf(testing::Ge(5), testing::Le(6))));
  EXPECT_THAT(codes,
              testing::Contains(absl::StatusCode::kOk).Times(testing::AllOf(testing::Ge(2), testing::Le(3))));
}

TEST_F(CommitFault, StaleStatementsArePreparedAgain) {
  // Every session forgets what it prepared.
  MustRun(world_.As("postgres"), "ALTER TABLE namespaces ALTER COLUMN manifest TYPE VARCHAR");
  ASSERT_TRUE(client_->Commit(history_->Next({UpsertOf(NamespaceObject("x"))})).ok());
  const auto manifest = client_->ReadManifest(kCluster, {v1::KIND_NAMESPACE, "x"});
  EXPECT_EQ(manifest.status().code(), absl::StatusCode::kNotFound) << manifest.status();
  const uint64_t before = store_->counters().lost_connections;
  MustRun(world_.As("postgres"), "ALTER TABLE namespaces ALTER COLUMN manifest TYPE TEXT");
  EXPECT_EQ(client_->ReadManifest(kCluster, {v1::KIND_NAMESPACE, "x"}).status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_GT(store_->counters().lost_connections, before) << "0A000 did not come";
}

TEST(ServerDeath, ACommittedBatchOutlivesAKilledServer) {
  PostgresServer server({.durable = true});
  SqlWorld world(&server);
  const ClusterRef cluster{"aws", 1, 1};
  std::unique_ptr<StoreClient> client = world.Open();
  RandomHistory history(cluster, *client->OpenCluster(cluster), 3);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(client->Commit(history.Next(10)).ok());
    server.Kill();
    const CommitRequest next = history.Next(10);
    absl::Status during;
    std::thread committing([&] { during = client->Commit(next); });
    server.Start();
    committing.join();
    EXPECT_TRUE(during.ok()) << during;
  }
  EXPECT_EQ(RowsOf(*client->ReadSnapshot(cluster)), RowsOf(history.mirror()));
  EXPECT_EQ(client->ReadLog(cluster, 0)->size(), 6u);
}

}  // namespace
}  // namespace trivium
