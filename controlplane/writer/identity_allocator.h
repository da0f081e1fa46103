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

// The number of the identity with these labels and ports: the existing one, the one that was retired and is
// not free yet, or a new one; the latter two are added to the draft. Numbers ascend; those that were retired
// and released come last. kResourceExhausted if the cluster's blocks are used up.
absl::StatusOr<v1::Identity> FindOrAddIdentity(const PlanContext& context, std::vector<v1::Label> labels,
                                               std::vector<v1::NamedPort> named_ports);

// Deletes those of `numbers` that no endpoint has. The highest of all stays, whatever its use: a control
// plane of an older version gives the number above the highest one that it sees, and must not meet one that
// nobody has confirmed.
void RetireIdentities(const std::vector<uint32_t>& numbers, Draft* draft);

// How many numbers the cluster can still hand out.
uint32_t FreeIdentities(const Mirror& mesh, uint32_t cluster_id, const ClusterIndex& index);

}  // namespace trivium
