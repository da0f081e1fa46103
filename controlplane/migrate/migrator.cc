#include "controlplane/migrate/migrator.h"

#include <spdlog/spdlog.h>
#include <xxhash.h>

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "base/status.h"
#include "controlplane/db/sql_pool.h"
#include "controlplane/db/sql_state.h"

namespace trivium {
namespace {

constexpr char kReplaces[] = "-- replaces: ";
constexpr char kWorksWith[] = "-- works with: ";
constexpr char kRegionOfHome[] = "{{region_of_home}}";

std::string ToString(absl::string_view view) { return std::string(view); }

// A statement ends with ';' at the end of a line; comments and empty lines between statements are dropped.
std::vector<std::string> SplitStatements(const std::string& sql) {
  std::vector<std::string> statements;
  std::string current;
  for (const absl::string_view line : absl::StrSplit(sql, '\n')) {
    const absl::string_view bare = absl::StripAsciiWhitespace(line);
    if (bare.empty() || absl::StartsWith(bare, "--")) continue;
    absl::StrAppend(&current, current.empty() ? "" : "\n", line);
    if (absl::EndsWith(bare, ";")) {
      current = ToString(absl::StripAsciiWhitespace(current));
      current.pop_back();
      statements.push_back(std::move(current));
      current.clear();
    }
  }
  if (!current.empty()) statements.push_back(current + " -- not ended");
  return statements;
}

absl::StatusOr<std::string> RegionOfHome(const RegionNames& regions) {
  if (regions.empty()) {
    return absl::InvalidArgumentError("CockroachDB needs the names of its regions, by home number");
  }
  std::string expression = "CASE";
  for (const auto& [home, name] : regions) {
    if (name.find('\'') != std::string::npos) {
      return absl::InvalidArgumentError(absl::StrCat("region \"", name, "\" holds a quote"));
    }
    absl::StrAppend(&expression, " WHEN home = ", home, " THEN '", name, "'");
  }
  // The mesh's own rows (home 0) live with the first region.
  return absl::StrCat(expression, " ELSE '", regions.front().second, "' END");
}

absl::StatusOr<Migration> Parse(const MigrationFile& file, const RegionNames& regions) {
  auto refuse = [&file](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat("migration ", file.folder, "/", file.name, ": ", why));
  };
  Migration migration;
  migration.name = file.name;
  if (file.name.size() < 6 || file.name[4] != '_' ||
      !absl::SimpleAtoi(file.name.substr(0, 4), &migration.number)) {
    return refuse("the name is not NNNN_words");
  }
  const std::pair<absl::string_view, absl::string_view> first =
      absl::StrSplit(file.sql, absl::MaxSplits('\n', 1));
  if (!absl::StartsWith(first.first, kReplaces)) return refuse("the first line is not \"-- replaces: ...\"");
  migration.works_with = migration.number;
  const std::pair<absl::string_view, absl::string_view> second =
      absl::StrSplit(first.second, absl::MaxSplits('\n', 1));
  if (absl::StartsWith(second.first, kWorksWith)) {
    const absl::string_view name = absl::StripAsciiWhitespace(absl::StripPrefix(second.first, kWorksWith));
    if (!absl::SimpleAtoi(name.substr(0, 4), &migration.works_with) || migration.works_with < 1 ||
        migration.works_with > migration.number) {
      return refuse("\"-- works with:\" names no migration before it");
    }
  }
  migration.replaces = ToString(absl::StripAsciiWhitespace(absl::StripPrefix(first.first, kReplaces)));
  migration.checksum =
      absl::StrFormat("%016x", static_cast<uint64_t>(XXH3_64bits(file.sql.data(), file.sql.size())));
  std::string sql = file.sql;
  if (absl::StrContains(sql, kRegionOfHome)) {
    const absl::StatusOr<std::string> expression = RegionOfHome(regions);
    if (!expression.ok()) return Annotate(expression.status(), file.name);
    sql = absl::StrReplaceAll(sql, {{kRegionOfHome, *expression}});
  }
  migration.statements = SplitStatements(sql);
  if (migration.statements.empty()) return refuse("holds no statement");
  if (absl::EndsWith(migration.statements.back(), "-- not ended")) {
    return refuse("the last statement does not end with ';' at the end of a line");
  }
  return migration;
}

struct Applied {
  int64_t number;
  std::string name;
  std::string checksum;
  int64_t works_with;
};

// The rows of schema_migrations; none if there is no such table yet.
absl::StatusOr<std::vector<Applied>> ReadApplied(Connection& connection) {
  const absl::StatusOr<std::vector<SqlResult>> results =
      connection.Run(Pipeline().AddText(sql::kReadSchemaMigrations.sql));
  std::vector<Applied> applied;
  if (SqlStateOf(results.status()) == "42P01") return applied;
  TRIVIUM_RETURN_IF_ERROR(results.status());
  const SqlResult& rows = results->front();
  for (int i = 0; i < rows.rows(); ++i) {
    applied.push_back({rows.Int(i, 0), rows.Bytes(i, 1), rows.Bytes(i, 2), rows.Int(i, 3)});
  }
  return applied;
}

// What was applied must be a prefix of what this program knows, but for newer ones that work with it.
absl::Status CheckPrefix(const std::vector<Applied>& applied, const std::vector<Migration>& known) {
  for (size_t i = 0; i < applied.size(); ++i) {
    if (i >= known.size()) {
      if (!known.empty() && applied[i].works_with <= known.back().number) continue;
      return absl::FailedPreconditionError(
          absl::StrCat("the database's schema is newer than this program: it has ", applied[i].name,
                       ", which does not work with it; the program ends at ",
                       known.empty() ? "nothing" : known.back().name, "; run a newer program"));
    }
    if (applied[i].name != known[i].name || applied[i].checksum != known[i].checksum) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the database was made by another migration ", applied[i].name, " (", applied[i].checksum,
          ") than this program's ", known[i].name, " (", known[i].checksum, ")"));
    }
  }
  return absl::OkStatus();
}

