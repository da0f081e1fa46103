// Watches one agent's maps: which states of the mesh they may stand for at each moment, and whether each
// verdict is one that such a state gives. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/history.h"
#include "tests/sim/site.h"
#include "tests/sim/verdicts.h"
#include "tests/sim/workload.h"

namespace trivium::sim {

class AgentWatch {
 public:
  AgentWatch(uint64_t seed, AgentSite* site, const Cni* cni, const History* history,
             const std::vector<AgentSite*>* nodes);

  // After each record that was written, and after each task. The text says what is wrong, if anything is.
  std::string OnMapWrite();
  std::string AfterTask();
  // The maps are empty again, or the process is.
  void OnPowerLoss();
  void OnStart() {}
  // Every flow, when the agent is in step: exactly what the policy says.
  std::string CheckAll();
  uint64_t flows() const { return flows_; }
  uint64_t writes() const { return writes_; }

 private:
  enum class Pinned { kEqual, kBehind, kAhead };  // of the mirrors
  Pinned Compare() const;
  // What the agent's mirrors hold now; false if the history does not know it.
  bool Now(Vector* now) const;
  std::string Check(const Flow& flow, const Vector* now);
  // What the maps may stand for: when they were last whole, since then, and `now` if it is given.
  std::vector<const Vector*> States(const Vector* now) const;
  bool Enforced(const std::string& ip) const;
  bool MixMayAllow(const Flow& flow, const Vector* now);
  bool Passes(const std::string& ip, const Vector* now);
  bool NewEpoch(const Vector* now) const;
  bool Forked(const Vector& now) const;
  // Its namespace or its node was deleted a moment ago: asked to relabel it then, the agent is refused, and
  // takes it back.
  bool HomelessLately(const LocalPod& pod) const;
  std::string Explain(const Flow& flow) const;
  Flow Draw();
  void FillRemotes();
  bool Open(const LocalPod& pod) const;
  bool IsUp(const std::string& ip) const;

  AgentSite* const site_;
  const Cni* const cni_;
  const History* const history_;
  const std::vector<AgentSite*>* const nodes_;
  SimRandom random_;
  Verdicts verdicts_;
  std::vector<std::string> remotes_;
  Vector base_{};              // what the maps stood for when they were last whole
  std::vector<Vector> since_;  // what was flushed, in part, since then
  bool wrote_ = false;         // in this task
  std::vector<Id128> opened_;  // pods that have had a policy in both directions
  uint64_t flows_ = 0;
  uint64_t writes_ = 0;
};

}  // namespace trivium::sim
