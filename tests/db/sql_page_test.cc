// docs/sql.md against a real database: the columns and types that it documents are those of the views, it
// leaves no view out, and each of its queries runs as trivium_reader and has the columns that the page shows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <postgresql/libpq-fe.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "tests/db/sql_world.h"

namespace trivium {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

using Columns = std::vector<std::pair<std::string, std::string>>;  // names and types

struct Example {
  int line = 0;
  std::string section;  // the heading above it
  std::string sql;
  std::vector<std::string> columns;
  int rows = 0;
};

// The page as far as it is checked. `faults` says what cannot be read.
struct Page {
  std::map<std::string, Columns> views;
  std::vector<Example> examples;
  std::vector<std::string> questions;
  std::vector<std::string> faults;
};

std::vector<std::string> Cells(absl::string_view line) {
  std::vector<std::string> cells;
  for (absl::string_view cell : absl::StrSplit(line, '|')) {
    cells.emplace_back(absl::StripAsciiWhitespace(cell));
  }
  return cells;
}

// "trivium=> SELECT ...", "trivium-> ...", the header, a rule, rows, "(n rows)".
void ReadExample(const std::vector<std::string>& lines, size_t first, size_t end, const std::string& section,
                 Page* page) {
  Example example{static_cast<int>(first + 1), section, "", {}, 0};
  size_t i = first;
  for (; i < end; ++i) {
    absl::string_view line = lines[i];
    if (!absl::ConsumePrefix(&line, "trivium=> ") && !absl::ConsumePrefix(&line, "trivium-> ")) break;
    absl::StrAppend(&example.sql, line, "\n");
  }
  const bool has_rule = i + 1 < end && absl::StartsWith(lines[i + 1], "-");
  if (example.sql.empty() || !has_rule) {
    page->faults.push_back(absl::StrCat("line ", first + 1, ": an example without a query or its output"));
    return;
  }
  example.columns = Cells(lines[i]);
  for (i += 2; i < end && !absl::StartsWith(lines[i], "("); ++i) ++example.rows;
  int said = -1;
  const std::string last = i < end ? lines[i] : "";
  if (!absl::SimpleAtoi(last.substr(last.empty() ? 0 : 1, last.find(' ') - 1), &said) ||
      said != example.rows) {
    page->faults.push_back(absl::StrCat("line ", i + 1, ": not the number of the rows above: ", last));
  }
  page->examples.push_back(std::move(example));
}

Page Read(const std::string& text) {
  Page page;
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  std::string section;
  bool in_questions = false;
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::string_view line = lines[i];
    if (absl::ConsumePrefix(&line, "### ")) {
      section = std::string(line);
      if (in_questions) page.questions.push_back(section);
    } else if (absl::ConsumePrefix(&line, "## ")) {
      section = std::string(line.substr(0, line.find(':')));
      in_questions = section == "Ten questions in an incident";
    } else if (line == "```") {
      size_t end = i + 1;
      while (end < lines.size() && lines[end] != "```") ++end;
      ReadExample(lines, i + 1, end, section, &page);
      i = end;
    } else if (absl::StartsWith(line, "| `")) {
      const std::vector<std::string> cells = Cells(line);  // "", `name`, type, meaning, ""
      if (cells.size() < 5 || cells[2].empty() || cells[3].empty()) {
        page.faults.push_back(absl::StrCat("line ", i + 1, ": want | `column` | type | meaning |"));
        continue;
      }
      page.views[section].emplace_back(absl::StripSuffix(absl::StripPrefix(cells[1], "`"), "`"), cells[2]);
    }
  }
  return page;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class SqlPage : public testing::Test {
 protected:
  static std::string Short(const std::string& type) {
    static const std::map<std::string, std::string> kNames = {{"bigint", "int8"},
                                                              {"integer", "int4"},
                                                              {"smallint", "int2"},
                                                              {"boolean", "bool"},
                                                              {"timestamp with time zone", "timestamptz"}};
    const auto found = kNames.find(type);
    return found == kNames.end() ? type : found->second;
  }
  // A little of everything, so that the queries have rows to go wrong on.
  void Fill() {
    const ClusterRef mesh{kMeshCluster, 0, 0}, cluster{"aws-euw2", 1, 1};
    const std::unique_ptr<StoreClient> client = world_.Open();
    for (const ClusterRef& one : {mesh, cluster}) {
      RandomHistory history(one, *client->OpenCluster(one), 1);
      for (int i = 0; i < 40; ++i) ASSERT_TRUE(client->Commit(history.Next(5)).ok());
    }
    v1::AgentStatus status;
    status.set_node("n1");
    status.add_maps()->set_name("policy_class");
    status.add_drops()->set_name("policy");
    ASSERT_TRUE(client->WriteAgents(cluster, {status}).ok());
    ASSERT_TRUE(client->OpenReachability(cluster).ok());
    ReachabilityWrite write;
    write.state.positions = {{cluster.name, 1, 1}};
    ReachabilityRow row;
    row.identity = 300;
    row.prefix = "192.0.2.0/24";
    row.protocols = kEveryProtocol - kTcpBit;
    row.last_port = 65535;
    write.rows = {row};
    write.selections = {{300, "NetworkPolicy", "shop", "db", true, true}};
    ASSERT_TRUE(client->WriteReachability(cluster, write).ok());
  }

  SqlWorld world_;
  const Page page_ = Read(ReadFile(TRIVIUM_SOURCE_DIR "/docs/sql.md"));
};

TEST_F(SqlPage, DocumentsEveryViewAsItIs) {
  ASSERT_THAT(page_.faults, IsEmpty());
  const SqlResult rows =
      MustRun(world_.As("trivium_reader"),
              "SELECT c.relname::TEXT, a.attname::TEXT, format_type(a.atttypid, a.atttypmod)::TEXT "
              "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
              "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
              "WHERE n.nspname = 'public' AND c.relkind = 'v' ORDER BY c.relname, a.attnum");
  std::map<std::string, Columns> real;
  for (int i = 0; i < rows.rows(); ++i) {
    real[rows.Bytes(i, 0)].emplace_back(rows.Bytes(i, 1), Short(rows.Bytes(i, 2)));
  }
  ASSERT_GT(real.size(), 20u);
  for (const auto& [view, columns] : real) {
    const auto documented = page_.views.find(view);
    ASSERT_NE(documented, page_.views.end()) << "docs/sql.md has no section about " << view;
    EXPECT_EQ(documented->second, columns) << view;
  }
  for (const auto& [view, columns] : page_.views) EXPECT_TRUE(real.contains(view)) << "there is no " << view;
}

TEST_F(SqlPage, EveryExampleRunsAndHasTheColumnsShown) {
  Fill();
  std::map<std::string, int> of_section;
  const SqlServerOptions reader = world_.As("trivium_reader");
  const absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Open(reader.hosts[0], reader);
  ASSERT_TRUE(connection.ok()) << connection.status();
  for (const Example& example : page_.examples) {
    ++of_section[example.section];
    EXPECT_THAT(example.sql, HasSubstr("admin_")) << "line " << example.line;
    const auto results = (*connection)->Run(Pipeline().AddText(example.sql));
    ASSERT_TRUE(results.ok()) << "line " << example.line << ": " << results.status();
    std::vector<std::string> columns;
    for (int i = 0; i < PQnfields(results->front().raw()); ++i) {
      columns.emplace_back(PQfname(results->front().raw(), i));
    }
    EXPECT_EQ(columns, example.columns) << "line " << example.line;
  }
  for (const auto& [view, columns] : page_.views) EXPECT_GE(of_section[view], 1) << view << " has no example";
  ASSERT_EQ(page_.questions.size(), 10u);
  for (const std::string& question : page_.questions) EXPECT_EQ(of_section[question], 1) << question;
}

TEST(SqlPageReader, FindsWhatIsWrong) {
  const auto faults = [](const std::string& text) { return absl::StrJoin(Read(text).faults, "\n"); };
  EXPECT_THAT(faults("| `a` | | x |\n"), HasSubstr("line 1: want"));
  EXPECT_THAT(faults("```\nSELECT 1;\n```\n"), HasSubstr("without a query"));
  EXPECT_THAT(faults("```\ntrivium=> SELECT 1;\n x\n---\n 1\n(2 rows)\n```\n"), HasSubstr("line 6"));
  EXPECT_EQ(faults("```\ntrivium=> SELECT 1;\n x\n---\n 1\n(1 row)\n```\n"), "");
}

}  // namespace
}  // namespace trivium
