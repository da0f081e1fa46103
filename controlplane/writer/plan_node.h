// Nodes: registration and deletion. Part of the planner (planner.h).
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/writer/plan.h"

namespace trivium {

// A node registers itself. The same once more changes nothing; another boot, address or CIDR configures it.
absl::StatusOr<Planned> PlanRegisterNode(const PlanContext& context, const v1::RegisterNodeRequest& request);

// The node with its endpoints. kNotFound if there is none.
absl::Status DeleteNode(const PlanContext& context, const std::string& name);

}  // namespace trivium
