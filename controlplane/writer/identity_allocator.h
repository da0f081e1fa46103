// Numbers for identities, out of the blocks that the mesh log gives to a cluster. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/writer/plan.h"

namespace trivium {

inline constexpr uint32_t kFirstIdentity = 256;         // below are the reserved ones
inline constexpr uint32_t kIdentityLimit = 0x01000000;  // a VXLAN network identifier has 24 bits
inline constexpr uint32_t kIdentityBlockSize = 256;

// The number of the identity with these labels and ports: the existing one, or a new one added to the draft.
// Numbers ascend and are never handed out twice. kResourceExhausted if the cluster's blocks are used up.
absl::StatusOr<v1::Identity> FindOrAddIdentity(const PlanContext& context, std::vector<v1::Label> labels,
                                               std::vector<v1::NamedPort> named_ports);

// How many numbers the cluster can still hand out.
uint32_t FreeIdentities(const Mirror& mesh, uint32_t cluster_id, const ClusterIndex& index);

}  // namespace trivium
