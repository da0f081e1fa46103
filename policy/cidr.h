// Addresses and prefixes as people write them. Pure; thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

// "10.0.0.0/8", "fd00::/8". Host bits are cleared, as Kubernetes does. Refused (kInvalidArgument, saying what
// is right): an address without a length, leading zeros in an IPv4 part, and IPv4 written as IPv6
// (::ffff:10.0.0.0/104).
absl::StatusOr<v1::Cidr> ParseCidr(absl::string_view text);

// 4 or 16 bytes in network order.
absl::StatusOr<std::string> ParseAddress(absl::string_view text);

// The prefix of full length that holds `address` (4 or 16 bytes) alone.
v1::Cidr HostPrefix(const std::string& address);

std::string CidrText(const v1::Cidr& cidr);

// A total order: by family, then address, then length.
bool CidrLess(const v1::Cidr& a, const v1::Cidr& b);

}  // namespace trivium::policy
