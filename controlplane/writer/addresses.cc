#include "controlplane/writer/addresses.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace trivium {
namespace {

uint8_t Byte(absl::string_view ip, size_t i) { return static_cast<uint8_t>(ip[i]); }

// The first `length` bits are equal. Both of one family.
bool SamePrefix(absl::string_view a, absl::string_view b, uint32_t length) {
  const size_t whole = length / 8;
  if (a.substr(0, whole) != b.substr(0, whole)) return false;
  const uint32_t rest = length % 8;
  if (rest == 0) return true;
  const uint8_t mask = static_cast<uint8_t>(0xff << (8 - rest));
  return ((Byte(a, whole) ^ Byte(b, whole)) & mask) == 0;
}

}  // namespace

std::string AddressText(absl::string_view ip) {
  char text[INET6_ADDRSTRLEN] = {};
  if (ip.size() == 4 && inet_ntop(AF_INET, ip.data(), text, sizeof(text)) != nullptr) return text;
  if (ip.size() == 16 && inet_ntop(AF_INET6, ip.data(), text, sizeof(text)) != nullptr) return text;
  return absl::StrCat("0x", absl::BytesToHexString(ip));
}

std::string CidrText(const v1::Cidr& cidr) {
  return absl::StrCat(AddressText(cidr.address()), "/", cidr.length());
}

absl::StatusOr<std::string> ParseAddress(absl::string_view text) {
  const std::string copy(text);
  char bytes[16];
  if (inet_pton(AF_INET, copy.c_str(), bytes) == 1) return std::string(bytes, 4);
  if (inet_pton(AF_INET6, copy.c_str(), bytes) == 1) return std::string(bytes, 16);
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is not an address: want one like 10.1.0.7 or fd00:1::7"));
}

absl::StatusOr<v1::Cidr> ParseCidr(absl::string_view text) {
  const size_t slash = text.find('/');
  uint32_t length = 0;
  if (slash == absl::string_view::npos || !absl::SimpleAtoi(text.substr(slash + 1), &length)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is not a prefix: want one like 10.1.0.0/16 or fd00:1::/48"));
  }
  absl::StatusOr<std::string> address = ParseAddress(text.substr(0, slash));
  if (!address.ok()) return address.status();
  v1::Cidr cidr;
  cidr.set_address(*std::move(address));
  cidr.set_length(length);
  if (absl::Status status = CheckCidr(cidr); !status.ok()) return status;
  return cidr;
}

absl::Status CheckHostAddress(absl::string_view ip) {
  if (ip.size() != 4 && ip.size() != 16) {
    return absl::InvalidArgumentError(absl::StrCat("address of ", ip.size(), " bytes: want 4 or 16"));
  }
  absl::string_view fault;
  if (std::all_of(ip.begin(), ip.end(), [](char c) { return c == 0; })) {
    fault = "the unspecified address";
  } else if (ip.size() == 4) {
    if (Byte(ip, 0) == 127) fault = "a loopback address";
    if (Byte(ip, 0) >= 224) fault = "a multicast or reserved address";
    if (Byte(ip, 0) == 169 && Byte(ip, 1) == 254) fault = "a link-local address";
    if (Byte(ip, 0) == 0) fault = "an address of the unspecified network";
  } else {
    if (Byte(ip, 0) == 0xff) fault = "a multicast address";
    if (Byte(ip, 0) == 0xfe && (Byte(ip, 1) & 0xc0) == 0x80) fault = "a link-local address";
    if (std::all_of(ip.begin(), ip.end() - 1, [](char c) { return c == 0; }) && Byte(ip, 15) == 1) {
      fault = "the loopback address";
    }
    if (std::all_of(ip.begin(), ip.begin() + 10, [](char c) { return c == 0; }) && Byte(ip, 10) == 0xff &&
        Byte(ip, 11) == 0xff) {
      fault = "an IPv4 address written as IPv6: write it as IPv4";
    }
  }
  if (fault.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(AddressText(ip), " is ", fault));
}

absl::Status CheckCidr(const v1::Cidr& cidr) {
  const std::string& ip = cidr.address();
  if (ip.size() != 4 && ip.size() != 16) {
    return absl::InvalidArgumentError(
        absl::StrCat("prefix with an address of ", ip.size(), " bytes: want 4 or 16"));
  }
  const uint32_t bits = static_cast<uint32_t>(ip.size()) * 8;
  if (cidr.length() > bits) {
    return absl::InvalidArgumentError(
        absl::StrCat(CidrText(cidr), ": the length of a prefix of this family is at most ", bits));
  }
  for (uint32_t bit = cidr.length(); bit < bits; ++bit) {
    if ((Byte(ip, bit / 8) >> (7 - bit % 8) & 1) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(CidrText(cidr), " has bits set behind its length: clear them"));
    }
  }
  return absl::OkStatus();
}

bool Contains(const v1::Cidr& cidr, absl::string_view ip) {
  return cidr.address().size() == ip.size() && SamePrefix(cidr.address(), ip, cidr.length());
}

bool Overlap(const v1::Cidr& a, const v1::Cidr& b) {
  return a.address().size() == b.address().size() &&
         SamePrefix(a.address(), b.address(), std::min(a.length(), b.length()));
}

}  // namespace trivium
