// What this cluster sees of others' lives: its own nodes by their agents' reports, other clusters by their
// control planes' beacons. Transitions alone are committed, as objects of this cluster (docs/liveness.md).
// Of the cluster's instances the one that holds its writer lease writes; the others watch as well, and take
// over with the lease. Belongs to one executor; not thread-safe.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/executor.h"
#include "controlplane/liveness/detector.h"
#include "controlplane/sync/cluster_mirror.h"
#include "controlplane/writer/plan.h"
#include "controlplane/writer/writer.h"
#include "trivium/v1/feed.pb.h"
#include "trivium/v1/status.pb.h"

namespace trivium {

// One thing that is observed: a node, or with an empty node a whole cluster.
struct Observed {
  std::string cluster;
  std::string node;
  bool alive = true;
};

// Writes those that are not said already; of what was never down, nothing is said. Nodes that are gone are
// left out.
void PlanLiveness(const PlannerConfig& config, const std::vector<Observed>& seen, Random* random,
                  Draft* draft);

class LivenessObserver {
 public:
  using Plan = std::function<absl::StatusOr<Planned>(const Caller&, Draft*)>;
  using Submit = std::function<void(Plan plan, Writer::Answer answer)>;
  struct Counters {
    uint64_t transitions = 0;
    uint64_t writes = 0;
  };

  // `own` has an index. `commits`: whether this instance is to write. No pointer is owned.
  LivenessObserver(const PlannerConfig& config, ClusterMirror* own, Executor* executor, const Clock* clock,
                   Random* random, LivenessDetector::Options options, std::function<bool()> commits,
                   Submit submit);
  LivenessObserver(const LivenessObserver&) = delete;
  LivenessObserver& operator=(const LivenessObserver&) = delete;

  void Start();
  // A node of the own cluster has reported.
  void OnReport(const v1::AgentStatus& status);
  // Somebody's beacon, as it came over the bus.
  void OnBeacon(const v1::Heads& heads);
  // Whether the bus is there: without it nothing can be heard.
  void OnBus(bool connected);

  bool is_writer() const { return is_writer_; }
  const LivenessDetector& detector() const { return detector_; }
  const Counters& counters() const { return counters_; }

 private:
  void OnMirror(const Batch* batch);
  void WatchNode(const std::string& node);
  // As this cluster's log says; true if it says nothing.
  bool Said(const std::string& key) const;
  void ChooseWriter();
  void Tick();
  void Write();

  const PlannerConfig config_;
  ClusterMirror* const own_;
  Executor* const executor_;
  const Clock* const clock_;
  Random* const random_;
  const LivenessDetector::Options options_;
  const std::function<bool()> commits_;
  const Submit submit_;
  LivenessDetector detector_;        // names are the objects' keys, "cluster/node"
  std::set<std::string> changed_;    // names that were ever down
  std::set<std::string> unwritten_;  // names that may have to be written
  bool is_writer_ = false;
  bool writing_ = false;
  bool started_ = false;
  Counters counters_;
  Alive alive_;
};

}  // namespace trivium