SqlDialect DialectOf(const Connection& connection) {
  return connection.is_cockroach() ? SqlDialect::kCockroach : SqlDialect::kPostgres;
}

// One attempt at everything; every step of it may be repeated.
class Attempt {
 public:
  Attempt(const MigrateOptions& options, const std::vector<MigrationFile>& files, Connection& connection)
      : options_(options), files_(files), connection_(connection) {}

  absl::Status Run() {
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Migration> known,
                             BuildMigrations(files_, DialectOf(connection_), options_.regions));
    TRIVIUM_RETURN_IF_ERROR(MakeTables());
    TRIVIUM_RETURN_IF_ERROR(TakeLease());
    const absl::Status migrated = Apply(known);
    if (connection_.usable()) {
      const absl::Status released = RunOne(sql::kReleaseSchemaLock, Params().Text(options_.holder)).status();
      if (!released.ok())
        spdlog::warn("migrate: the lease stays until it expires error=\"{}\"", released.ToString());
    }
    return migrated;
  }

 private:
  absl::StatusOr<SqlResult> RunOne(const Statement& statement, Params params = {}) {
    TRIVIUM_ASSIGN_OR_RETURN(std::vector<SqlResult> results,
                             connection_.Run(Pipeline().AddText(statement.sql, std::move(params))));
    return std::move(results.front());
  }

  // Two migrators may create one table at the same time; PostgreSQL then refuses one of them in its
  // catalogue.
  absl::Status MakeTables() {
    for (const Statement* statement : {&sql::kCreateSchemaMigrations, &sql::kCreateSchemaWorksWith,
                                       &sql::kCreateSchemaLock, &sql::kInsertSchemaLock}) {
      const absl::Status made = RunOne(*statement).status();
      const std::string state = SqlStateOf(made);
      // By how far it had come: its type's name, the table's, or the index entry of either.
      if (state == "42710" || state == "42P07" || state == "23505")
        return SqlError("55P03", "another migrator was faster");
      TRIVIUM_RETURN_IF_ERROR(made);
    }
    return absl::OkStatus();
  }

  absl::Status TakeLease() {
    TRIVIUM_ASSIGN_OR_RETURN(
        const SqlResult taken,
        RunOne(sql::kTakeSchemaLock,
               Params().Text(options_.holder).Int(absl::ToInt64Milliseconds(options_.lease))));
    if (taken.affected() == 1) return absl::OkStatus();
    return SqlError("55P03",
                    "another program is migrating this database");  // asked again until patience ends
  }

  absl::Status Apply(const std::vector<Migration>& known) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Applied> applied, ReadApplied(connection_));
    TRIVIUM_RETURN_IF_ERROR(CheckPrefix(applied, known));
    for (size_t i = applied.size(); i < known.size(); ++i) {
      const Migration& migration = known[i];
      for (size_t n = 0; n < migration.statements.size(); ++n) {
        TRIVIUM_RETURN_IF_ERROR(TakeLease());
        const absl::Status ran =
            connection_.Run(Pipeline().AddText(migration.statements[n]), options_.patience).status();
        TRIVIUM_RETURN_IF_ERROR(
            Annotate(ran, absl::StrCat("migration ", migration.name, ", statement ", n + 1)));
      }
      TRIVIUM_RETURN_IF_ERROR(
          RunOne(sql::kRecordWorksWith, Params().Int(migration.number).Int(migration.works_with)).status());
      TRIVIUM_RETURN_IF_ERROR(
          RunOne(sql::kRecordSchemaMigration,
                 Params().Int(migration.number).Text(migration.name).Text(migration.checksum))
              .status());
      spdlog::info("migrated name={} statements={}", migration.name, migration.statements.size());
    }
    return absl::OkStatus();
  }

  const MigrateOptions& options_;
  const std::vector<MigrationFile>& files_;
  Connection& connection_;
};

}  // namespace

