// Who may talk to whom, by the policies of one cluster: for each of its identities and both directions, what
// they say of every identity of the mesh, of the reserved ones and of the prefixes that they name. Goes from
// one state of the mesh to the next in small steps, and works out again only what a difference between the
// two can touch. Pure; not thread-safe.
//
// Use: Begin, then Step until it says that all is done, then NextWrite until there is none; then the next
// Begin.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/reachability/verdict_table.h"
#include "controlplane/reachability/world.h"
#include "controlplane/store/reachability.h"
#include "policy/cidr_groups.h"

namespace trivium {

class ReachabilityTable {
 public:
  struct Counters {
    uint64_t built = 0;   // rule sets of an identity, both directions at once
    uint64_t judged = 0;  // peers by a rule set
  };

  // Towards that state. `whole`: from nothing, so that everything is written anew.
  void Begin(ReachabilityWorld world, bool whole);
  // A part of the work that costs about so many judgements of one peer. True once all is done.
  bool Step(size_t judgements);

  const ReachabilityWorld& world() const { return world_; }
  // All rows as they are then.
  uint64_t rows() const { return rows_; }
  // A lower bound of what `world` has, known before any work.
  static uint64_t LeastRows(const ReachabilityWorld& world);
  // The next part of what is to be written, of about so many rows; `state` is the caller's to fill.
  std::optional<ReachabilityWrite> NextWrite(size_t rows);
  const Counters& counters() const { return counters_; }

 private:
  struct Subject {
    std::array<VerdictTable*, 2> tables = {nullptr, nullptr};
    std::vector<SelectionRow> selections;
  };
  // A table, and those of whom it is to be asked (again).
  struct Judging {
    VerdictTable* table = nullptr;
    const std::vector<uint32_t>* peers = nullptr;
    size_t next = 0;
  };

  void Build(uint32_t id);
  VerdictTable* Hold(std::shared_ptr<const policy::RuleSet> rules);
  void Release(const Subject& subject);
  void PlanJudging();
  void PlanWrites();
  void AppendRowsAbout(uint32_t identity, const Subject& subject, uint32_t peer,
                       std::vector<ReachabilityRow>* rows) const;

  ReachabilityWorld world_;
  policy::CidrGroups groups_;
  std::map<std::string, std::unique_ptr<VerdictTable>> tables_;  // by the rule set's key
  std::map<uint32_t, Subject> subjects_;
  uint64_t rows_ = 0;
  Counters counters_;

  // Of the present run.
  bool whole_ = true;
  std::vector<uint32_t> to_build_;
  size_t next_build_ = 0;
  bool planned_judging_ = false;
  std::vector<uint32_t> all_peers_;
  std::vector<uint32_t> changed_peers_;
  std::vector<Judging> judging_;
  size_t next_judging_ = 0;
  std::set<uint32_t> replaced_;  // identities whose rows are others, or gone
  std::vector<uint32_t> kept_;
  size_t next_kept_ = 0;
  bool only_written_ = false;
};

}  // namespace trivium
