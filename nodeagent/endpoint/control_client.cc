#include "nodeagent/endpoint/control_client.h"

#include <utility>

#include "schema/subjects.h"

namespace trivium {

ControlClient::ControlClient(std::string cluster, std::string principal, std::string source,
                             Executor* executor, Bus* bus)
    : cluster_(std::move(cluster)),
      principal_(std::move(principal)),
      source_(std::move(source)),
      executor_(executor),
      bus_(bus) {}

void ControlClient::Call(const std::string& verb, v1::Request request, absl::Duration timeout, Done done) {
  request.set_source(source_);
  request.set_deadline_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(timeout)));
  bus_->Request(subjects::Api(cluster_, principal_, verb), request.SerializeAsString(), timeout, executor_,
                [done = std::move(done)](absl::StatusOr<std::string> bytes) {
                  if (!bytes.ok()) return done(bytes.status());
                  v1::Reply reply;
                  if (!reply.ParseFromString(*bytes))
                    return done(absl::InternalError("the answer is no Reply"));
                  if (reply.code() != 0) {
                    return done(absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message()));
                  }
                  done(std::move(reply));
                });
}

bool ControlClient::IsTransient(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
      return true;
    default:
      return false;
  }
}

}  // namespace trivium
