// Comparing how far two control planes are in the histories of all clusters. Pure.
#pragma once

#include <string>
#include <vector>

#include "controlplane/store/reachability.h"

namespace trivium {

// A cluster in whose history `mine` is behind `theirs`; empty if there is none. Clusters that only one of
// them knows do not count.
std::string BehindIn(const std::vector<ClusterPosition>& mine, const std::vector<ClusterPosition>& theirs);

}  // namespace trivium
