#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "cli/explain_fields.h"
#include "cli/explain_text.h"
#include "cli/kinds.h"
#include "policy/parse.h"

namespace trivium::cli {
namespace {

using ::testing::HasSubstr;

// The fields that the parser takes at a path, by its own words to somebody who writes another one there.
std::set<std::string> TakenAt(const KindDoc& kind, const std::vector<const FieldDoc*>& path) {
  const KindInfo* info = *FindKind(kind.kind);
  std::string value = "{zz: 1}";
  std::string where = "zz";
  for (size_t i = path.size(); i-- > 0;) {
    const bool list = absl::StartsWith(path[i]->type, "[]");
    value = absl::StrCat("{", path[i]->name, ": ", list ? absl::StrCat("[", value, "]") : value, "}");
    where = absl::StrCat(path[i]->name, list ? "[0]" : "", ".", where);
  }
  // The document's own fields stand beside.
  const std::string text =
      absl::StrCat("{apiVersion: ", info->api_version, ", kind: ", info->name,
                   path.empty() || path[0]->name != "metadata" ? ", metadata: {name: x}" : "", ", ",
                   value.substr(1), "\n");
  const auto parsed = policy::ParseManifests(text, policy::ParseContext{"f", "c", "default"});
  for (absl::string_view line : absl::StrSplit(parsed.status().message(), '\n')) {
    const std::string unknown = absl::StrCat(": ", where, ": unknown field; the fields here are ");
    const size_t at = line.find(unknown);
    if (at == absl::string_view::npos) continue;
    return absl::StrSplit(line.substr(at + unknown.size()), ", ");
  }
  return {};
}

void Check(const KindDoc& kind, std::vector<const FieldDoc*>* path, absl::Span<const FieldDoc> fields) {
  std::set<std::string> explained;
  for (const FieldDoc& field : fields) {
    EXPECT_TRUE(explained.insert(std::string(field.name)).second) << field.name << " twice";
    EXPECT_GT(field.text.size(), 5u) << field.name;
  }
  const std::string where =
      absl::StrJoin(*path, ".", [](std::string* out, const FieldDoc* f) { absl::StrAppend(out, f->name); });
  EXPECT_EQ(explained, TakenAt(kind, *path)) << kind.kind << "." << where;
  for (const FieldDoc& field : fields) {
    // What has no fields of its own: scalars, lists of them, and maps whose keys the user chooses.
    path->push_back(&field);
    Check(kind, path, field.below);
    path->pop_back();
  }
}

TEST(ExplainTest, EveryFieldThatTheParserTakesIsExplainedAndNoOther) {
  size_t manifests = 0;
  for (const KindDoc& kind : ExplainedKinds()) {
    ++manifests;
    std::vector<const FieldDoc*> path;
    Check(kind, &path, kind.fields);
  }
  EXPECT_EQ(manifests, 5u);
}

TEST(ExplainTest, AFieldWithWhatIsBelowIt) {
  const auto text = ExplainText("netpol.spec.ingress[0].ports", false);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(
      *text,
      "KIND:       NetworkPolicy\n"
      "VERSION:    networking.k8s.io/v1\n\n"
      "FIELD: ports  <[]Object>\n\n"
      "DESCRIPTION:\n"
      "    To which ports: any of these. Absent or empty: every protocol and port.\n\n"
      "FIELDS:\n"
      "  protocol  <string>\n"
      "    TCP (the default), UDP or SCTP.\n"
      "  port  <integer or string>\n"
      "    A number from 1 to 65535, or the name of a port of the pod that is called; without it every port\n"
      "    of the protocol.\n"
      "  endPort  <integer>\n"
      "    Every port from `port`, which is a number then, to this one.\n");
  EXPECT_THAT(*ExplainText("ccg", false), HasSubstr("  spec  <Object>  -required-\n"));
  EXPECT_THAT(*ExplainText("cnp.spec", true),
              HasSubstr("  ingress  <[]Object>\n    fromEndpoints  <[]Object>\n      matchLabels"));
}

TEST(ExplainTest, FaultsNameWhatThereIs) {
  const auto problem = [](const char* path) {
    return std::string(ExplainText(path, false).status().message());
  };
  EXPECT_THAT(problem("netpol.spec.ingres"),
              HasSubstr("netpol.spec has no field 'ingres'; did you mean 'ingress'?"));
  EXPECT_THAT(problem("netpol.kind.x"), HasSubstr("netpol.kind has no fields below it"));
  EXPECT_THAT(problem("nodes"),
              HasSubstr("nodes are not written as manifests: `triviumctl get nodes -o yaml`"));
  EXPECT_THAT(problem("netpool"), HasSubstr("did you mean 'netpol'?"));
  EXPECT_THAT(problem("."), HasSubstr("say what"));
}

}  // namespace
}  // namespace trivium::cli
