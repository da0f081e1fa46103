// One cluster of one node, two namespaces, three pods and a policy of each kind, made once by the product's
// planner; what fuzz targets lay their inputs over. One thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "controlplane/writer/planner.h"
#include "nodeagent/desired/pipeline.h"
#include "replica/replica.h"

namespace trivium::fuzz {

class SmallMesh {
 public:
  static constexpr char kCluster[] = "c1";
  static constexpr char kNode[] = "n1";
  static constexpr uint32_t kClusterId = 1;

  static SmallMesh& Get();

  // At the last revision; a copy is the caller's to change.
  const Replica& replica() const { return replica_; }
  const Planner& planner() const { return planner_; }
  Draft NewDraft(uint64_t revision) { return Draft(&replica_.mirror(), &index_, revision); }

  Pipeline::Options pipeline_options() const;
  // Everything that the mesh holds, and its pods as the node's own.
  void Tell(Pipeline* pipeline) const;

 private:
  class Count final : public Random {
   public:
    uint64_t Next() override { return ++count_; }

   private:
    uint64_t count_ = 0;
  };

  SmallMesh();
  void Lease();
  void Ask(const char* role, const v1::Request& request);
  void AddPod(char number, const std::string& ns, const std::string& name);

  Count random_;
  Mirror mesh_;
  ClusterIndex mesh_index_;
  Replica replica_{kCluster};
  ClusterIndex index_;
  Planner planner_{PlannerConfig{kCluster, kClusterId, 0, {}}, &mesh_, &random_};
};

}  // namespace trivium::fuzz
