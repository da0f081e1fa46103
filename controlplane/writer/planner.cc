#include "controlplane/writer/planner.h"

#include <utility>

#include "base/status.h"
#include "controlplane/writer/plan_endpoint.h"
#include "controlplane/writer/plan_manifest.h"
#include "controlplane/writer/plan_node.h"

namespace trivium {

Planner::Planner(PlannerConfig config, const Mirror* mesh, Random* random)
    : config_(std::move(config)), mesh_(mesh), random_(random) {}

absl::StatusOr<Planned> Planner::Plan(const v1::Request& request, const Caller& caller, Draft* draft) const {
  const PlanContext context{config_, *mesh_, random_, caller, draft};
  absl::StatusOr<Planned> planned = PlanAtomically(caller, draft, [&]() -> absl::StatusOr<Planned> {
    switch (request.verb_case()) {
      case v1::Request::kApply:
        return PlanApply(context, request.apply());
      case v1::Request::kDelete:
        return PlanDelete(context, request.delete_());
      case v1::Request::kRegisterNode:
        return PlanRegisterNode(context, request.register_node());
      case v1::Request::kAddEndpoint:
        return PlanAddEndpoint(context, request.add_endpoint());
      case v1::Request::kRemoveEndpoint:
        return PlanRemoveEndpoint(context, request.remove_endpoint());
      case v1::Request::kChangeEndpoints:
        return PlanChangeEndpoints(context, request.change_endpoints());
      default:
        return absl::InvalidArgumentError("this request writes nothing");
    }
  });
  if (planned.ok() && request.apply().dry_run()) {
    draft->RollBack();
    planned->manifests.clear();
    planned->audit.clear();
  }
  return planned;
}

absl::StatusOr<Planned> Planner::PlanMoveEndpoints(const std::string& ns, const Caller& caller,
                                                   Draft* draft) const {
  const PlanContext context{config_, *mesh_, random_, caller, draft};
  return PlanAtomically(caller, draft, [&]() -> absl::StatusOr<Planned> {
    const v1::Object* object = draft->Find(v1::KIND_NAMESPACE, ns);
    if (object == nullptr) return Planned();
    const v1::Namespace present = object->namespace_();
    TRIVIUM_RETURN_IF_ERROR(ReidentifyNamespace(context, present, draft->size() + kMovesInOnePiece));
    return Planned();
  });
}

}  // namespace trivium
