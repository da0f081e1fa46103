#include "controlplane/api/waiter.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controlplane/writer/writer.h"

namespace trivium {
namespace {

// Why an agent that has heard of the change does not enforce it.
std::string ReasonOf(const v1::AgentStatus& status, const v1::AppliedCluster& applied) {
  if (applied.problem().empty() || status.not_enforced().empty()) return applied.problem();
  const v1::NotEnforcedPolicy& first = status.not_enforced(0);
  std::string reason =
      absl::StrCat(first.kind(), " ", first.namespace_(), first.namespace_().empty() ? "" : "/", first.name(),
                   ": ", first.reason());
  const uint32_t more = status.not_enforced_total() - std::min(status.not_enforced_total(), 1u);
  if (more > 0) absl::StrAppend(&reason, " (and ", more, " more)");
  return reason;
}

}  // namespace

Waiter::Waiter(ClusterMirror* mirror, AgentTable* agents, Executor* executor, std::function<bool()> settled)
    : mirror_(mirror), agents_(agents), executor_(executor), settled_(std::move(settled)) {
  agents_->Observe([this, alive = alive_.Watch()](const v1::AgentStatus&) {
    if (!alive.expired()) Check();
  });
  mirror_->Observe([this, alive = alive_.Watch()](const Batch*) {
    if (!alive.expired()) Check();
  });
}

v1::Reply Waiter::Judge(const v1::WaitRequest& request) const {
  const Position& at = mirror_->position();
  v1::Reply reply;
  if (request.epoch() < at.epoch) {
    return ErrorReply(absl::FailedPreconditionError(
        absl::StrCat("revision ", request.revision(), " is of epoch ", request.epoch(),
                     ", which ended when the database was restored (now ", at.epoch,
                     "): look whether your change is still there, and apply it again if not")));
  }
  reply.set_epoch(at.epoch);
  reply.set_revision(at.revision);
  v1::WaitResult* result = reply.mutable_wait();
  for (const auto& [name, stored] : mirror_->mirror().All(v1::KIND_NODE)) {
    result->set_nodes(result->nodes() + 1);
    v1::Laggard laggard;
    laggard.set_node(name);
    if (const AgentTable::Entry* entry = agents_->Find(name)) {
      laggard.set_last_seen_ms(entry->seen_ms);
      for (const v1::AppliedCluster& applied : entry->status.applied()) {
        if (applied.cluster() != mirror_->ref().name || applied.epoch() != request.epoch()) continue;
        laggard.set_revision(applied.enforced());
        if (applied.received() >= request.revision()) laggard.set_reason(ReasonOf(entry->status, applied));
      }
    }
    if (laggard.revision() < request.revision()) *result->add_laggards() = std::move(laggard);
  }
  // A revision that this mirror has not seen yet may register further nodes.
  const bool known = request.epoch() == at.epoch && request.revision() <= at.revision;
  result->set_done(known && settled_() && result->laggards().empty());
  return reply;
}

void Waiter::Extend(v1::WaitRequest* request) const {
  const Position& at = mirror_->position();
  if (settled_() || request->epoch() != at.epoch || request->revision() > at.revision) return;
  request->set_revision(at.revision);
}

void Waiter::Wait(const v1::WaitRequest& wanted, absl::Duration timeout, Answer answer) {
  v1::WaitRequest request = wanted;
  Extend(&request);
  const v1::Reply now = Judge(request);
  if (now.code() != 0 || now.wait().done()) return answer(now);
  const auto it = waits_.insert(waits_.end(), One{request, Executor::kNoTimer, std::move(answer)});
  it->timer = executor_->PostAfter(timeout, [this, alive = alive_.Watch(), it] {
    if (alive.expired()) return;
    One one = std::move(*it);
    waits_.erase(it);
    one.answer(Judge(one.request));
  });
}

void Waiter::Check() {
  for (auto it = waits_.begin(); it != waits_.end();) {
    Extend(&it->request);
    const v1::Reply reply = Judge(it->request);
    if (reply.code() == 0 && !reply.wait().done()) {
      ++it;
      continue;
    }
    One one = std::move(*it);
    it = waits_.erase(it);
    executor_->Cancel(one.timer);
    one.answer(reply);
  }
}

void Waiter::Drain() {
  for (One& one : std::exchange(waits_, {})) {
    executor_->Cancel(one.timer);
    one.answer(Judge(one.request));
  }
}

}  // namespace trivium
