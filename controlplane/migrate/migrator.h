// Brings a database to this program's schema, and checks that it is there.
//
// Migrations are a chain: each names its predecessor. Their statements run one at a time and may run again,
// so a migrator that dies in the middle leaves nothing that its successor cannot finish. A lease row keeps
// migrators apart. Blocking: for start-up, before any executor runs. See migrations/README.md.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "controlplane/db/connection.h"
#include "controlplane/db/server_options.h"
#include "controlplane/migrate/migrations.h"

namespace trivium {

struct Migration {
  int64_t number = 0;
  std::string name;      // "0001_revisions"
  std::string replaces;  // its predecessor's name, "nothing" for the first
  std::string checksum;
  // Programs that end at this number or later may run on the schema although they do not know the migration:
  // its own number, unless its second line says "-- works with: NNNN_words".
  int64_t works_with = 0;
  std::vector<std::string> statements;
};

enum class SqlDialect { kPostgres, kCockroach };

// The numbers of home regions and the names that CockroachDB has for them.
using RegionNames = std::vector<std::pair<uint32_t, std::string>>;

// Orders, splits and checks the files of one dialect; `regions` fill {{region_of_home}}.
// kInvalidArgument names the file and what is wrong with it.
absl::StatusOr<std::vector<Migration>> BuildMigrations(const std::vector<MigrationFile>& files,
                                                       SqlDialect dialect, const RegionNames& regions);

struct MigrateOptions {
  SqlServerOptions server;
  std::string holder;                            // unique to this process: whose lease it is
  RegionNames regions;                           // CockroachDB only
  absl::Duration lease = absl::Seconds(30);      // renewed before each statement
  absl::Duration patience = absl::Seconds(120);  // for servers that do not answer and others' leases
};

// OK once the database has the schema of `files`. kFailedPrecondition if it was made by other migrations, or
// has newer ones, unless all of those say that they work with this program.
absl::Status Migrate(const MigrateOptions& options, const std::vector<MigrationFile>& files, Random* random);

// kFailedPrecondition unless the schema is that of `files`, or a newer one that works with it: how every
// other start-up begins.
absl::Status CheckSchema(Connection& connection, const std::vector<MigrationFile>& files,
                         const RegionNames& regions);

}  // namespace trivium
