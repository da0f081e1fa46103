#include "policy/rule_diff.h"

#include <algorithm>
#include <set>
#include <utility>

#include "policy/cidr.h"
#include "policy/port_ranges.h"

namespace trivium::policy {
namespace {

bool Same(const Decision& a, const Decision& b) {
  return a.verdict == b.verdict && a.by_rule == b.by_rule && (!a.by_rule || a.rule == b.rule);
}

// The ranges of one protocol; both lists cover its ports without gaps.
std::vector<ChangedPorts> DiffOf(const RuleSet& before, const PortRanges& was, const RuleSet& after,
                                 const PortRanges& will, v1::Protocol protocol) {
  const auto of_protocol = [protocol](const PortRanges& all) {
    std::vector<const PortRangeVerdict*> own;
    for (const PortRangeVerdict& range : all.ranges) {
      if (range.protocol == protocol) own.push_back(&range);
    }
    return own;
  };
  const std::vector<const PortRangeVerdict*> old = of_protocol(was), now = of_protocol(will);
  std::vector<ChangedPorts> changes;
  for (size_t i = 0, j = 0; i < old.size() && j < now.size();) {
    ChangedPorts change{protocol, std::max(old[i]->first, now[j]->first),
                        std::min(old[i]->last, now[j]->last), DecisionOf(before, old[i]->outcome),
                        DecisionOf(after, now[j]->outcome)};
    if (old[i]->last == change.last) ++i;
    if (now[j]->last == change.last) ++j;
    if (change.before.verdict == change.after.verdict) continue;
    if (!changes.empty() && changes.back().last + 1 == change.first &&
        Same(changes.back().before, change.before) && Same(changes.back().after, change.after)) {
      changes.back().last = change.last;
    } else {
      changes.push_back(std::move(change));
    }
  }
  return changes;
}

bool SameBesideProtocol(const std::vector<ChangedPorts>& a, const std::vector<ChangedPorts>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const ChangedPorts& x, const ChangedPorts& y) {
    return x.first == y.first && x.last == y.last && Same(x.before, y.before) && Same(x.after, y.after);
  });
}

}  // namespace

std::vector<ChangedPorts> DiffOfClasses(const RuleSet& before, const std::string& before_class,
                                        const RuleSet& after, const std::string& after_class) {
  const PortRanges was = PortRangesOf(before, before_class);
  const PortRanges will = PortRangesOf(after, after_class);
  std::vector<std::vector<ChangedPorts>> by_protocol;
  for (const v1::Protocol protocol : kRangedProtocols) {
    by_protocol.push_back(DiffOf(before, was, after, will, protocol));
  }
  size_t from = 0;
  if (SameBesideProtocol(by_protocol[0], by_protocol[1]) &&
      SameBesideProtocol(by_protocol[0], by_protocol[2])) {
    for (ChangedPorts& change : by_protocol[2]) change.protocol = v1::PROTOCOL_ANY;
    from = 2;
  }
  std::vector<ChangedPorts> changes;
  for (size_t i = from; i < by_protocol.size(); ++i) {
    std::move(by_protocol[i].begin(), by_protocol[i].end(), std::back_inserter(changes));
  }
  return changes;
}

std::vector<v1::Cidr> PrefixesOf(const RuleSet& before, const RuleSet& after) {
  std::set<v1::Cidr, decltype(&CidrLess)> all(&CidrLess);
  all.insert(before.prefixes().begin(), before.prefixes().end());
  all.insert(after.prefixes().begin(), after.prefixes().end());
  return {all.begin(), all.end()};
}

}  // namespace trivium::policy
