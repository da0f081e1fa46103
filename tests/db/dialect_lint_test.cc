// The text of every statement and common migration against what CockroachDB and PostgreSQL do not share
// (docs/cockroachdb.md): a scan for words, no substitute for the server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "controlplane/db/statements.h"
#include "controlplane/migrate/migrations.h"
#include "controlplane/migrate/migrator.h"

namespace trivium {
namespace {

struct Forbidden {
  const char* pattern;  // in upper case, on text without comments and string literals
  const char* why;
};

constexpr Forbidden kForbidden[] = {
    {R"(\bCIDR\b)", "no such type on CockroachDB: INET"},
    {R"(\bMACADDR8?\b)", "no such type on CockroachDB"},
    {R"(\b(SMALL|BIG)?SERIAL[248]?\b)", "another meaning there: numbers come from the writer"},
    {R"(\b(CREATE\s+SEQUENCE|NEXTVAL|GENERATED)\b)", "contended and not transactional there"},
    {R"(\b(INT|INTEGER|SMALLINT|BIGINT)\b)", "INT2, INT4 or INT8: INT is 8 bytes there"},
    {R"(\bDOMAIN\b)", "no DOMAIN there"},
    {R"(\bENUM\b)", "altering one is a job there: INT2 or TEXT"},
    {R"(\bTRIGGER\b)", "none"},
    {R"(\b(FUNCTION|PROCEDURE)\b)", "none in SQL"},
    {R"(\b(LISTEN|NOTIFY|UNLISTEN)\b)", "not there: NATS"},
    {R"(ADVISORY)", "no advisory locks there: a lease row"},
    {R"(\bFOR\s+(KEY\s+)?SHARE\b)", "locks nothing there"},
    {R"(\bFOR\s+(NO\s+KEY\s+)?UPDATE\b)", "best effort there: the compare-and-set"},
    {R"(\b(DEFERRABLE|DEFERRED)\b)", "not there: order the writes"},
    {R"(\bEXCLUDE\b)", "not there"},
    {R"(\bMERGE\b)", "not there"},
    {R"(\bCOPY\b)", "admin only there: unnest"},
    {R"(\bMATERIALIZED\b)", "no views that must be refreshed"},
    {R"(\b(VACUUM|LOCK\s+TABLE|TABLESAMPLE|OVERRIDING|TRUNCATE|TEMP|TEMPORARY)\b)", "not the same there"},
    {R"(\bPARTITION\s+OF\b)", "not there"},
    {R"(\bSECURITY_INVOKER\b)", "not there"},
    {R"(\bCONCURRENTLY\b)", "PostgreSQL's alone"},
    {R"(\bREFERENCES\b)", "no foreign keys: they read or lock the parent"},
    {R"(/)", "integers divide otherwise there"},
    {R"(\bFILLFACTOR\b)", "PostgreSQL's alone"},
    {R"(\bTTL_)", "CockroachDB's alone"},
    {R"(\bSELECT\s+\*)", "list the columns"},
    {R"(\bDO\s+\$)", "no anonymous blocks"},
    {R"(^\s*WITH\b)", "no WITH before a writing statement: it reads what was there before it waited"},
};

// Comments and literals away, upper case.
std::string Bare(const std::string& sql) {
  std::string bare = std::regex_replace(sql, std::regex("--[^\n]*"), "");
  bare = std::regex_replace(bare, std::regex("'[^']*'"), "''");
  return absl::AsciiStrToUpper(bare);
}

std::vector<std::string> Faults(const std::string& sql) {
  std::vector<std::string> faults;
  const std::string bare = Bare(sql);
  for (const Forbidden& rule : kForbidden) {
    if (std::regex_search(bare, std::regex(rule.pattern))) {
      faults.push_back(absl::StrCat(rule.pattern, ": ", rule.why));
    }
  }
  return faults;
}

std::vector<const Statement*> EveryStatement() {
  std::vector<const Statement*> all = sql::All();
  all.insert(all.end(), sql::OfMigrations().begin(), sql::OfMigrations().end());
  return all;
}

TEST(DialectLint, StatementsSayOnlyWhatBothKnow) {
  for (const Statement* statement : EveryStatement()) {
    EXPECT_THAT(Faults(statement->sql), testing::IsEmpty()) << statement->name << statement->sql;
  }
}

TEST(DialectLint, CommonMigrationsSayOnlyWhatBothKnow) {
  int files = 0;
  for (const MigrationFile& file : MigrationFiles()) {
    if (file.folder != "common") continue;
    ++files;
    EXPECT_THAT(Faults(file.sql), testing::IsEmpty()) << file.name;
  }
  EXPECT_GE(files, 5);
}

TEST(DialectLint, StatementsAreNamedOnce) {
  std::set<std::string> names;
  for (const Statement* statement : EveryStatement()) {
    EXPECT_TRUE(names.insert(statement->name).second) << statement->name;
  }
  EXPECT_GT(names.size(), 60u);
}

TEST(DialectLint, ParametersAreCastWhereverTheyStand) {
  const std::regex parameter(R"(\$[0-9]+(::)?)");
  for (const Statement* statement : EveryStatement()) {
    const std::string text = statement->sql;
    for (std::sregex_iterator it(text.begin(), text.end(), parameter), end; it != end; ++it) {
      EXPECT_TRUE((*it)[1].matched) << statement->name << ": " << it->str();
    }
  }
}

TEST(DialectLint, EveryStatementOfAClusterNamesItsKey) {
  const std::set<std::string> exempt = {"read_heads"};
  const std::set<std::string> of_the_mesh = {"read_confirmed"};  // the slowest of all clusters' nodes
  for (const Statement* statement : sql::All()) {
    const std::string text = statement->sql;
    if (of_the_mesh.contains(statement->name)) continue;
    EXPECT_TRUE(absl::StrContains(text, "$1::INT2")) << statement->name;
    if (exempt.contains(statement->name)) continue;
    EXPECT_TRUE(absl::StrContains(text, "$2::INT8")) << statement->name;
  }
}

TEST(DialectLint, EveryTableBeginsItsKeyWithHomeAndCluster) {
  const std::regex table(R"(CREATE TABLE IF NOT EXISTS (\w+) \(([\s\S]*?)\n\);)");
  int tables = 0;
  for (const MigrationFile& file : MigrationFiles()) {
    for (std::sregex_iterator it(file.sql.begin(), file.sql.end(), table), end; it != end; ++it) {
      ++tables;
      EXPECT_TRUE(absl::StrContains(it->str(2), "PRIMARY KEY (home, cluster_id")) << it->str(1);
    }
  }
  EXPECT_GE(tables, 20);
}

TEST(DialectLint, EveryTableHasALocalityOnCockroach) {
  std::string common;
  std::string cockroach;
  for (const MigrationFile& file : MigrationFiles())
    (file.folder == "cockroach" ? cockroach : common) += file.sql;
  const std::regex table(R"(CREATE TABLE IF NOT EXISTS (\w+))");
  for (std::sregex_iterator it(common.begin(), common.end(), table), end; it != end; ++it) {
    EXPECT_TRUE(absl::StrContains(cockroach, absl::StrCat("ALTER TABLE ", it->str(1), " SET LOCALITY")))
        << it->str(1);
  }
}

TEST(DialectLint, FindsWhatItForbids) {
  for (const char* bad :
       {"CREATE TABLE t (x CIDR)", "x serial", "a INTEGER", "n int", "SELECT 7/2",
        "SELECT x FROM t FOR SHARE", "LISTEN ch", "copy t from stdin", "MERGE INTO t",
        "select pg_advisory_lock(1)", "SELECT nextval('s')", "WITH d AS (DELETE FROM t) SELECT 1",
        "CREATE MATERIALIZED VIEW v", "select * from t"}) {
    EXPECT_THAT(Faults(bad), testing::Not(testing::IsEmpty())) << bad;
  }
  EXPECT_THAT(Faults("SELECT x::INT8 FROM t WHERE y = 'a/b CIDR' -- COPY /"), testing::IsEmpty());
}

}  // namespace
}  // namespace trivium
