#include "controlplane/identity/namespace_mover.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace trivium {
namespace {

constexpr absl::Duration kAfterFailure = absl::Seconds(1);

}  // namespace

NamespaceMover::NamespaceMover(ClusterMirror* own, const Planner* planner, Executor* executor,
                               std::function<bool()> commits, Submit submit)
    : own_(own),
      planner_(planner),
      executor_(executor),
      commits_(std::move(commits)),
      submit_(std::move(submit)) {
  own_->Observe([this, alive = alive_.Watch()](const Batch* batch) {
    if (!alive.expired()) Note(batch);
  });
}

void NamespaceMover::Start() {
  started_ = true;
  StepSoon();
}

void NamespaceMover::Note(const Batch* batch) {
  if (batch == nullptr) {
    for (const auto& [name, stored] : own_->mirror().All(v1::KIND_NAMESPACE)) unsettled_.insert(name);
  } else {
    for (const v1::Change& change : batch->changes.changes()) {
      if (change.op() == v1::Change::UPSERT && change.object().has_namespace_()) {
        unsettled_.insert(change.object().namespace_().name());
      }
    }
  }
  if (!unsettled_.empty()) StepSoon();
}

void NamespaceMover::StepSoon() {
  if (!started_ || std::exchange(stepping_, true)) return;
  executor_->Post([this, alive = alive_.Watch()] {
    if (!alive.expired()) Step();
  });
}

bool NamespaceMover::Stale(const std::string& ns) const {
  Draft draft(&own_->mirror(), own_->index(), own_->position().revision + 1);
  Caller nobody;
  const absl::StatusOr<Planned> planned = planner_->PlanMoveEndpoints(ns, nobody, &draft);
  return !planned.ok() || !draft.empty();
}

// Another instance is to write: each of its batches is looked at, and after a while whether it is this one's
// turn.
void NamespaceMover::LookAgainLater() {
  if (std::exchange(looking_, true)) return;
  executor_->PostAfter(kAfterFailure, [this, alive = alive_.Watch()] {
    if (alive.expired()) return;
    looking_ = false;
    StepSoon();
  });
}

void NamespaceMover::Step() {
  stepping_ = false;
  while (!unsettled_.empty() && !Stale(*unsettled_.begin())) unsettled_.erase(unsettled_.begin());
  if (unsettled_.empty()) return;
  if (!commits_()) return LookAgainLater();
  stepping_ = true;
  const std::string ns = *unsettled_.begin();
  submit_(
      [this, alive = alive_.Watch(), ns](const Caller& caller, Draft* draft) -> absl::StatusOr<Planned> {
        if (alive.expired()) return Planned();
        return planner_->PlanMoveEndpoints(ns, caller, draft);
      },
      [this, alive = alive_.Watch(), ns](const v1::Reply& reply) {
        if (alive.expired()) return;
        // Later: this may be called while the writer plans.
        if (reply.code() == 0) {
          stepping_ = false;
          return StepSoon();
        }
        spdlog::warn("cannot move endpoints to new identities namespace={} error=\"{}\"", ns,
                     reply.message());
        executor_->PostAfter(kAfterFailure, [this, alive] {
          if (!alive.expired()) Step();
        });
      });
}

}  // namespace trivium
