// Parameters of one statement, and the array literals that carry the rows of a bulk statement. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/id128.h"

namespace trivium {

// A SQL array literal, element by element: {"a","b"}.
class ArrayText {
 public:
  ArrayText& Add(absl::string_view text);
  ArrayText& AddInt(int64_t value);
  ArrayText& AddBool(bool value);
  ArrayText& AddId(const Id128& id);           // UUID
  ArrayText& AddBytes(absl::string_view raw);  // BYTEA
  std::string Take() const { return body_.empty() ? "{}" : body_ + "}"; }
  size_t size() const { return size_; }

 private:
  void Next();
  std::string body_;
  size_t size_ = 0;
};

class Params {
 public:
  Params& Int(int64_t value);
  Params& Text(std::string value);
  Params& Id(const Id128& id);
  Params& Bytes(std::string raw);
  Params& Array(const ArrayText& array) { return Text(array.Take()); }

  size_t size() const { return values_.size(); }
  const std::string& value(size_t i) const { return values_[i].bytes; }
  bool binary(size_t i) const { return values_[i].binary; }
  // A text with a NUL would be cut there on its way: such parameters are refused before they are sent.
  bool HasNul() const;

 private:
  struct Value {
    std::string bytes;
    bool binary;
  };
  std::vector<Value> values_;
};

}  // namespace trivium
