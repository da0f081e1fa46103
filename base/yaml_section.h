// Strict reading of configuration files: every key is known, every value has the right type, and an error
// names file, line and key. YAML (JSON is YAML). Value type; not thread-safe.
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trivium {

// One mapping of a file, with its place for messages. Outputs keep their value (the default) where an
// optional key is absent.
class YamlSection {
 public:
  // The whole file. `path` is for messages and for relative paths.
  static absl::StatusOr<YamlSection> Parse(absl::string_view text, const std::string& path);

  // No other keys than these.
  absl::Status Allow(std::initializer_list<absl::string_view> keys) const;
  bool Has(const char* key) const { return node_[key].IsDefined() && !node_[key].IsNull(); }

  absl::Status Text(const char* key, std::string* out) const;  // required, not empty
  absl::Status OptionalText(const char* key, std::string* out) const;
  // A path; a relative one is relative to the file's folder.
  absl::Status File(const char* key, std::string* out) const;
  absl::Status OptionalFile(const char* key, std::string* out) const;
  absl::Status Number(const char* key, uint64_t min, uint64_t max, uint64_t* out) const;
  absl::Status OptionalNumber(const char* key, uint64_t min, uint64_t max, uint64_t* out) const;
  absl::Status OptionalSwitch(const char* key, bool* out) const;                // true or false
  absl::Status TextList(const char* key, std::vector<std::string>* out) const;  // required, not empty
  absl::Status OptionalTextList(const char* key,
                                std::vector<std::string>* out) const;        // may be absent or empty
  absl::StatusOr<YamlSection> Section(const char* key) const;                // required
  absl::StatusOr<std::vector<YamlSection>> Sections(const char* key) const;  // required, not empty

  // kInvalidArgument "file:line: section.key: what", for values that are wrong for reasons of their own.
  absl::Status Error(const char* key, absl::string_view what) const;
  // The same for this mapping as a whole.
  absl::Status Error(absl::string_view what) const;
  const std::string& path() const { return path_; }

 private:
  YamlSection(YAML::Node node, std::string path, std::string where)
      : node_(std::move(node)), path_(std::move(path)), where_(std::move(where)) {}
  absl::Status ErrorAt(const YAML::Node& at, absl::string_view what) const;
  std::string Name(absl::string_view key) const;
  std::string Resolve(const std::string& path) const;
  absl::Status RequireKey(const char* key) const;

  YAML::Node node_;
  std::string path_;
  std::string where_;  // empty: the file itself
};

}  // namespace trivium
