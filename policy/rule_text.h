// Peers and ports of rules in people's words. Pure; thread-safe.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

std::string ProtocolName(v1::Protocol protocol);  // "TCP", "ICMPv6"
bool IsIcmp(v1::Protocol protocol);

// A label's key as people write it, the scopes in words: "namespace", "cluster", "app".
std::string KeyText(absl::string_view key);
std::string RequirementText(const v1::Requirement& requirement);  // "app in (a,b)"
std::string SelectorText(const v1::Selector& selector);           // "everything", "app=db, namespace=shop"
std::string PeerText(const v1::Peer& peer);         // "entity host", "10.0.0.0/8 except 10.1.0.0/16"
std::string RangeText(const v1::PortRange& range);  // "TCP/80-90", "dns/UDP", "ICMP type 8"

}  // namespace trivium::policy
