// What control planes write into the mesh's own log: regions, clusters, identity blocks. Pure; used like
// Planner::Plan, on a draft of the mesh pseudo-cluster.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/writer/plan.h"

namespace trivium {

struct ClusterRegistration {
  std::string region;
  uint32_t home = 0;
  std::string cluster;
  uint32_t cluster_id = 0;
  uint32_t address_space = 0;
  std::vector<v1::Cidr> pod_cidrs;
};

// Puts the cluster and its region there, or confirms that they are. kFailedPrecondition, naming both sides,
// when the name or number means another cluster or region, or a pod CIDR overlaps another cluster's in the
// same address space. A pod CIDR list that grows or shrinks is taken over.
absl::StatusOr<Planned> PlanRegisterCluster(const ClusterRegistration& wanted, const Caller& caller,
                                            Random* random, Draft* draft);

// Gives the cluster one more block of identity numbers, unless it already has `enough` blocks.
absl::StatusOr<Planned> PlanLeaseBlock(uint32_t cluster_id, size_t enough, const Caller& caller,
                                       Random* random, Draft* draft);

}  // namespace trivium
