#include "base/yaml_section.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace trivium {

absl::StatusOr<YamlSection> YamlSection::Parse(absl::string_view text, const std::string& path) {
  YAML::Node root;
  try {
    root = YAML::Load(std::string(text));
  } catch (const YAML::Exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(path, ":", e.mark.line + 1, ": ", e.msg));
  }
  YamlSection section(std::move(root), path, "");
  if (!section.node_.IsMap()) return section.Error("the file must be a mapping of keys to values");
  return section;
}

absl::Status YamlSection::ErrorAt(const YAML::Node& at, absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(path_, ":", at.Mark().line + 1, ": ", what));
}

absl::Status YamlSection::Error(const char* key, absl::string_view what) const {
  const YAML::Node value = node_[key];
  return ErrorAt(value.IsDefined() ? value : node_, absl::StrCat(Name(key), " ", what));
}

absl::Status YamlSection::Error(absl::string_view what) const {
  return ErrorAt(node_, where_.empty() ? std::string(what) : absl::StrCat(where_, " ", what));
}

std::string YamlSection::Name(absl::string_view key) const {
  return where_.empty() ? std::string(key) : absl::StrCat(where_, ".", key);
}

std::string YamlSection::Resolve(const std::string& path) const {
  if (path.front() == '/') return path;
  const size_t slash = path_.rfind('/');
  return slash == std::string::npos ? path : absl::StrCat(path_.substr(0, slash + 1), path);
}

absl::Status YamlSection::RequireKey(const char* key) const {
  return Has(key) ? absl::OkStatus() : Error(key, "is missing");
}

absl::Status YamlSection::Allow(std::initializer_list<absl::string_view> keys) const {
  std::vector<std::string> seen;
  for (const auto& entry : node_) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "?";
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      return ErrorAt(entry.first,
                     absl::StrCat("unknown key ", Name(key), "; known are ", absl::StrJoin(keys, ", ")));
    }
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) {
      return ErrorAt(entry.first, absl::StrCat("key ", Name(key), " is there twice"));
    }
    seen.push_back(key);
  }
  return absl::OkStatus();
}

absl::Status YamlSection::Text(const char* key, std::string* out) const {
  TRIVIUM_RETURN_IF_ERROR(RequireKey(key));
  return OptionalText(key, out);
}

absl::Status YamlSection::OptionalText(const char* key, std::string* out) const {
  if (!Has(key)) return absl::OkStatus();
  const YAML::Node value = node_[key];
  if (!value.IsScalar() || value.Scalar().empty()) return Error(key, "must be a text, not empty");
  *out = value.Scalar();
  return absl::OkStatus();
}

absl::Status YamlSection::File(const char* key, std::string* out) const {
  TRIVIUM_RETURN_IF_ERROR(RequireKey(key));
  return OptionalFile(key, out);
}

absl::Status YamlSection::OptionalFile(const char* key, std::string* out) const {
  if (!Has(key)) return absl::OkStatus();
  TRIVIUM_RETURN_IF_ERROR(OptionalText(key, out));
  *out = Resolve(*out);
  return absl::OkStatus();
}

absl::Status YamlSection::Number(const char* key, uint64_t min, uint64_t max, uint64_t* out) const {
  TRIVIUM_RETURN_IF_ERROR(RequireKey(key));
  return OptionalNumber(key, min, max, out);
}

absl::Status YamlSection::OptionalNumber(const char* key, uint64_t min, uint64_t max, uint64_t* out) const {
  if (!Has(key)) return absl::OkStatus();
  const YAML::Node value = node_[key];
  uint64_t number = 0;
  if (!value.IsScalar() || !absl::SimpleAtoi(value.Scalar(), &number) || number < min || number > max) {
    return Error(key, absl::StrCat("must be a number from ", min, " to ", max));
  }
  *out = number;
  return absl::OkStatus();
}

absl::Status YamlSection::OptionalSwitch(const char* key, bool* out) const {
  std::string text = *out ? "true" : "false";
  TRIVIUM_RETURN_IF_ERROR(OptionalText(key, &text));
  if (text != "true" && text != "false") {
    return Error(key, absl::StrCat("\"", text, "\": want true or false"));
  }
  *out = text == "true";
  return absl::OkStatus();
}

absl::Status YamlSection::TextList(const char* key, std::vector<std::string>* out) const {
  TRIVIUM_RETURN_IF_ERROR(RequireKey(key));
  TRIVIUM_RETURN_IF_ERROR(OptionalTextList(key, out));
  return out->empty() ? Error(key, "must not be empty") : absl::OkStatus();
}

absl::Status YamlSection::OptionalTextList(const char* key, std::vector<std::string>* out) const {
  if (!Has(key)) return absl::OkStatus();
  const YAML::Node list = node_[key];
  if (!list.IsSequence()) return Error(key, "must be a list of texts");
  out->clear();
  for (const auto& item : list) {
    if (!item.IsScalar() || item.Scalar().empty())
      return ErrorAt(item, Name(key) + " must be a list of texts");
    out->push_back(item.Scalar());
  }
  return absl::OkStatus();
}

absl::StatusOr<YamlSection> YamlSection::Section(const char* key) const {
  TRIVIUM_RETURN_IF_ERROR(RequireKey(key));
  if (!node_[key].IsMap()) return Error(key, "must be a mapping of keys to values");
  return YamlSection(node_[key], path_, Name(key));
}

absl::StatusOr<std::vector<YamlSection>> YamlSection::Sections(const char* key) const {
  TRIVIUM_RETURN_IF_ERROR(RequireKey(key));
  const YAML::Node list = node_[key];
  if (!list.IsSequence() || list.size() == 0) return Error(key, "must be a list, not empty");
  std::vector<YamlSection> sections;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string name = absl::StrCat(Name(key), "[", i, "]");
    if (!list[i].IsMap()) return ErrorAt(list[i], name + " must be a mapping of keys to values");
    sections.push_back(YamlSection(list[i], path_, name));
  }
  return sections;
}

}  // namespace trivium
