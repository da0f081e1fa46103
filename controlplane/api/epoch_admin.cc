#include "controlplane/api/epoch_admin.h"

#include <spdlog/spdlog.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "controlplane/store/epoch_reply.h"
#include "controlplane/writer/writer.h"

namespace trivium {

EpochAdmin::EpochAdmin(Follower* follower, ClusterRef cluster, Store* store, Executor* executor,
                       const Clock* clock)
    : follower_(follower), cluster_(std::move(cluster)), store_(store), executor_(executor), clock_(clock) {}

void EpochAdmin::Bump(const v1::BumpEpochRequest& request, const Caller& caller, Answer answer) {
  if (absl::StripAsciiWhitespace(request.reason()).empty() || request.reason().size() > kMaxReason) {
    return answer(ErrorReply(absl::InvalidArgumentError(
        absl::StrCat("reason: say why, in at most ", kMaxReason, " bytes: it is kept for the audit"))));
  }
  auto shared = std::make_shared<Answer>(std::move(answer));
  store_->FindRequest(cluster_, caller.request_id, caller.principal.ToString(), executor_,
                      [this, alive = alive_.Watch(), reason = request.reason(), caller,
                       shared](const absl::StatusOr<std::optional<std::string>>& found) {
                        if (alive.expired()) return;
                        v1::Reply reply;
                        if (!found.ok()) return (*shared)(ErrorReply(found.status()));
                        if (found->has_value() && reply.ParseFromString(**found)) return (*shared)(reply);
                        Begin(reason, caller, std::move(*shared));
                      });
}

void EpochAdmin::Begin(const std::string& reason, const Caller& caller, Answer answer) {
  AuditRow why =
      EpochAudit(cluster_.name, caller.principal.ToString(), caller.source, reason, caller.time_us);
  why.request_id = caller.request_id;
  auto shared = std::make_shared<Answer>(std::move(answer));
  store_->BumpEpoch(
      cluster_, static_cast<uint64_t>(absl::ToUnixSeconds(clock_->Now())), why, executor_,
      [this, alive = alive_.Watch(), why, shared](const absl::StatusOr<NewEpoch>& epoch) {
        if (alive.expired()) return;
        if (!epoch.ok()) return (*shared)(ErrorReply(epoch.status()));
        spdlog::warn("began a new epoch cluster={} epoch={} revision={} actor={} reason=\"{}\"",
                     cluster_.name, epoch->after.epoch, epoch->after.revision, why.actor, why.manifest);
        const v1::Reply reply = EpochReply(cluster_.name, *epoch);
        follower_->CatchUp([alive, shared, reply](const absl::Status& status) {
          if (alive.expired()) return;
          // It stands, whether this instance has seen it yet or not: beacons tell.
          if (!status.ok()) {
            spdlog::warn("the new epoch is not read yet error=\"{}\"", std::string(status.message()));
          }
          (*shared)(reply);
        });
      });
}

}  // namespace trivium
