// Migrations on a real server: from empty, again, killed half-way, side by side, and against the wrong
// schema.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "controlplane/migrate/migrator.h"
#include "tests/support/postgres_fixture.h"

namespace trivium {
namespace {

using testing::HasSubstr;

class MigrateTest : public testing::Test {
 protected:
  MigrateTest() {
    options_.server = server_;
    options_.holder = "one";
    options_.patience = absl::Seconds(30);
  }
  absl::Status Run(const std::vector<MigrationFile>& files) { return Migrate(options_, files, RealRandom()); }
  absl::Status Check(const std::vector<MigrationFile>& files) {
    auto connection = Connection::Open(server_.hosts[0], server_);
    return connection.ok() ? CheckSchema(**connection, files, {}) : connection.status();
  }
  int64_t Count(const std::string& sql) { return MustRun(server_, sql).Int(0, 0); }

  const SqlServerOptions server_ = SharedPostgres()->ClientOptions(SharedPostgres()->CreateDatabase());
  MigrateOptions options_;
};

std::vector<MigrationFile> Small() {
  return {{"common", "0001_a", "-- replaces: nothing\nCREATE TABLE IF NOT EXISTS a (x INT8);\n"},
          {"common", "0002_b",
           "-- replaces: 0001_a\nCREATE TABLE IF NOT EXISTS b (x INT8);\n\nALTER TABLE b ADD COLUMN IF NOT "
           "EXISTS y INT8;\n"}};
}

TEST_F(MigrateTest, FromEmptyAndAgain) {
  const absl::Status before = Check(MigrationFiles());
  EXPECT_EQ(before.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(before.message()), HasSubstr("older"));
  ASSERT_TRUE(Run(MigrationFiles()).ok());
  EXPECT_TRUE(Check(MigrationFiles()).ok());
  const int64_t rows = Count("SELECT count(*) FROM schema_migrations");
  ASSERT_TRUE(Run(MigrationFiles()).ok());
  EXPECT_EQ(Count("SELECT count(*) FROM schema_migrations"), rows);
}

TEST_F(MigrateTest, EveryStepMayRunTwice) {
  ASSERT_TRUE(Run(MigrationFiles()).ok());
  MustRun(server_, "DELETE FROM schema_migrations");
  const absl::Status again = Run(MigrationFiles());
  EXPECT_TRUE(again.ok()) << again;
  EXPECT_TRUE(Check(MigrationFiles()).ok());
}

TEST_F(MigrateTest, IsFinishedByTheNextOneWhereverItStopped) {
  // Stops after each number of statements in turn, as if killed there; the same database goes on each time.
  const absl::StatusOr<std::vector<Migration>> all =
      BuildMigrations(MigrationFiles(), SqlDialect::kPostgres, {});
  ASSERT_TRUE(all.ok());
  std::vector<MigrationFile> in_order = MigrationFiles();
  std::sort(in_order.begin(), in_order.end(),
            [](const MigrationFile& a, const MigrationFile& b) { return a.name < b.name; });
  for (const MigrationFile& file : in_order) {
    if (file.folder == "cockroach") continue;
    std::vector<MigrationFile> torn;
    for (MigrationFile known : MigrationFiles()) {
      if (known.name == file.name && known.folder == file.folder) {
        // Its first statement, then one that fails.
        const size_t end = known.sql.find(";\n");
        known.sql = known.sql.substr(0, end + 2) + "SELECT no_such_column FROM schema_lock;\n";
      }
      torn.push_back(known);
    }
    const absl::Status failed = Run(torn);
    ASSERT_FALSE(failed.ok());
    EXPECT_THAT(std::string(failed.message()), HasSubstr(file.name));
    EXPECT_FALSE(Check(MigrationFiles()).ok());
    // Up to and with this file, as a program of that age would.
    std::vector<MigrationFile> until;
    for (const MigrationFile& known : MigrationFiles()) {
      if (known.name.substr(0, 4) <= file.name.substr(0, 4)) until.push_back(known);
    }
    const absl::Status finished = Run(until);
    ASSERT_TRUE(finished.ok()) << file.name << ": " << finished;
  }
  EXPECT_TRUE(Check(MigrationFiles()).ok());
}

TEST_F(MigrateTest, ADeadMigratorsLeaseExpires) {
  ASSERT_TRUE(Run(Small()).ok());
  MustRun(server_, "UPDATE schema_lock SET holder = 'dead', expires_at = now() + INTERVAL '1 second'");
  std::vector<MigrationFile> more = Small();
  more.push_back({"common", "0003_c", "-- replaces: 0002_b\nCREATE TABLE IF NOT EXISTS c (x INT8);\n"});
  const absl::Status migrated = Run(more);
  EXPECT_TRUE(migrated.ok()) << migrated;
}

TEST_F(MigrateTest, ALivingMigratorsLeaseIsRespected) {
  ASSERT_TRUE(Run(Small()).ok());
  MustRun(server_, "UPDATE schema_lock SET holder = 'living', expires_at = now() + INTERVAL '1 hour'");
  options_.patience = absl::Milliseconds(200);
  const absl::Status refused = Run(Small());
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("another program is migrating"));
}

TEST_F(MigrateTest, SeveralAtOnceMakeOneSchema) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      MigrateOptions options = options_;
      options.holder = absl::StrCat("m", i);
      options.patience = absl::Seconds(60);
      const absl::Status migrated = Migrate(options, MigrationFiles(), RealRandom());
      EXPECT_TRUE(migrated.ok()) << migrated;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(Check(MigrationFiles()).ok());
}

