#include "policy/port_ranges.h"

#include <algorithm>

namespace trivium::policy {
namespace {

constexpr uint32_t kPorts = 65536;

bool HasTypes(v1::Protocol protocol) {
  return protocol == v1::PROTOCOL_ICMP || protocol == v1::PROTOCOL_ICMPV6;
}

uint32_t LastOf(const VerdictEntry& entry) { return entry.port + (kPorts >> entry.port_bits) - 1; }

// Appends the ranges of one protocol. `entries` are its own, outer ones before what they hold; `otherwise`
// holds where none does.
void Append(v1::Protocol protocol, const std::vector<const VerdictEntry*>& entries, const Outcome& otherwise,
            std::vector<PortRangeVerdict>* ranges) {
  std::vector<Stretch> stretches = {{0, otherwise}};
  const auto begin = [&stretches](uint32_t at, const Outcome& outcome) {
    if (stretches.back().first == at) {
      stretches.back().outcome = outcome;
    } else {
      stretches.push_back({at, outcome});
    }
  };
  std::vector<const VerdictEntry*> open;
  const auto close_before = [&](uint32_t at) {
    while (!open.empty() && LastOf(*open.back()) < at) {
      const uint32_t end = LastOf(*open.back()) + 1;
      open.pop_back();
      if (end == kPorts) continue;
      begin(end, open.empty() ? otherwise : Outcome{open.back()->verdict, open.back()->rule});
    }
  };
  for (const VerdictEntry* entry : entries) {
    close_before(entry->port);
    open.push_back(entry);
    begin(entry->port, Outcome{entry->verdict, entry->rule});
  }
  close_before(kPorts);

  const uint32_t shift = HasTypes(protocol) ? 8 : 0;
  const size_t first_of_protocol = ranges->size();
  for (size_t i = 0; i < stretches.size(); ++i) {
    const uint32_t last = (i + 1 < stretches.size() ? stretches[i + 1].first : kPorts) - 1;
    if (ranges->size() > first_of_protocol && ranges->back().outcome == stretches[i].outcome) {
      ranges->back().last = static_cast<uint16_t>(last >> shift);
      continue;
    }
    ranges->push_back({protocol, static_cast<uint16_t>(stretches[i].first >> shift),
                       static_cast<uint16_t>(last >> shift), stretches[i].outcome});
  }
}

}  // namespace

PortRanges PortRangesOf(const RuleSet& rules, const std::string& class_key) {
  const std::vector<VerdictEntry> entries = rules.Flatten(class_key);
  PortRanges result;
  for (const VerdictEntry& entry : entries) {
    if (entry.protocol_bits == 0) result.others = Outcome{entry.verdict, entry.rule};
  }
  for (const v1::Protocol protocol : kRangedProtocols) {
    std::vector<const VerdictEntry*> own;
    for (const VerdictEntry& entry : entries) {
      if (entry.protocol_bits != 0 && entry.protocol == protocol) own.push_back(&entry);
    }
    std::sort(own.begin(), own.end(), [](const VerdictEntry* a, const VerdictEntry* b) {
      return std::make_pair(a->port, a->port_bits) < std::make_pair(b->port, b->port_bits);
    });
    Append(protocol, own, result.others, &result.ranges);
  }
  return result;
}

Decision DecisionOf(const RuleSet& rules, const Outcome& outcome) {
  if (outcome.rule == kDefaultRule) return Decision{outcome.verdict, false, {}};
  return Decision{outcome.verdict, true, rules.rules()[outcome.rule]};
}

}  // namespace trivium::policy