absl::StatusOr<std::vector<Migration>> BuildMigrations(const std::vector<MigrationFile>& files,
                                                       SqlDialect dialect, const RegionNames& regions) {
  const char* own = dialect == SqlDialect::kCockroach ? "cockroach" : "postgres";
  std::vector<Migration> migrations;
  for (const MigrationFile& file : files) {
    if (file.folder != "common" && file.folder != own) continue;
    TRIVIUM_ASSIGN_OR_RETURN(Migration migration, Parse(file, regions));
    migrations.push_back(std::move(migration));
  }
  std::sort(migrations.begin(), migrations.end(),
            [](const Migration& a, const Migration& b) { return a.number < b.number; });
  std::string previous = "nothing";
  for (size_t i = 0; i < migrations.size(); ++i) {
    if (migrations[i].number != static_cast<int64_t>(i + 1) || migrations[i].replaces != previous) {
      return absl::InvalidArgumentError(absl::StrCat("migration ", migrations[i].name, " stands at place ",
                                                     i + 1, " and replaces \"", migrations[i].replaces,
                                                     "\"; want \"", previous, "\""));
    }
    previous = migrations[i].name;
  }
  return migrations;
}

absl::Status Migrate(const MigrateOptions& options, const std::vector<MigrationFile>& files, Random* random) {
  SqlPool::Options pool_options;
  pool_options.server = options.server;
  pool_options.threads = 1;
  absl::Notification finished;
  absl::Status result;
  SqlPool pool(std::move(pool_options), random);
  pool.Run(
      options.patience, [&](Connection& connection) { return Attempt(options, files, connection).Run(); },
      [&](absl::Status status) {
        result = std::move(status);
        finished.Notify();
      });
  finished.WaitForNotification();
  return Annotate(result, "migrating the database");
}

absl::Status CheckSchema(Connection& connection, const std::vector<MigrationFile>& files,
                         const RegionNames& regions) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Migration> known,
                           BuildMigrations(files, DialectOf(connection), regions));
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Applied> applied, ReadApplied(connection));
  TRIVIUM_RETURN_IF_ERROR(CheckPrefix(applied, known));
  if (applied.size() < known.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the database's schema is older than this program: it ends at ",
                     applied.empty() ? "nothing" : applied.back().name, ", the program needs ",
                     known.back().name, "; let the program migrate it"));
  }
  return absl::OkStatus();
}

}  // namespace trivium
