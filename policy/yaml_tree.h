// One YAML (or JSON) document as a tree that remembers lines, quoting and every key as written: what the
// strict reader (yaml_reader.h) works on. Input is bounded before and while it is parsed. Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trivium::policy {

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };
  struct Key {
    std::string text;
    int line = 0;
  };

  Kind kind = Kind::kNull;
  bool quoted = false;             // a scalar that is a string whatever it looks like
  std::string text;                // of a scalar
  int line = 0;                    // counted from 1, in the file
  std::vector<Key> keys;           // of a map, in order, one for each child, duplicates included
  std::vector<YamlNode> children;  // of a map or a sequence
};

// A document of a stream, cut out but not parsed.
struct YamlDocument {
  absl::string_view text;  // without its "---" line; points into what was split
  int line = 1;            // where `text` starts
};

// Refuses, by kInvalidArgument naming file and line: text that is larger than kMaxManifestBytes, not UTF-8,
// or has control characters. Documents of blank lines and comments alone are left out.
absl::StatusOr<std::vector<YamlDocument>> SplitYaml(absl::string_view text, absl::string_view file);

// Refuses, likewise: what is not YAML; anchors and aliases; explicit tags (but !!str); keys that are no
// scalars; nesting deeper than kMaxManifestDepth and more than kMaxManifestNodes nodes.
absl::StatusOr<YamlNode> ParseYaml(const YamlDocument& document, absl::string_view file);

// The tree as JSON, its scalars typed as the document typed them.
std::string ToJson(const YamlNode& node);

// What an unquoted scalar is to Kubernetes (YAML 1.1, save that `y` and `n` stay strings).
enum class ScalarType { kString, kBool, kInteger, kFloat };
ScalarType TypeOf(const YamlNode& scalar);

}  // namespace trivium::policy
