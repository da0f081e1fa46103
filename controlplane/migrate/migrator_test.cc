#include "controlplane/migrate/migrator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"

namespace trivium {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

std::vector<MigrationFile> Chain() {
  return {
      {"common", "0001_a",
       "-- replaces: nothing\n-- words; more\nCREATE TABLE a (\n  x INT8\n);\n\nCREATE TABLE b (y INT8);\n"},
      {"postgres", "0002_p", "-- replaces: 0001_a\nALTER TABLE a SET (fillfactor = 50);\n"},
      {"cockroach", "0002_c",
       "-- replaces: 0001_a\nALTER TABLE a ADD COLUMN r TEXT AS ({{region_of_home}}) STORED;\n"}};
}

TEST(BuildMigrationsTest, SplitsAndOrders) {
  const auto built = BuildMigrations(Chain(), SqlDialect::kPostgres, {});
  ASSERT_TRUE(built.ok()) << built.status();
  ASSERT_THAT(*built, SizeIs(2));
  ASSERT_THAT((*built)[0].statements, SizeIs(2));
  EXPECT_EQ((*built)[0].statements[0], "CREATE TABLE a (\n  x INT8\n)");
  EXPECT_EQ((*built)[1].name, "0002_p");
  EXPECT_EQ((*built)[0].checksum.size(), 16u);
}

TEST(BuildMigrationsTest, NamesCockroachRegions) {
  const auto built = BuildMigrations(Chain(), SqlDialect::kCockroach, {{1, "aws"}, {2, "gcp"}});
  ASSERT_TRUE(built.ok()) << built.status();
  EXPECT_THAT((*built)[1].statements[0],
              HasSubstr("(CASE WHEN home = 1 THEN 'aws' WHEN home = 2 THEN 'gcp' ELSE 'aws' END) STORED"));
  EXPECT_EQ(BuildMigrations(Chain(), SqlDialect::kCockroach, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(BuildMigrations(Chain(), SqlDialect::kCockroach, {{1, "a'b"}}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

void ExpectRefused(std::vector<MigrationFile> files, const std::string& why) {
  const auto built = BuildMigrations(files, SqlDialect::kPostgres, {});
  EXPECT_EQ(built.status().code(), absl::StatusCode::kInvalidArgument) << why;
  EXPECT_THAT(std::string(built.status().message()), HasSubstr(why));
}

TEST(BuildMigrationsTest, RefusesABrokenChain) {
  std::vector<MigrationFile> files = Chain();
  files[1].sql = "-- replaces: 0001_b\nSELECT 1;\n";
  ExpectRefused(files, "want \"0001_a\"");
  files = Chain();
  files[1].name = "0003_p";
  ExpectRefused(files, "0003_p");
  files = Chain();
  files[0].sql = "CREATE TABLE a (x INT8);\n";
  ExpectRefused(files, "replaces");
  files = Chain();
  files[0].sql = "-- replaces: nothing\nCREATE TABLE a (x INT8)\n";
  ExpectRefused(files, "does not end");
  files = Chain();
  files[0].sql = "-- replaces: nothing\n";
  ExpectRefused(files, "no statement");
  files = Chain();
  files[0].name = "first";
  ExpectRefused(files, "NNNN");
}

TEST(BuildMigrationsTest, TheEmbeddedFilesAreSoundForBoth) {
  const auto postgres = BuildMigrations(MigrationFiles(), SqlDialect::kPostgres, {});
  ASSERT_TRUE(postgres.ok()) << postgres.status();
  const auto cockroach = BuildMigrations(MigrationFiles(), SqlDialect::kCockroach, {{1, "aws"}});
  ASSERT_TRUE(cockroach.ok()) << cockroach.status();
  EXPECT_EQ(postgres->size(), cockroach->size());
  for (const Migration& migration : *cockroach) {
    for (const std::string& statement : migration.statements) EXPECT_THAT(statement, Not(HasSubstr("{{")));
  }
}

}  // namespace
}  // namespace trivium
