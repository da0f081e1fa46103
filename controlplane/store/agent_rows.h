// Agents' reports as one pipeline. Pure.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/db/connection.h"
#include "controlplane/store/store.h"

namespace trivium {

// Of several reports of one node the newest is written. kInvalidArgument for a report without a node's name.
absl::StatusOr<Pipeline> PlanAgents(const ClusterRef& cluster, const std::vector<v1::AgentStatus>& agents);

}  // namespace trivium
