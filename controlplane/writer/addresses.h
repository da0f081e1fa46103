// Addresses and prefixes as the planner checks and prints them. Addresses are 4 or 16 bytes in network order.
// Pure; thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trivium/v1/objects.pb.h"

namespace trivium {

// "10.1.0.7", "fd00:1::7"; the bytes in hex if they are no address.
std::string AddressText(absl::string_view ip);
// "10.1.0.0/16".
std::string CidrText(const v1::Cidr& cidr);

// kInvalidArgument, naming the text, unless it is an address or a prefix without host bits.
absl::StatusOr<std::string> ParseAddress(absl::string_view text);
absl::StatusOr<v1::Cidr> ParseCidr(absl::string_view text);

// Whether a host can own it: neither unspecified, loopback, multicast, link-local nor IPv4's broadcast.
absl::Status CheckHostAddress(absl::string_view ip);
// The length fits the family and no host bit is set.
absl::Status CheckCidr(const v1::Cidr& cidr);

bool Contains(const v1::Cidr& cidr, absl::string_view ip);
bool Overlap(const v1::Cidr& a, const v1::Cidr& b);

}  // namespace trivium
