// Endpoints: what adds, removes and re-identifies them. Part of the planner (planner.h); every function adds
// to the context's draft and leaves the roll-back of a refused request to its caller.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/writer/plan.h"

namespace trivium {

absl::StatusOr<Planned> PlanAddEndpoint(const PlanContext& context, const v1::AddEndpointRequest& request);

// Removing what is not there is done already.
absl::StatusOr<Planned> PlanRemoveEndpoint(const PlanContext& context,
                                           const v1::RemoveEndpointRequest& request);

// Gives the endpoints of `ns` the identities that follow from its present labels.
absl::Status ReidentifyNamespace(const PlanContext& context, const v1::Namespace& ns);

}  // namespace trivium
