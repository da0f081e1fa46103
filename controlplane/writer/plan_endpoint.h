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

// All of it or nothing; an error names the item.
absl::StatusOr<Planned> PlanChangeEndpoints(const PlanContext& context,
                                            const v1::ChangeEndpointsRequest& request);

// How many changes the pieces hold in which a namespace's endpoints move to new identities, so that others'
// changes fit beside them.
inline constexpr size_t kMovesInOnePiece = 200;

// Gives endpoints of `ns` the identities that follow from its present labels, until the draft holds `changes`
// changes. What does not fit is left to the next piece: each endpoint has its old identity or its new one,
// and which one is right follows from its present one and the namespace alone.
absl::Status ReidentifyNamespace(const PlanContext& context, const v1::Namespace& ns, size_t changes);

}  // namespace trivium
