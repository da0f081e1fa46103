// Single values as people read them. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::cli {

// 4 or 16 bytes in network order; anything else is printed as hex.
std::string IpText(absl::string_view bytes);
std::string CidrText(const v1::Cidr& cidr);
std::string UidText(absl::string_view bytes);
// "TCP", "UDP", ...
std::string ProtocolText(v1::Protocol protocol);
// A selector without the scopes that the parser writes into it (the cluster, and `ns` if it has one):
// "app=db,tier in (a,b)"; empty if it selects all.
std::string SelectorText(const v1::Selector& selector, absl::string_view ns);
// Labels of an identity without their source and without what the columns say already: "app=db,tier=back".
std::string PodLabelsText(const v1::Identity& identity);
// kubectl's short age: "3s", "12m", "5h", "2d".
std::string AgeText(absl::Duration age);

// A URL (or several in a text) without what stands for a password in it: "tls://user:xxxxx@host".
std::string WithoutPassword(absl::string_view text);

}  // namespace trivium::cli
