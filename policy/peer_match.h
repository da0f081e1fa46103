// Does one peer of a rule mean this party? Internal to policy/. Pure; thread-safe.
#pragma once

#include <string>

#include "policy/rule_set.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

// `cluster`: whose policy the rule is in. A CIDR peer must have its group resolved.
bool PeerMatches(const v1::Peer& peer, const PeerRef& party, const std::string& cluster);

// Whether the selector tells IPv4's world from IPv6's.
bool NamesFamily(const v1::Selector& selector);

}  // namespace trivium::policy
