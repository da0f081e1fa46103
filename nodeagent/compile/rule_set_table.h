// The rule sets that stand, or shall stand, in the kernel: shared by meaning, each under a number of its own,
// and kept in step with the peers they judge. Writes desired entries of policy_class and policy_verdict. Not
// thread-safe.
//
// Incremental by construction: a new peer costs one classification, and one entry, in each rule set that
// selects it; only a class not seen before in that rule set costs its verdicts. A new rule set costs its
// selectors' members, and what it shares with others is not evaluated again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "nodeagent/compile/cookies.h"
#include "nodeagent/compile/peers.h"
#include "nodeagent/compile/selector_cache.h"
#include "nodeagent/reconcile/kernel_maps.h"
#include "policy/rule_set.h"

namespace trivium {

class RuleSetTable {
 public:
  struct Counters {
    uint64_t created = 0;  // rule sets given a number
    uint64_t adopted = 0;  // found in the kernel, as another run of the agent left them
    uint64_t dropped = 0;
    uint64_t classified = 0;  // pairs of peer and rule set
    uint64_t flattened = 0;   // classes
  };
  // Fresh numbers; both never give the same again, not even after a restart.
  struct Fresh {
    std::function<uint32_t()> rule_set;
    std::function<uint32_t()> cookie;
  };

  // Nothing is owned; `maps` and `peers` outlive this.
  RuleSetTable(KernelMaps* maps, const Peers* peers, Fresh fresh);

  // The number of a rule set that judges like `rules`, made if there is none; counts a user.
  // `revision_of` says at which revision a policy was last changed.
  using RevisionOf = std::function<uint64_t(const std::string& policy)>;
  uint32_t Acquire(std::shared_ptr<const policy::RuleSet> rules, const RevisionOf& revision_of);
  void Release(uint32_t number);
  // Takes the kernel's rule set `number`, left there by another run of the agent, for `rules`, if its entries
  // say the same for every peer that is known there, and returns whether it did. The next Acquire of `rules`
  // finds it.
  bool Adopt(uint32_t number, std::shared_ptr<const policy::RuleSet> rules, const RevisionOf& revision_of);
  // Nothing that another run left is in force any more: Adopt comes no more.
  void NothingLeft() { left_.reset(); }

  // A peer was added to the table of peers.
  void PeerAdded(uint32_t identity) { PeerChanged(identity, nullptr); }
  // It is another than `before` now (null: there was none), or is no longer in the table.
  void PeerChanged(uint32_t identity, const Peer* before);

  bool IsLive(uint32_t number) const { return live_.contains(number); }
  // Null if it is not live.
  const policy::RuleSet* Find(uint32_t number) const;
  // The policies whose rules apply to a class of a live rule set.
  std::vector<std::string> PoliciesOfClass(uint32_t number, uint32_t class_id) const;
  // Without users: to be dropped once no endpoint is judged by it any more.
  std::vector<uint32_t> Unused() const;
  // Its entries are no longer wanted. It must have no users.
  void Drop(uint32_t number);
  // Those made or adopted, and those dropped, since the last call: whose prefixes are told apart now, or no
  // longer.
  std::vector<std::shared_ptr<const policy::RuleSet>> TakeInstalled() {
    return std::exchange(installed_, {});
  }
  std::vector<std::shared_ptr<const policy::RuleSet>> TakeDropped() { return std::exchange(dropped_, {}); }
  bool has_dropped() const { return !dropped_.empty(); }

  const Cookies& cookies() const { return cookies_; }
  const Counters& counters() const { return counters_; }
  const SelectorCache& selectors() const { return selectors_; }
  size_t size() const { return live_.size(); }

 private:
  struct Class {
    std::string key;
    size_t peers = 0;
  };
  struct Live {
    std::string share_key;
    std::shared_ptr<const policy::RuleSet> rules;
    int users = 0;
    std::vector<uint32_t> cookies;                   // by rule index
    std::vector<SelectorCache::Selector> selectors;  // parallel to the rule set's
    absl::flat_hash_map<std::string, uint32_t> class_ids;
    absl::flat_hash_map<uint32_t, Class> classes;  // without class 0
    uint32_t next_class = 1;
  };

  // Entries that another run of the agent left in the kernel.
  struct Left {
    std::vector<std::pair<policy_verdict_key, policy_verdict_value>> verdicts;
    std::vector<std::pair<uint32_t, uint32_t>> classes;  // identity, class
  };
  // A peer that may have a class in a rule set, and which of the rule set's selectors match it.
  using Member =
      std::function<void(uint32_t identity, const Peer& peer, const std::vector<uint32_t>& matched)>;

  static std::string ShareKey(const policy::RuleSet& rules);
  void AcquireSelectors(uint32_t number, Live* live);
  void ReleaseSelectors(uint32_t number, const Live& live);
  const Left& LeftOf(uint32_t number);
  // The rest of Adopt.
  bool Recognize(uint32_t number, Live* recognized, const RevisionOf& revision_of);
  void EachMember(const Live& live, const Member& visit) const;
  // `class_key`: as the rule set says; "": none.
  void Classify(uint32_t number, Live* live, uint32_t identity, const std::string& class_key);
  void LeaveClass(uint32_t number, Live* live, uint32_t class_id);
  // Wants (or no longer wants) the verdicts of a class.
  void WantVerdicts(uint32_t number, const Live& live, uint32_t class_id, const std::string& class_key,
                    bool want);
  policy_verdict_value VerdictValue(const Live& live, const policy::VerdictEntry& entry) const;
  Live Make(std::shared_ptr<const policy::RuleSet> rules);
  void Install(uint32_t number, Live live);

  KernelMaps* const maps_;
  const Peers* const peers_;
  const Fresh fresh_;
  Cookies cookies_;
  absl::flat_hash_map<uint32_t, Live> live_;
  absl::flat_hash_map<std::string, uint32_t> by_share_key_;
  SelectorCache selectors_;
  policy::SortedNumbers judging_everyone_;  // rule sets in which any identity with named ports has a class
  std::vector<std::shared_ptr<const policy::RuleSet>> installed_;
  std::vector<std::shared_ptr<const policy::RuleSet>> dropped_;
  std::optional<absl::flat_hash_map<uint32_t, Left>> left_;  // by rule set, once somebody asks for it
  Counters counters_;
};

}  // namespace trivium
