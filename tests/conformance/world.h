// The mesh of a case, as its control planes would hold it: every action goes through the product's planner,
// so that what is refused and what becomes an object is decided by the code that users meet. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/random.h"
#include "controlplane/writer/planner.h"
#include "replica/mirror.h"
#include "tests/conformance/case.h"

namespace trivium::conformance {

using ObjectPtr = std::shared_ptr<const v1::Object>;

// One end of a probe as it stands now.
struct Host {
  std::string cluster;  // empty: outside
  Id128 uid;
  std::vector<std::string> ips;

  bool external() const { return cluster.empty(); }
  // The first address of the family (4 or 6), empty if there is none.
  std::string Ip(int family) const;
};

// Repeatable: uids are counted.
class CountingRandom final : public Random {
 public:
  uint64_t Next() override { return ++count_; }

 private:
  uint64_t count_ = 0;
};

class World {
 public:
  // Every change of every log, in order; cluster 0 is the mesh's own. `before` and `after` as in a commit.
  using Listener = std::function<void(uint32_t cluster, v1::Kind kind, const std::string& key,
                                      ObjectPtr before, ObjectPtr after, uint64_t revision)>;

  explicit World(Listener listener) : listener_(std::move(listener)) {}

  // Clusters, nodes, namespaces and pods of the case.
  absl::Status Start(const Case& c);
  // One action; an error means that it was refused and changed nothing.
  absl::Status Do(const Action& action);

  // Null if there is no such host at this moment.
  const Host* Find(const std::string& ref) const;
  const Mirror& mirror(const std::string& cluster) const { return clusters_.at(cluster)->mirror; }
  uint32_t ClusterId(const std::string& cluster) const { return clusters_.at(cluster)->id; }
  std::vector<std::string> clusters() const;

 private:
  struct State {
    std::string name;
    uint32_t id = 0;
    Mirror mirror;
    ClusterIndex index;
    uint64_t revision = 0;
    std::unique_ptr<Planner> planner;
    std::map<std::string, Pod> pods;  // by namespace/name
  };
  using PlanFunction = std::function<absl::StatusOr<Planned>(const Caller& caller, Draft* draft)>;

  absl::Status Commit(State* state, const Principal& principal, const PlanFunction& plan);
  absl::Status Ask(State* state, const v1::Request& request);
  absl::Status AddPod(State* state, const Pod& pod, const Id128& uid);
  absl::Status RegisterNode(State* state, const std::string& node);
  absl::Status ApplyNamespace(State* state, const std::string& name, const Labels& labels);

  Listener listener_;
  CountingRandom random_;
  State mesh_;
  std::map<std::string, std::unique_ptr<State>> clusters_;
  std::map<std::string, Host> hosts_;
};

}  // namespace trivium::conformance
