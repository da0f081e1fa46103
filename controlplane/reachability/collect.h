// The mirrors as reachability looks at them.
#pragma once

#include <vector>

#include "controlplane/reachability/world.h"
#include "controlplane/sync/mirrors.h"

namespace trivium {

// How far they are, `own` first. A cluster that is not loaded yet is at revision 0 of epoch 0.
std::vector<ClusterPosition> CollectPositions(const Mirrors& mirrors, const ClusterMirror& own);
// What they hold: pointers, nothing is copied.
ReachabilityWorld CollectWorld(const Mirrors& mirrors, const ClusterMirror& own);

}  // namespace trivium
