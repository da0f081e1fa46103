#include "controlplane/reachability/verdict_table.h"

#include <algorithm>

#include "policy/cidr.h"

namespace trivium {
namespace {

constexpr uint32_t kLastPort = 65535;

uint32_t BitOf(v1::Protocol protocol) {
  switch (protocol) {
    case v1::PROTOCOL_TCP:
      return kTcpBit;
    case v1::PROTOCOL_UDP:
      return kUdpBit;
    case v1::PROTOCOL_SCTP:
      return kSctpBit;
    case v1::PROTOCOL_ICMP:
      return kIcmpBit;
    default:
      return kIcmpv6Bit;
  }
}

}  // namespace

VerdictTable::VerdictTable(std::shared_ptr<const policy::RuleSet> rules) : rules_(std::move(rules)) {
  for (const v1::Cidr& prefix : rules_->prefixes()) {
    const uint32_t number = ClassNumber(rules_->ClassOf(policy::PeerRef{nullptr, &prefix}));
    prefixes_.emplace_back(policy::CidrText(prefix), number);
    rows_ += classes_[number].size();
  }
}

uint32_t VerdictTable::ClassNumber(const std::string& key) {
  const auto [found, is_new] = numbers_.emplace(key, static_cast<uint32_t>(classes_.size()));
  if (!is_new) return found->second;
  std::vector<Range>& ranges = classes_.emplace_back();
  // What protocols have in common is one row.
  const auto add = [&ranges](uint32_t bit, uint32_t first, uint32_t last, const policy::Outcome& outcome) {
    for (Range& range : ranges) {
      if (range.first != first || range.last != last || !(range.outcome == outcome)) continue;
      range.protocols |= bit;
      return;
    }
    ranges.push_back(Range{bit, first, last, outcome});
  };
  const policy::PortRanges of_class = policy::PortRangesOf(*rules_, key);
  for (const policy::PortRangeVerdict& range : of_class.ranges) {
    const uint32_t bit = BitOf(range.protocol);
    const bool every_type = (bit & (kIcmpBit | kIcmpv6Bit)) != 0 && range.first == 0 && range.last == 255;
    add(bit, range.first, every_type ? kLastPort : range.last, range.outcome);
  }
  add(kOtherProtocolsBit, 0, kLastPort, of_class.others);
  return found->second;
}

void VerdictTable::Judge(uint32_t id, const v1::Identity& peer) {
  Forget(id);
  const uint32_t number = ClassNumber(rules_->ClassOf(policy::PeerRef{&peer, nullptr}));
  peers_.emplace(id, number);
  rows_ += classes_[number].size();
}

void VerdictTable::Forget(uint32_t id) {
  const auto found = peers_.find(id);
  if (found == peers_.end()) return;
  rows_ -= classes_[found->second].size();
  peers_.erase(found);
}

void VerdictTable::Append(uint32_t number, ReachabilityRow row, std::vector<ReachabilityRow>* rows) const {
  row.ingress = rules_->direction() == v1::Rule::INGRESS;
  for (const Range& range : classes_[number]) {
    const policy::Decision decision = policy::DecisionOf(*rules_, range.outcome);
    row.protocols = range.protocols;
    row.first_port = range.first;
    row.last_port = range.last;
    row.allowed = decision.verdict == policy::Verdict::kAllow;
    row.policy = decision.rule.policy;
    row.origin = decision.rule.origin;
    rows->push_back(row);
  }
}

void VerdictTable::AppendRows(ReachabilityRow row, std::vector<ReachabilityRow>* rows) const {
  const auto found = peers_.find(row.peer);
  if (found != peers_.end()) Append(found->second, std::move(row), rows);
}

void VerdictTable::AppendPrefixRows(uint32_t identity, std::vector<ReachabilityRow>* rows) const {
  for (const auto& [prefix, number] : prefixes_) {
    ReachabilityRow row;
    row.identity = identity;
    row.prefix = prefix;
    Append(number, std::move(row), rows);
  }
}

}  // namespace trivium
