#include "policy/yaml_reader.h"

#include <algorithm>
#include <limits>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace trivium::policy {
namespace {

// Long values are cut in messages.
std::string Quote(absl::string_view text) {
  constexpr size_t kMost = 80;
  if (text.size() <= kMost) return absl::StrCat("\"", text, "\"");
  return absl::StrCat("\"", text.substr(0, kMost), "...\"");
}

// spec.from, and metadata.labels["example.com/app"] for keys that are no plain words.
std::string Join(absl::string_view path, absl::string_view key) {
  const bool word = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '_' || c == '-';
  });
  if (!word) return absl::StrCat(path, "[", Quote(key), "]");
  return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

}  // namespace

void Problems::Add(int line, absl::string_view path, absl::string_view what) {
  if (++count_ > kMost) return;
  absl::StrAppend(&text_, text_.empty() ? "" : "\n", file_, ":", line, ": ", path, path.empty() ? "" : ": ",
                  what);
}

absl::Status Problems::ToStatus() const {
  if (empty()) return absl::OkStatus();
  if (count_ <= kMost) return absl::InvalidArgumentError(text_);
  return absl::InvalidArgumentError(absl::StrCat(text_, "\n", file_, ": and ", count_ - kMost, " more"));
}

std::string YamlValue::Describe() const {
  switch (node_->kind) {
    case YamlNode::Kind::kNull:
      return "null";
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMap:
      return "a map";
    case YamlNode::Kind::kScalar:
      break;
  }
  switch (TypeOf(*node_)) {
    case ScalarType::kBool:
      return absl::StrCat("the boolean ", node_->text);
    case ScalarType::kInteger:
    case ScalarType::kFloat:
      return absl::StrCat("the number ", node_->text);
    case ScalarType::kString:
      break;
  }
  return absl::StrCat("the text ", Quote(node_->text));
}

bool YamlValue::Is(YamlNode::Kind kind, absl::string_view wanted) const {
  if (absent()) return false;
  if (node_->kind == kind) return true;
  Fail(absl::StrCat("is ", Describe(), "; ", wanted, " is wanted here"));
  return false;
}

bool YamlValue::Accept(const absl::Status& status) const {
  if (!status.ok()) Fail(std::string(status.message()));
  return status.ok();
}

std::optional<std::string> YamlValue::String() const {
  if (!Is(YamlNode::Kind::kScalar, "text")) return std::nullopt;
  if (TypeOf(*node_) == ScalarType::kString) return node_->text;
  Fail(absl::StrCat("is ", Describe(), "; text is wanted here, write it in quotes: \"", node_->text, "\""));
  return std::nullopt;
}

bool YamlValue::IsInteger() const {
  return !absent() && node_->kind == YamlNode::Kind::kScalar && TypeOf(*node_) == ScalarType::kInteger;
}

std::optional<int64_t> YamlValue::Integer() const {
  if (!Is(YamlNode::Kind::kScalar, "a whole number")) return std::nullopt;
  const absl::string_view text = node_->text;
  const absl::string_view digits = absl::StartsWith(text, "-") ? text.substr(1) : text;
  const bool decimal = !node_->quoted && !digits.empty() && (digits == "0" || digits.front() != '0') &&
                       std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit);
  if (!decimal) {
    Fail(absl::StrCat("is ", Describe(), "; a whole number is wanted here, in decimal and without quotes"));
    return std::nullopt;
  }
  int64_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) {
    // As far out of any range that a field may have.
    value = absl::StartsWith(text, "-") ? std::numeric_limits<int64_t>::min()
                                        : std::numeric_limits<int64_t>::max();
  }
  return value;
}

std::optional<bool> YamlValue::Bool() const {
  if (!Is(YamlNode::Kind::kScalar, "true or false")) return std::nullopt;
  if (TypeOf(*node_) == ScalarType::kBool) {
    const std::string text = absl::AsciiStrToLower(node_->text);
    return text == "true" || text == "yes" || text == "on";
  }
  Fail(absl::StrCat("is ", Describe(), "; true or false is wanted here, without quotes"));
  return std::nullopt;
}

YamlFields YamlValue::Fields(std::initializer_list<absl::string_view> known,
                             std::initializer_list<absl::string_view> unenforced) const {
  if (!Is(YamlNode::Kind::kMap, "a map")) return YamlFields(nullptr, line_, path_, problems_);
  absl::flat_hash_set<absl::string_view> seen;
  for (size_t i = 0; i < node_->keys.size(); ++i) {
    const YamlNode::Key& key = node_->keys[i];
    if (std::find(unenforced.begin(), unenforced.end(), key.text) != unenforced.end()) {
      if (node_->children[i].kind == YamlNode::Kind::kNull) continue;
      problems_->Add(key.line, Join(path_, key.text),
                     "this field is not enforced yet, and a policy that has it is refused rather than "
                     "enforced in part; leave it out");
    } else if (std::find(known.begin(), known.end(), key.text) == known.end()) {
      const std::string names = known.size() == 0
                                    ? "no field is"
                                    : absl::StrCat("the fields here are ", absl::StrJoin(known, ", "));
      problems_->Add(key.line, Join(path_, key.text), absl::StrCat("unknown field; ", names));
    } else if (!seen.insert(key.text).second) {
      problems_->Add(key.line, Join(path_, key.text), "this field stands here twice; leave one");
    }
  }
  return YamlFields(node_, line_, path_, problems_);
}

YamlValue YamlValue::Peek(absl::string_view name) const {
  const bool map = !absent() && node_->kind == YamlNode::Kind::kMap;
  return YamlFields(map ? node_ : nullptr, line_, path_, problems_)[name];
}

std::vector<YamlValue> YamlValue::Items() const {
  std::vector<YamlValue> items;
  if (!Is(YamlNode::Kind::kSequence, "a list")) return items;
  items.reserve(node_->children.size());
  for (size_t i = 0; i < node_->children.size(); ++i) {
    const YamlNode& child = node_->children[i];
    items.emplace_back(&child, child.line, absl::StrCat(path_, "[", i, "]"), problems_);
  }
  return items;
}

std::vector<std::pair<std::string, YamlValue>> YamlValue::Entries() const {
  std::vector<std::pair<std::string, YamlValue>> entries;
  if (!Is(YamlNode::Kind::kMap, "a map")) return entries;
  absl::flat_hash_set<absl::string_view> seen;
  for (size_t i = 0; i < node_->children.size(); ++i) {
    const YamlNode::Key& key = node_->keys[i];
    if (!seen.insert(key.text).second) {
      problems_->Add(key.line, Join(path_, key.text), "this key stands here twice; leave one");
      continue;
    }
    entries.emplace_back(key.text,
                         YamlValue(&node_->children[i], key.line, Join(path_, key.text), problems_));
  }
  return entries;
}

YamlValue YamlFields::operator[](absl::string_view name) const {
  if (map_ != nullptr) {
    for (size_t i = 0; i < map_->keys.size(); ++i) {
      if (map_->keys[i].text == name) {
        return YamlValue(&map_->children[i], map_->keys[i].line, Join(path_, name), problems_);
      }
    }
  }
  return YamlValue(nullptr, line_, Join(path_, name), problems_);
}

}  // namespace trivium::policy
