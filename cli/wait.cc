#include <algorithm>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/text.h"

namespace trivium::cli {
namespace {

absl::StatusOr<v1::Head> HeadOf(Client* client, absl::Duration timeout) {
  v1::Request request;
  request.mutable_status();
  TRIVIUM_ASSIGN_OR_RETURN(const v1::Reply reply, client->Call(std::move(request), timeout));
  for (const v1::ClusterStatus& status : reply.status().clusters()) {
    if (status.head().cluster() == client->cluster()) return status.head();
  }
  return absl::InternalError(
      absl::StrCat("the control plane says nothing of its own cluster ", client->cluster()));
}

std::string LaggardText(const v1::Laggard& laggard, uint64_t revision, absl::Time now, const Style& style) {
  if (!laggard.reason().empty()) {
    return absl::StrCat("  ", laggard.node(), ": ", style.Bad("not enforced"), ": ", laggard.reason(), "\n");
  }
  const std::string seen =
      laggard.last_seen_ms() == 0
          ? "never heard of"
          : absl::StrCat("last heard of ", AgeText(now - absl::FromUnixMillis(laggard.last_seen_ms())),
                         " ago");
  return absl::StrCat("  ", laggard.node(), ": ", style.Warn("late"), ": enforces revision ",
                      laggard.revision(), " of ", revision, ", ", seen, "\n");
}

}  // namespace

absl::StatusOr<int> WaitEnforced(Session* session, Client* client, uint64_t epoch, uint64_t revision,
                                 absl::Duration timeout) {
  if (revision == 0) {
    TRIVIUM_ASSIGN_OR_RETURN(const v1::Head head, HeadOf(client, timeout));
    epoch = head.epoch();
    revision = head.revision();
  }
  v1::Request request;
  request.mutable_wait()->set_epoch(epoch);
  request.mutable_wait()->set_revision(revision);
  absl::StatusOr<v1::Reply> reply = client->Call(std::move(request), timeout);
  TRIVIUM_RETURN_IF_ERROR(Annotate(reply.status(), "written, but waiting for it failed"));
  const v1::WaitResult& result = reply->wait();
  if (result.done()) {
    *session->out << session->style.Good("enforced") << " on all " << result.nodes() << " nodes of "
                  << client->cluster() << " (revision " << revision << ")\n";
    return kExitOk;
  }
  const bool broken = std::any_of(result.laggards().begin(), result.laggards().end(),
                                  [](const v1::Laggard& laggard) { return !laggard.reason().empty(); });
  *session->err << session->style.Bad("error") << ": written as revision " << revision << ", but "
                << result.laggards_size() << " of " << result.nodes() << " nodes of " << client->cluster()
                << " do not enforce it after " << absl::FormatDuration(timeout) << ":\n";
  for (const v1::Laggard& laggard : result.laggards()) {
    *session->err << LaggardText(laggard, revision, session->clock->Now(), session->style);
  }
  *session->err << "hint: `triviumctl status` shows how far each agent is; the change itself stands\n";
  return broken ? kExitRefused : kExitTimedOut;
}

}  // namespace trivium::cli
