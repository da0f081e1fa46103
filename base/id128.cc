#include "base/id128.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace trivium {

std::string Id128::ToHex() const { return absl::BytesToHexString(ToBytes()); }

std::string Id128::ToUuid() const {
  const std::string hex = ToHex();
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-", hex.substr(16, 4),
                      "-", hex.substr(20));
}

std::string Id128::ToBytes() const {
  std::string bytes(16, '\0');
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(hi >> (56 - 8 * i));
    bytes[8 + i] = static_cast<char>(lo >> (56 - 8 * i));
  }
  return bytes;
}

absl::StatusOr<Id128> Id128::FromHex(absl::string_view text) {
  Id128 id;
  int digits = 0;
  for (char c : text) {
    if (c == '-') continue;
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(c)) || digits == 32) {
      digits = -1;
      break;
    }
    const uint64_t nibble =
        absl::ascii_isdigit(static_cast<unsigned char>(c)) ? c - '0' : (c | 0x20) - 'a' + 10;
    uint64_t& half = digits < 16 ? id.hi : id.lo;
    half = half << 4 | nibble;
    ++digits;
  }
  if (digits != 32) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is not a 128-bit id (32 hex digits)"));
  }
  return id;
}

absl::StatusOr<Id128> Id128::FromBytes(absl::string_view bytes) {
  if (bytes.size() != 16) {
    return absl::InvalidArgumentError(absl::StrCat("an id has 16 bytes, got ", bytes.size()));
  }
  Id128 id;
  for (int i = 0; i < 8; ++i) {
    id.hi = id.hi << 8 | static_cast<unsigned char>(bytes[i]);
    id.lo = id.lo << 8 | static_cast<unsigned char>(bytes[8 + i]);
  }
  return id;
}

}  // namespace trivium
