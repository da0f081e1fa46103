// What a change of policies changes: two rule sets of one subject and direction, before and after, and the
// verdicts on one peer that differ. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/rule_set.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

// Every port of the range has these decisions; their verdicts differ. ICMP and ICMPv6: types. Other protocols
// have no ports; what changes for them is what changes for every port of these.
struct ChangedPorts {
  v1::Protocol protocol = v1::PROTOCOL_TCP;
  uint32_t first = 0;
  uint32_t last = 0;
  Decision before;
  Decision after;
};

// All ranges, by protocol and port, as few as the decisions allow: neighbours with the same decisions are
// one, and what is the same for TCP, UDP and SCTP is said once, of PROTOCOL_ANY.
std::vector<ChangedPorts> DiffOfClasses(const RuleSet& before, const std::string& before_class,
                                        const RuleSet& after, const std::string& after_class);

// The prefixes that stand for all addresses outside the mesh that either of them tells apart, sorted; each
// for what no longer one covers.
std::vector<v1::Cidr> PrefixesOf(const RuleSet& before, const RuleSet& after);

}  // namespace trivium::policy
