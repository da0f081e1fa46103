// The rule sets that stand, or shall stand, in the kernel: shared by meaning, each under a number of its own,
// and kept in step with the peers they judge. Writes desired entries of policy_class and policy_verdict. Not
// thread-safe.
//
// Incremental by construction: a new peer costs one classification per rule set, and one entry in each that
// selects it; only a class not seen before in that rule set costs its verdicts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "nodeagent/compile/cookies.h"
#include "nodeagent/compile/peers.h"
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

  // A peer was added to the table of peers, or changed what it is.
  void PeerChanged(uint32_t identity);
  // A peer was removed from it.
  void PeerRemoved(uint32_t identity);

  bool IsLive(uint32_t number) const { return live_.contains(number); }
  // Null if it is not live.
  const policy::RuleSet* Find(uint32_t number) const;
  // Every prefix that some live rule set tells apart; may hold repetitions.
  std::vector<v1::Cidr> Prefixes() const;
  // Without users: to be dropped once no endpoint is judged by it any more.
  std::vector<uint32_t> Unused() const;
  // Its entries are no longer wanted. It must have no users.
  void Drop(uint32_t number);

  const Cookies& cookies() const { return cookies_; }
  const Counters& counters() const { return counters_; }
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
    std::vector<uint32_t> cookies;  // by rule index
    absl::flat_hash_map<std::string, uint32_t> class_ids;
    absl::flat_hash_map<uint32_t, Class> classes;  // without class 0
    uint32_t next_class = 1;
  };

  static std::string ShareKey(const policy::RuleSet& rules);
  void AddPeer(uint32_t number, Live* live, uint32_t identity, const Peer& peer);
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
  Counters counters_;
};

}  // namespace trivium
