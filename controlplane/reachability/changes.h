// From one state of the mesh to another: whose reachability is to be looked at again. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "controlplane/reachability/world.h"

namespace trivium {

// Identities in ascending order, each once.
struct ReachabilityChanges {
  std::vector<uint32_t> subjects;       // of the cluster: those that are new, or whose rules may be others
  std::vector<uint32_t> gone_subjects;  // no longer the cluster's
  std::vector<uint32_t> peers;          // new, of other labels or named ports, or gone
};

ReachabilityChanges ChangesBetween(const ReachabilityWorld& before, const ReachabilityWorld& after);

}  // namespace trivium
