// The store's contract over a real server: PostgreSQL of our own, or the one TRIVIUM_TEST_SQL_URL names; at
// READ COMMITTED and at SERIALIZABLE.
#include "controlplane/migrate/migrator.h"
#include "controlplane/store/sql_store.h"
#include "tests/contract/store_contract.h"
#include "tests/contract/store_upkeep_contract.h"
#include "tests/support/postgres_fixture.h"

namespace trivium {
namespace {

const RegionNames kRegions = {{1, "local"}};

// What the store needs runs on any server. A single CockroachDB has no regions, so the statements that place
// the tables are left out; they are no part of what the contract is about.
std::vector<MigrationFile> ContractFiles() {
  std::vector<MigrationFile> files = MigrationFiles();
  for (MigrationFile& file : files) {
    if (file.folder != "cockroach") continue;
    file.sql = file.sql.substr(0, file.sql.find('\n') + 1) + "SELECT 1;\n";
  }
  return files;
}

SqlStore::Options StoreOptions(SqlServerOptions server, SqlIsolation isolation) {
  SqlStore::Options options;
  options.pool.server = std::move(server);
  options.pool.server.isolation = isolation;
  options.pool.threads = 2;
  options.compact_step = 2;
  options.pool.on_connect = [](Connection& connection) {
    return CheckSchema(connection, ContractFiles(), kRegions);
  };
  return options;
}

// One migrated database for the whole program; each harness begins by emptying it.
class ContractDatabase final : public testing::Environment {
 public:
  void SetUp() override {
    server = FreshDatabase();
    MigrateOptions options;
    options.server = server;
    options.holder = "test";
    options.regions = kRegions;
    const absl::Status migrated = Migrate(options, ContractFiles(), RealRandom());
    ASSERT_TRUE(migrated.ok()) << migrated;
    const SqlResult rows = MustRun(server,
                                   "SELECT table_name::TEXT FROM information_schema.tables "
                                   "WHERE table_schema = 'public' AND table_type = 'BASE TABLE' "
                                   "AND table_name NOT LIKE 'schema%'");
    for (int i = 0; i < rows.rows(); ++i) tables.push_back(rows.Bytes(i, 0));
    ASSERT_GT(tables.size(), 15u);
  }
  void TearDown() override { DropFreshDatabase(server); }

  SqlServerOptions server;
  std::vector<std::string> tables;
};
auto* const kDatabase =
    static_cast<ContractDatabase*>(testing::AddGlobalTestEnvironment(new ContractDatabase));

class SqlHarness final : public StoreHarness {
 public:
  explicit SqlHarness(SqlIsolation isolation) : isolation_(isolation) {
    auto connection = Connection::Open(kDatabase->server.hosts[0], kDatabase->server);
    EXPECT_TRUE(connection.ok()) << connection.status();
    Pipeline empty;
    for (const std::string& table : kDatabase->tables) empty.AddText("DELETE FROM " + table);
    const absl::Status emptied = (*connection)->Run(empty).status();
    EXPECT_TRUE(emptied.ok()) << emptied;
  }
  std::unique_ptr<Store> Open() override {
    return std::make_unique<SqlStore>(StoreOptions(kDatabase->server, isolation_), RealRandom());
  }
  std::vector<std::string> ReachabilityOf(const ClusterRef& cluster) override {
    const std::string of =
        absl::StrCat(" WHERE home = ", cluster.home, " AND cluster_id = ", cluster.cluster_id);
    const SqlResult rows =
        MustRun(kDatabase->server,
                absl::StrCat("SELECT identity::TEXT || '>' || peer::TEXT FROM reachability", of,
                             " UNION ALL SELECT identity::TEXT || ':' || name FROM policy_selections", of));
    std::vector<std::string> texts;
    for (int i = 0; i < rows.rows(); ++i) texts.push_back(rows.Bytes(i, 0));
    std::sort(texts.begin(), texts.end());
    return texts;
  }

 private:
  const SqlIsolation isolation_;
};

StoreWorld World(const std::string& name, SqlIsolation isolation) {
  return {name, [isolation] { return std::make_unique<SqlHarness>(isolation); }};
}

INSTANTIATE_TEST_SUITE_P(Sql, StoreContract,
                         testing::Values(World("ReadCommitted", SqlIsolation::kReadCommitted),
                                         World("Serializable", SqlIsolation::kSerializable)),
                         testing::PrintToStringParamName());

// What the contract cannot see: that the retry loop did run.
TEST(SerializableStore, RetriesSerializationFailures) {
  SqlHarness harness(SqlIsolation::kSerializable);
  const ClusterRef cluster{"aws", 1, 1};
  std::vector<SqlStore*> stores;
  std::vector<std::unique_ptr<StoreClient>> clients;
  for (int i = 0; i < 6; ++i) {
    auto store = harness.Open();
    stores.push_back(static_cast<SqlStore*>(store.get()));
    clients.push_back(std::make_unique<StoreClient>(std::move(store)));
  }
  ASSERT_TRUE(clients[0]->OpenCluster(cluster).ok());
  auto failures = [&stores] {
    uint64_t sum = 0;
    for (const SqlStore* store : stores) sum += store->counters().serialization_failures;
    return sum;
  };
  // All plan on one head at once; whoever waited for the winner's row gets 40001 and learns by running again
  // that it lost.
  int rounds = 0;
  for (; rounds < 200 && failures() == 0; ++rounds) {
    RandomHistory probe(cluster, *clients[0]->ReadHead(cluster), rounds);
    std::atomic<int> won{0};
    std::vector<std::thread> threads;
    for (size_t i = 0; i < clients.size(); ++i) {
      threads.emplace_back([&, i] {
        RandomHistory history(cluster, probe.head(), 1000 * rounds + i);
        // An order of its own for each: batches must differ, states need not be consistent here.
        const absl::Status status = clients[i]->Commit(history.Next(30));
        if (status.ok()) {
          ++won;
        } else {
          EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(won.load(), 1);
  }
  EXPECT_GT(failures(), 0u) << "no 40001 in " << rounds << " races";
  RecordProperty("serialization_failures", static_cast<int>(failures()));
  RecordProperty("rounds", rounds);
  std::cout << failures() << " serialization failures in " << rounds << " races, all resolved\n";
}

}  // namespace
}  // namespace trivium
