#include "controlplane/db/params.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace trivium {

void ArrayText::Next() {
  body_.push_back(size_ == 0 ? '{' : ',');
  ++size_;
}

ArrayText& ArrayText::Add(absl::string_view text) {
  Next();
  body_.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') body_.push_back('\\');
    body_.push_back(c);
  }
  body_.push_back('"');
  return *this;
}

ArrayText& ArrayText::AddInt(int64_t value) {
  Next();
  absl::StrAppend(&body_, value);
  return *this;
}

ArrayText& ArrayText::AddBool(bool value) {
  Next();
  body_.push_back(value ? 't' : 'f');
  return *this;
}

ArrayText& ArrayText::AddId(const Id128& id) {
  Next();
  body_ += id.ToUuid();
  return *this;
}

ArrayText& ArrayText::AddBytes(absl::string_view raw) {
  Next();
  absl::StrAppend(&body_, "\"\\\\x", absl::BytesToHexString(raw), "\"");
  return *this;
}

Params& Params::Int(int64_t value) {
  values_.push_back({absl::StrCat(value), false});
  return *this;
}

Params& Params::Text(std::string value) {
  values_.push_back({std::move(value), false});
  return *this;
}

Params& Params::Id(const Id128& id) {
  values_.push_back({id.ToUuid(), false});
  return *this;
}

Params& Params::Bytes(std::string raw) {
  values_.push_back({std::move(raw), true});
  return *this;
}

bool Params::HasNul() const {
  for (const Value& value : values_) {
    if (!value.binary && value.bytes.find('\0') != std::string::npos) return true;
  }
  return false;
}

}  // namespace trivium
