#include "policy/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace trivium::policy {
namespace {

absl::Status Bad(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" ", why));
}

bool IsMappedV4(const std::string& address) {
  return address.size() == 16 && address.compare(0, 12, std::string("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12)) == 0;
}

}  // namespace

absl::StatusOr<std::string> ParseAddress(absl::string_view text) {
  const std::string copy(text);  // inet_pton wants a terminated string
  if (copy.find('\0') == std::string::npos) {
    in_addr v4{};
    if (inet_pton(AF_INET, copy.c_str(), &v4) == 1) {
      return std::string(reinterpret_cast<const char*>(&v4), sizeof(v4));
    }
    in6_addr v6{};
    if (inet_pton(AF_INET6, copy.c_str(), &v6) == 1) {
      return std::string(reinterpret_cast<const char*>(&v6), sizeof(v6));
    }
  }
  return Bad(text, "is not an address; write IPv4 as 10.1.2.3 (no leading zeros) or IPv6 as fd00::1");
}

absl::StatusOr<v1::Cidr> ParseCidr(absl::string_view text) {
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos) {
    return Bad(text, "is not a CIDR; write address/length, for example 10.0.0.0/8 or fd00::/8");
  }
  absl::StatusOr<std::string> address = ParseAddress(text.substr(0, slash));
  if (!address.ok()) {
    return Bad(
        text, "is not a CIDR: its address is wrong; write it like 10.0.0.0/8 (no leading zeros) or fd00::/8");
  }
  const absl::string_view digits = text.substr(slash + 1);
  uint32_t length = 0;
  const bool plain = !digits.empty() && std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) &&
                     (digits.size() == 1 || digits.front() != '0');
  const uint32_t most = static_cast<uint32_t>(address->size()) * 8;
  if (!plain || !absl::SimpleAtoi(digits, &length) || length > most) {
    return Bad(text, absl::StrCat("is not a CIDR: the length after the '/' is a number from 0 to ", most));
  }
  if (IsMappedV4(*address)) {
    return Bad(text, "is an IPv4 network written as IPv6, which is ambiguous; write it in IPv4 form");
  }
  for (uint32_t bit = length; bit < most; ++bit) {
    (*address)[bit / 8] = static_cast<char>((*address)[bit / 8] & ~(0x80 >> (bit % 8)));
  }
  v1::Cidr cidr;
  cidr.set_address(*std::move(address));
  cidr.set_length(length);
  return cidr;
}

v1::Cidr HostPrefix(const std::string& address) {
  v1::Cidr cidr;
  cidr.set_address(address);
  cidr.set_length(static_cast<uint32_t>(address.size()) * 8);
  return cidr;
}

std::string CidrText(const v1::Cidr& cidr) {
  char buffer[INET6_ADDRSTRLEN] = "?";
  const int family = cidr.address().size() == 4 ? AF_INET : AF_INET6;
  if (cidr.address().size() == 4 || cidr.address().size() == 16) {
    inet_ntop(family, cidr.address().data(), buffer, sizeof(buffer));
  }
  return absl::StrCat(buffer, "/", cidr.length());
}

bool CidrLess(const v1::Cidr& a, const v1::Cidr& b) {
  return std::make_tuple(a.address().size(), absl::string_view(a.address()), a.length()) <
         std::make_tuple(b.address().size(), absl::string_view(b.address()), b.length());
}

}  // namespace trivium::policy
