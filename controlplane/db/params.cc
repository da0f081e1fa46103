#include "controlplane/db/params.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace trivium {

void ArrayText::Next() {
  body_.push_back(size_ == 0 ? '{' : ',');
  ++size_;
}

ArrayText& ArrayText::Add(absl::string_view text) {
  Next();
  body_.push_back('"');
  while (true) {
    const size_t special = text.find_first_of("\"\\");
    absl::StrAppend(&body_, text.substr(0, special));
    if (special == absl::string_view::npos) break;
    body_.push_back('\\');
    body_.push_back(text[special]);
    text.remove_prefix(special + 1);
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
  constexpr char kDigits[] = "0123456789abcdef";
  Next();
  absl::StrAppend(&body_, "\"\\\\x");
  size_t at = body_.size();
  body_.resize(at + 2 * raw.size());
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    body_[at++] = kDigits[byte >> 4];
    body_[at++] = kDigits[byte & 15];
  }
  body_.push_back('"');
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
