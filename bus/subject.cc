#include "bus/subject.h"

#include <vector>

#include "absl/strings/str_split.h"

namespace trivium {
namespace {

bool IsPlainToken(absl::string_view token) {
  if (token.empty()) return false;
  for (const char c : token) {
    if (c <= ' ' || c == '*' || c == '>' || c == 0x7f) return false;
  }
  return true;
}

bool IsWellFormed(absl::string_view subject, bool wildcards) {
  const std::vector<absl::string_view> tokens = absl::StrSplit(subject, '.');
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (wildcards && (tokens[i] == "*" || (tokens[i] == ">" && i + 1 == tokens.size()))) continue;
    if (!IsPlainToken(tokens[i])) return false;
  }
  return true;
}

}  // namespace

bool IsLiteralSubject(absl::string_view subject) { return IsWellFormed(subject, false); }
bool IsSubjectPattern(absl::string_view subject) { return IsWellFormed(subject, true); }

bool SubjectMatches(absl::string_view pattern, absl::string_view subject) {
  const std::vector<absl::string_view> want = absl::StrSplit(pattern, '.');
  const std::vector<absl::string_view> have = absl::StrSplit(subject, '.');
  for (size_t i = 0; i < want.size(); ++i) {
    if (i >= have.size()) return false;
    if (want[i] == ">") return true;
    if (want[i] != "*" && want[i] != have[i]) return false;
  }
  return want.size() == have.size();
}

}  // namespace trivium
