// Brings the kernel's maps from what they hold to what is wanted, in the order that keeps every packet's
// verdict one that either the old state or the new one gives (DESIGN: Datapath, order of writing). Not
// thread-safe.
//
// One Flush, in this order:
//   1. what closes: addresses, tunnel ends, identities and endpoints that are gone; pod networks as unknown
//   2. verdicts, then classes of rule sets, of those that are in force and of those about to be
//   3. CIDR identities: known, then their prefixes
//   4. endpoints, then the swap of their policy, by one update each; no swap while something of 1 is
//      not done, which the new policy may judge as neither state does
//   5. identities of the mesh become known, then addresses lead to them
//   6. prefixes and CIDR identities no longer used go, then entries of rule sets out of force since `grace`
// A key whose write fails stays pending; what depends on it waits with it, everything else goes on.
//
// Room: a rule set that is not in force yet is written whole or not at all, so that one that is too large
// takes nobody's place. What grows by itself, with the mesh's identities, leaves a part of `known` and of the
// policy maps free: for reserved identities, and for new rule sets.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "nodeagent/compile/rule_set_table.h"
#include "nodeagent/reconcile/kernel_maps.h"
#include "nodeagent/reconcile/map_writer.h"

namespace trivium {

struct FlushReport {
  // All that is wanted stands in the maps (leftovers of rule sets on their way out aside).
  bool complete = true;
  std::vector<MapProblem> problems;
  // Numbers of clusters whose objects are not wholly in the maps; the mesh's own is 0.
  absl::flat_hash_set<uint32_t> behind;
  size_t updates = 0;
  size_t deletes = 0;
  // When there is something to delete once its grace has passed (Clock::Monotonic).
  std::optional<absl::Duration> next_deadline;
};

class Reconciler {
 public:
  struct Options {
    uint32_t own_cluster = 0;
    uint32_t space = 0;  // of CIDR prefixes
    // Longer than any packet stays inside a program that has read the old rule set's number.
    absl::Duration grace = absl::Milliseconds(500);
  };

  // Nothing is owned.
  Reconciler(Options options, KernelMaps* maps, RuleSetTable* rule_sets, const Peers* peers);

  FlushReport Flush(MapIo* io, absl::Duration now);
  // Only what concerns this node's endpoints and closes or is closed: entries of new endpoints as
  // unregistered, and the removal of those named. For an agent that must not touch remote state yet.
  FlushReport FlushClosed(MapIo* io, const absl::flat_hash_set<uint32_t>& removed_endpoints);

  // An identity's number got another meaning: it must leave `known` before anything else is written.
  void Rekey(uint32_t identity) { rekeyed_.insert(identity); }
  // Rule sets that some endpoint is judged by now.
  bool InForce(uint32_t rule_set) const { return in_force_.contains(rule_set); }
  // No rule set in force is one that another run of the agent left there.
  bool NothingForeign() const;
  // Why the rule set was not written at the last flush; OK if it was.
  absl::Status RefusalOf(uint32_t rule_set) const;
  // To be called after KernelMaps::ReadAll.
  void Adopted();

 private:
  // False: not all of it could be written.
  bool Close(MapWriter* writer);
  // Decides which of the rule sets that are not in force fit.
  void Admit(const MapIo& io, MapWriter* writer);
  void WriteRuleSets(const MapIo& io, MapWriter* writer);
  void WriteCidrIdentities(const MapIo& io, MapWriter* writer);
  void SwapPolicies(MapWriter* writer, bool closed);
  void WriteRemote(const MapIo& io, MapWriter* writer);
  void RemoveUnused(MapWriter* writer, absl::Duration now, FlushReport* report);
  void DeleteClasses(MapWriter* writer);
  // Identities that some rule set in force has no right entry for yet.
  absl::flat_hash_set<uint32_t> Unclassified() const;
  void RefreshInForce(absl::Duration now);
  bool GracePassed(uint32_t rule_set, absl::Duration now) const;
  void FindBehind(FlushReport* report) const;
  uint32_t ClusterOf(uint32_t identity) const;

  const Options options_;
  KernelMaps* const maps_;
  RuleSetTable* const rule_sets_;
  const Peers* const peers_;
  absl::flat_hash_set<uint32_t> in_force_;
  absl::flat_hash_map<uint32_t, absl::Duration> left_;  // rule sets that went out of force, and when
  absl::flat_hash_set<uint32_t> rekeyed_;
  std::map<uint32_t, absl::Status> refused_;  // rule sets that did not fit
};

}  // namespace trivium