TEST_F(MigrateTest, ANewerDatabaseThatSaysSoWorksWithAnOlderProgram) {
  std::vector<MigrationFile> files = Small();
  const std::vector<MigrationFile> old = files;
  const std::string last = files.back().name;
  const std::string number = absl::StrCat("000", files.size() + 1);
  files.push_back(
      {"common", number + "_more",
       absl::StrCat("-- replaces: ", last, "\n-- works with: ", last, "\nCREATE TABLE more (a INT8);\n")});
  ASSERT_TRUE(Run(files).ok());
  EXPECT_TRUE(Check(files).ok());
  for (const absl::Status& status : {Run(old), Check(old)}) EXPECT_TRUE(status.ok()) << status;
  // But not with one that is older than it says.
  std::vector<MigrationFile> older = old;
  older.pop_back();
  EXPECT_EQ(Check(older).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(MigrateTest, RefusesANewerDatabaseAndAnotherHistory) {
  ASSERT_TRUE(Run(Small()).ok());
  std::vector<MigrationFile> old = Small();
  old.pop_back();
  for (const absl::Status& refused : {Run(old), Check(old)}) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("newer than this program"));
  }
  std::vector<MigrationFile> edited = Small();
  edited[0].sql += "SELECT 1;\n";
  for (const absl::Status& refused : {Run(edited), Check(edited)}) {
    EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("another migration 0001_a"));
  }
}

// What pg_dump says, without what depends on its version and session.
std::string DumpSchema(const SqlServerOptions& server) {
  const std::string command =
      absl::StrCat("/usr/lib/postgresql/15/bin/pg_dump --schema-only --no-owner -h ", server.hosts[0].host,
                   " -p ", server.hosts[0].port, " -U ", server.user, " ", server.database);
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  std::string raw;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) raw.append(buffer, n);
  if (pclose(pipe) != 0) return "pg_dump failed";
  std::string dump;
  bool gap = false;
  for (const absl::string_view line : absl::StrSplit(raw, '\n')) {
    if (absl::StartsWith(line, "--") || absl::StartsWith(line, "SET ") ||
        absl::StartsWith(line, "SELECT pg_catalog") || absl::StartsWith(line, "\\")) {
      continue;
    }
    if (line.empty()) {
      gap = !dump.empty();
      continue;
    }
    absl::StrAppend(&dump, gap ? "\n" : "", line, "\n");
    gap = false;
  }
  return dump;
}

TEST_F(MigrateTest, TheSchemaIsTheOneThatIsWrittenDown) {
  ASSERT_TRUE(Run(MigrationFiles()).ok());
  const std::string path = TRIVIUM_SOURCE_DIR "/schema/sql/schema.sql";
  const std::string dump = absl::StrCat(
      "-- What the migrations make on PostgreSQL, by pg_dump. Generated by tests/db/migrate_test.cc:\n"
      "-- TRIVIUM_REGENERATE=1 ctest -R migrate_test\n\n",
      DumpSchema(server_));
  if (std::getenv("TRIVIUM_REGENERATE") != nullptr) std::ofstream(path) << dump;
  std::ifstream file(path);
  const std::string written((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_EQ(written, dump) << "regenerate with TRIVIUM_REGENERATE=1";
  EXPECT_THAT(dump, HasSubstr("CREATE TABLE public.cluster_rev"));
}

}  // namespace
}  // namespace trivium
