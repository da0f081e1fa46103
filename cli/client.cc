#include "cli/client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/backoff.h"
#include "base/status.h"
#include "cli/version.h"
#include "schema/subjects.h"

namespace trivium::cli {
namespace {

// A lost answer is noticed after this long at most, and asked for again.
constexpr absl::Duration kAttempt = absl::Seconds(3);
// The server answers a wait at its own deadline; the answer needs a moment to arrive.
constexpr absl::Duration kAnswerGrace = absl::Milliseconds(500);

absl::StatusOr<std::string> VerbOf(const v1::Request& request) {
  switch (request.verb_case()) {
    case v1::Request::kApply:
      return "apply";
    case v1::Request::kDelete:
      return "delete";
    case v1::Request::kGet:
      return "get";
    case v1::Request::kWait:
      return "wait";
    case v1::Request::kStatus:
      return "status";
    case v1::Request::kTrace:
      return "trace";
    case v1::Request::kBumpEpoch:
      return "bump-epoch";
    case v1::Request::kRefreshReachability:
      return "refresh-reachability";
    case v1::Request::kPolicyDiff:
      return "policy-diff";
    default:
      return absl::InternalError("not a verb of the command line");
  }
}

bool WorthAnotherTry(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status);
}

}  // namespace

const char kSource[] = "triviumctl/" TRIVIUM_VERSION;

Client::Client(Bus* bus, Executor* executor, Clock* clock, Random* random, std::string cluster,
               std::string principal)
    : bus_(bus),
      executor_(executor),
      clock_(clock),
      random_(random),
      cluster_(std::move(cluster)),
      principal_(std::move(principal)) {}

absl::StatusOr<v1::Reply> Client::Call(v1::Request request, absl::Duration timeout) {
  const absl::StatusOr<std::string> verb = VerbOf(request);
  if (!verb.ok()) return verb.status();
  const std::string subject = subjects::Api(cluster_, principal_, *verb);
  request.set_request_id(random_->NewId().ToBytes());
  request.set_source(kSource);

  const absl::Duration end = clock_->Monotonic() + timeout;
  Backoff backoff(absl::Milliseconds(50), absl::Seconds(1), random_);
  while (true) {
    const absl::Duration left = end - clock_->Monotonic();
    // What is meant to take long is not cut into attempts.
    const bool patient = request.has_wait() || request.has_policy_diff();
    const absl::Duration attempt = patient ? left : std::min(left, kAttempt);
    request.set_deadline_ms(
        static_cast<uint32_t>(absl::ToInt64Milliseconds(std::max(attempt, absl::Milliseconds(1)))));
    absl::StatusOr<v1::Reply> reply = Attempt(subject, request.SerializeAsString(), attempt + kAnswerGrace);
    if (reply.ok() || !MayTryAgain(reply.status(), end, &backoff)) return reply;
  }
}

absl::StatusOr<v1::Reply> Client::Attempt(const std::string& subject, const std::string& payload,
                                          absl::Duration timeout) {
  absl::StatusOr<std::string> answer = absl::UnknownError("no answer yet");
  absl::Notification done;
  bus_->Request(subject, payload, timeout, executor_, [&](absl::StatusOr<std::string> result) {
    answer = std::move(result);
    done.Notify();
  });
  done.WaitForNotification();
  if (!answer.ok()) return answer.status();

  v1::Reply reply;
  if (!reply.ParseFromString(*answer)) {
    return absl::DataLossError(
        "the control plane's answer cannot be read: is it newer than this triviumctl?");
  }
  if (reply.code() != 0) return absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message());
  return reply;
}

absl::Status Client::Listen(const std::string& subject, absl::Duration timeout, Bus::Handler on_message) {
  TRIVIUM_RETURN_IF_ERROR(bus_->Subscribe(subject, "", executor_, std::move(on_message)));
  const absl::Duration end = clock_->Monotonic() + timeout;
  Backoff backoff(absl::Milliseconds(20), absl::Seconds(1), random_);
  while (true) {  // the connection is made in the background
    const absl::Status heard = bus_->Flush(end - clock_->Monotonic());
    if (heard.ok() || !MayTryAgain(heard, end, &backoff)) return heard;
  }
}

bool Client::MayTryAgain(const absl::Status& status, absl::Duration end, Backoff* backoff) {
  if (!WorthAnotherTry(status)) return false;
  const absl::Duration pause = backoff->Next();
  if (clock_->Monotonic() + pause >= end) return false;
  Pause(pause);
  return true;
}

void Client::Pause(absl::Duration delay) {
  absl::Notification over;
  executor_->PostAfter(delay, [&over] { over.Notify(); });
  over.WaitForNotification();
}

}  // namespace trivium::cli
