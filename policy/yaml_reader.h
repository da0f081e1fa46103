// Strict, typed access to a YAML tree: every value knows its path, every fault is noted with file, line and
// path. A reader goes on after a fault, so that one pass names them all. Pure; not thread-safe (one parse,
// one thread).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "policy/yaml_tree.h"

namespace trivium::policy {

// The faults found so far in one text.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}
  void Add(int line, absl::string_view path, absl::string_view what);
  bool empty() const { return count_ == 0; }
  // kInvalidArgument with one line a fault ("file:line: path: what"), the first kMost of them; OK if there is
  // none.
  absl::Status ToStatus() const;

 private:
  static constexpr size_t kMost = 20;
  const std::string file_;
  std::string text_;
  size_t count_ = 0;
};

class YamlFields;

// A value in the tree, or the lack of one. Null and absent are the same here, as they are to Kubernetes.
// Refers to the tree and the problems, which must outlive it.
class YamlValue {
 public:
  YamlValue(const YamlNode* node, int line, std::string path, Problems* problems)
      : node_(node), line_(line), path_(std::move(path)), problems_(problems) {}
  YamlValue(const YamlNode& root, Problems* problems) : YamlValue(&root, root.line, "", problems) {}

  bool absent() const { return node_ == nullptr || node_->kind == YamlNode::Kind::kNull; }
  int line() const { return line_; }
  const std::string& path() const { return path_; }

  void Fail(absl::string_view what) const { problems_->Add(line_, path_, what); }
  // Fails with the status's message unless it is OK; whether it was.
  bool Accept(const absl::Status& status) const;

  // Each notes a fault and returns nothing if the value has another type, and returns nothing if it is
  // absent.
  std::optional<std::string> String() const;
  std::optional<int64_t> Integer() const;
  bool IsInteger() const;  // notes nothing
  std::optional<bool> Bool() const;
  // What a map of exactly these fields holds; unknown and repeated ones are faults. Always safe to use.
  // `unenforced`: fields that the format has and this project does not enforce: each is a fault of its own,
  // unless it is null.
  YamlFields Fields(std::initializer_list<absl::string_view> known,
                    std::initializer_list<absl::string_view> unenforced = {}) const;
  // A map's field, noting nothing: absent if this is no map or lacks it.
  YamlValue Peek(absl::string_view name) const;
  // The elements of a list; none if absent. An element may be absent (null) itself.
  std::vector<YamlValue> Items() const;
  // The entries of a map whose keys the user chooses; repeated ones are faults.
  std::vector<std::pair<std::string, YamlValue>> Entries() const;

 private:
  friend class YamlFields;
  bool Is(YamlNode::Kind kind, absl::string_view wanted) const;
  std::string Describe() const;

  const YamlNode* node_;
  int line_;
  std::string path_;
  Problems* problems_;
};

class YamlFields {
 public:
  // The field's value, absent if the map lacks it (it then has the map's line).
  YamlValue operator[](absl::string_view name) const;

 private:
  friend class YamlValue;
  YamlFields(const YamlNode* map, int line, std::string path, Problems* problems)
      : map_(map), line_(line), path_(std::move(path)), problems_(problems) {}

  const YamlNode* map_;  // null: not a map
  int line_;
  std::string path_;
  Problems* problems_;
};

}  // namespace trivium::policy
