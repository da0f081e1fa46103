// What one rule set says of every peer: each peer has a class, each class its ranges of ports. Shared by all
// identities with that rule set. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "controlplane/store/reachability.h"
#include "policy/port_ranges.h"
#include "policy/rule_set.h"

namespace trivium {

class VerdictTable {
 public:
  explicit VerdictTable(std::shared_ptr<const policy::RuleSet> rules);

  // Judges the peer (again), or forgets it.
  void Judge(uint32_t id, const v1::Identity& peer);
  void Forget(uint32_t id);

  const policy::RuleSet& rules() const { return *rules_; }
  // Of one identity with this rule set.
  uint64_t rows() const { return rows_; }
  // Appends the rows of `row.identity` about a peer that was judged; `row` says who the peer is.
  void AppendRows(ReachabilityRow row, std::vector<ReachabilityRow>* rows) const;
  // Those about the prefixes that the rules name.
  void AppendPrefixRows(uint32_t identity, std::vector<ReachabilityRow>* rows) const;

  // Identities that have it; the owner's count.
  uint64_t users = 0;
  bool judged = false;  // every peer is; the owner's note

 private:
  struct Range {
    uint32_t protocols = 0;
    uint32_t first = 0;
    uint32_t last = 0;
    policy::Outcome outcome;
  };

  uint32_t ClassNumber(const std::string& key);
  void Append(uint32_t number, ReachabilityRow row, std::vector<ReachabilityRow>* rows) const;

  const std::shared_ptr<const policy::RuleSet> rules_;
  absl::flat_hash_map<std::string, uint32_t> numbers_;  // by class
  std::vector<std::vector<Range>> classes_;             // by number
  absl::flat_hash_map<uint32_t, uint32_t> peers_;       // their classes
  std::vector<std::pair<std::string, uint32_t>> prefixes_;
  uint64_t rows_ = 0;
};

}  // namespace trivium
