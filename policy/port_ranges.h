// What a rule set says of one peer, as ranges of ports: for tables and comparisons, where the kernel has
// longest-prefix entries. Pure; thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/flatten.h"
#include "policy/rule_set.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

// Every port from `first` to `last` has this outcome, and the ports beside the range have another. ICMP and
// ICMPv6: types, since rules name no codes. `outcome.rule` is an index into RuleSet::rules(), kDefaultRule if
// no rule decides.
struct PortRangeVerdict {
  v1::Protocol protocol = v1::PROTOCOL_TCP;
  uint16_t first = 0;
  uint16_t last = 0;
  Outcome outcome;
  friend bool operator==(const PortRangeVerdict&, const PortRangeVerdict&) = default;
};

// Those that have ports, or types.
inline constexpr v1::Protocol kRangedProtocols[] = {v1::PROTOCOL_TCP, v1::PROTOCOL_UDP, v1::PROTOCOL_SCTP,
                                                    v1::PROTOCOL_ICMP, v1::PROTOCOL_ICMPV6};

struct PortRanges {
  // In the order of kRangedProtocols, ascending; each port of each protocol is in exactly one.
  std::vector<PortRangeVerdict> ranges;
  Outcome others;  // of protocols that are none of these
};

// Of the peers of one class (RuleSet::ClassOf).
PortRanges PortRangesOf(const RuleSet& rules, const std::string& class_key);

// For people: by_rule and the rule's names.
Decision DecisionOf(const RuleSet& rules, const Outcome& outcome);

}  // namespace trivium::policy
