#include "cli/label_selector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "policy/labels.h"

namespace trivium::cli {
namespace {

// At commas that are not inside brackets.
std::vector<absl::string_view> Parts(absl::string_view text) {
  std::vector<absl::string_view> parts;
  size_t from = 0;
  int depth = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (text[i] == ',' && depth == 0)) {
      parts.push_back(absl::StripAsciiWhitespace(text.substr(from, i - from)));
      from = i + 1;
    } else if (text[i] == '(') {
      ++depth;
    } else if (text[i] == ')') {
      --depth;
    }
  }
  return parts;
}

absl::Status Misread(absl::string_view part) {
  return absl::InvalidArgumentError(absl::StrCat(
      "-l: '", part,
      "' is no requirement: write KEY=VALUE, KEY!=VALUE, KEY in (A,B), KEY notin (A,B), KEY or !KEY"));
}

}  // namespace

absl::StatusOr<LabelSelector> LabelSelector::Parse(absl::string_view text) {
  LabelSelector selector;
  if (absl::StripAsciiWhitespace(text).empty()) return selector;
  for (absl::string_view whole : Parts(text)) {
    Part part;
    absl::string_view key = whole;
    if (absl::EndsWith(whole, ")")) {
      const size_t open = whole.find('(');
      if (open == absl::string_view::npos) return Misread(whole);
      for (absl::string_view value : absl::StrSplit(whole.substr(open + 1, whole.size() - open - 2), ',')) {
        part.values.emplace_back(absl::StripAsciiWhitespace(value));
      }
      const std::vector<absl::string_view> words =
          absl::StrSplit(whole.substr(0, open), absl::ByAnyChar(" \t"), absl::SkipEmpty());
      if (words.size() != 2 || (words[1] != "in" && words[1] != "notin")) return Misread(whole);
      key = words[0];
      part.negated = words[1] == "notin";
    } else if (const size_t equals = whole.find('='); equals != absl::string_view::npos) {
      key = whole.substr(0, equals);
      part.negated = absl::ConsumeSuffix(&key, "!");
      absl::string_view value = whole.substr(equals + 1);
      absl::ConsumePrefix(&value, "=");  // "==" is the same
      part.values.emplace_back(absl::StripAsciiWhitespace(value));
    } else {
      part.negated = absl::ConsumePrefix(&key, "!");
      part.any_value = true;
    }
    part.key = std::string(absl::StripAsciiWhitespace(key));
    if (!policy::CheckLabelKey(part.key).ok()) return Misread(whole);
    for (const std::string& value : part.values) {
      if (!policy::CheckLabelValue(value).ok()) return Misread(whole);
    }
    selector.parts_.push_back(std::move(part));
  }
  return selector;
}

bool LabelSelector::Matches(const std::map<std::string, std::string>& labels) const {
  return std::all_of(parts_.begin(), parts_.end(), [&](const Part& part) {
    const auto it = labels.find(part.key);
    const bool means = it != labels.end() &&
                       (part.any_value ||
                        std::find(part.values.begin(), part.values.end(), it->second) != part.values.end());
    return means != part.negated;
  });
}

}  // namespace trivium::cli
