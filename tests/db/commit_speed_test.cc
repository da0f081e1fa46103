// What keeps a commit short on a real PostgreSQL: one warm connection, and plans that know how full the
// tables are.
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/db/sql_world.h"

namespace trivium {
namespace {

constexpr size_t kManyChanges = 250;  // more than TableStatistics waits for

class CommitSpeed : public ::testing::Test {
 protected:
  const ClusterRef cluster_{"aws", 1, 1};
  SqlWorld world_;
};

TEST_F(CommitSpeed, WhoeverWasIdleLastIsCalledFirst) {
  SqlStore::Options options = StoreOn(world_.options());
  options.pool.threads = 4;
  std::unique_ptr<StoreClient> client;
  const SqlStore* const store = world_.Open(options, &client);
  ASSERT_TRUE(client->OpenCluster(cluster_).ok());
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(client->ReadHead(cluster_).ok());
  EXPECT_LE(store->counters().connects, 2u) << "one after another, they need no four connections";
}

TEST_F(CommitSpeed, PlansAreMadeAnewWhenTheTablesHaveGrown) {
  const std::unique_ptr<StoreClient> client = world_.Open();
  ASSERT_TRUE(client->OpenCluster(cluster_).ok());
  RandomHistory history(cluster_, client->ReadHead(cluster_).value(), 7);
  const std::string analyzed =
      "SELECT count(*)::TEXT FROM pg_stats WHERE tablename = 'namespaces' AND attname = 'name'";
  EXPECT_EQ(world_.Value(analyzed), "0");
  std::vector<v1::Change> changes;
  for (size_t i = 0; i < kManyChanges; ++i) {
    changes.push_back(UpsertOf(NamespaceObject(absl::StrCat("ns-", i))));
  }
  ASSERT_TRUE(client->Commit(history.Next(std::move(changes))).ok());
  // The next job of the same thread, or beside it: soon.
  const absl::Time end = absl::Now() + absl::Seconds(30);
  while (world_.Value(analyzed) == "0" && absl::Now() < end) ASSERT_TRUE(client->ReadHead(cluster_).ok());
  EXPECT_EQ(world_.Value(analyzed), "1");
}

}  // namespace
}  // namespace trivium
