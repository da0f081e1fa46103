// From requests to changes: the only place that decides whether a write is right, and what it changes. Pure:
// no I/O, no clock; the same for the control plane, the flow tests and the conformance runner. Not
// thread-safe.
//
//   Draft draft(&replica.mirror(), &index, replica.position().revision + 1);
//   absl::StatusOr<Planned> planned = planner.Plan(request, caller, &draft);
//   ... more requests ...
//   EncodeBatch(cluster, epoch, draft.revision(), prev, draft.DigestAfter(), draft.ToChanges());
//
// Rights that follow from the principal alone (which cluster, which role) are the API's business; those that
// depend on objects are judged here.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "base/random.h"
#include "controlplane/writer/draft.h"
#include "controlplane/writer/plan.h"
#include "replica/mirror.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class Planner {
 public:
  // `mesh` is the mirror of the mesh pseudo-cluster. Neither pointer is owned.
  Planner(PlannerConfig config, const Mirror* mesh, Random* random);

  // Adds the request's changes to the draft; or leaves the draft as it was and says what is wrong, where, and
  // what to do; or leaves it and answers Planned::deferred. A request that changes nothing is fine: its reply
  // says so. Verbs: apply, delete, register_node, add_endpoint, remove_endpoint.
  absl::StatusOr<Planned> Plan(const v1::Request& request, const Caller& caller, Draft* draft) const;

  // One more piece of a relabelled namespace's endpoints, as a request of its own. Changes nothing once all
  // of them have the identities that follow from its labels.
  absl::StatusOr<Planned> PlanMoveEndpoints(const std::string& ns, const Caller& caller, Draft* draft) const;

  const PlannerConfig& config() const { return config_; }

 private:
  const PlannerConfig config_;
  const Mirror* const mesh_;
  Random* const random_;
};

// Runs one planning function on the draft as a request of `caller`: Begin, plan, and RollBack unless it fits
// and is accepted. What Planner::Plan and the mesh's own requests share.
template <typename Function>
absl::StatusOr<Planned> PlanAtomically(const Caller& caller, Draft* draft, Function plan) {
  draft->Begin(caller);
  absl::StatusOr<Planned> planned = plan();
  if (!planned.ok()) {
    draft->RollBack();
    return planned;
  }
  if (draft->fits()) return planned;
  const std::string problem = draft->problem();
  draft->RollBack();
  if (draft->empty()) return absl::InvalidArgumentError(problem);
  Planned deferred;
  deferred.deferred = true;
  return deferred;
}

}  // namespace trivium
