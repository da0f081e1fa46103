// What people write: apply and delete. Part of the planner (planner.h).
#pragma once

#include "absl/status/statusor.h"
#include "controlplane/writer/plan.h"

namespace trivium {

inline constexpr char kDefaultNamespace[] = "default";

// Policies and namespaces, all of them or none. Namespaces of the request count for its policies, whatever
// their order.
absl::StatusOr<Planned> PlanApply(const PlanContext& context, const v1::ApplyRequest& request);

// A policy, a namespace with all that is in it, a node with its endpoints. kNotFound if there is none.
absl::StatusOr<Planned> PlanDelete(const PlanContext& context, const v1::DeleteRequest& request);

// The namespace that is always there.
absl::StatusOr<Planned> PlanDefaultNamespace(const PlanContext& context);

}  // namespace trivium
