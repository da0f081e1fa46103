// A migrated database and stores on it: what the tests of this folder begin with.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "controlplane/migrate/migrator.h"
#include "controlplane/store/sql_store.h"
#include "tests/contract/random_history.h"
#include "tests/contract/store_client.h"
#include "tests/support/postgres_fixture.h"

namespace trivium {

inline MigrateOptions MigrateTo(const SqlServerOptions& server) {
  MigrateOptions options;
  options.server = server;
  options.holder = "test";
  options.patience = absl::Seconds(60);
  return options;
}

inline SqlStore::Options StoreOn(const SqlServerOptions& server) {
  SqlStore::Options options;
  options.pool.server = server;
  options.pool.threads = 2;
  options.pool.on_connect = [](Connection& connection) {
    return CheckSchema(connection, MigrationFiles(), {});
  };
  return options;
}

// A database of the given server (the shared one by default), migrated.
class SqlWorld {
 public:
  explicit SqlWorld(PostgresServer* server = SharedPostgres())
      : server_(server), database_(server->CreateDatabase()), options_(server->ClientOptions(database_)) {
    const absl::Status migrated = Migrate(MigrateTo(options_), MigrationFiles(), RealRandom());
    EXPECT_TRUE(migrated.ok()) << migrated;
  }

  const SqlServerOptions& options() const { return options_; }
  SqlServerOptions As(const std::string& role) const { return server_->ClientOptions(database_, role); }
  // Through a proxy, or with other changes: edit options() and open.
  SqlStore* Open(SqlStore::Options store_options, std::unique_ptr<StoreClient>* client) const {
    auto store = std::make_unique<SqlStore>(std::move(store_options), RealRandom());
    SqlStore* raw = store.get();
    *client = std::make_unique<StoreClient>(std::move(store));
    return raw;
  }
  std::unique_ptr<StoreClient> Open() const {
    std::unique_ptr<StoreClient> client;
    Open(StoreOn(options_), &client);
    return client;
  }
  // One value as text, read as the superuser.
  std::string Value(const std::string& sql) const {
    const SqlResult rows = MustRun(As("postgres"), sql);
    return rows.rows() == 0 ? "<no row>" : rows.IsNull(0, 0) ? "<null>" : rows.Bytes(0, 0);
  }

 private:
  PostgresServer* const server_;
  const std::string database_;
  const SqlServerOptions options_;
};

}  // namespace trivium
