#include "controlplane/api/server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"

namespace trivium {
namespace {

// The verb as the subject spells it; empty for a request without one.
std::string VerbToken(const v1::Request& request) {
  if (request.verb_case() == v1::Request::VERB_NOT_SET) return "";
  const google::protobuf::FieldDescriptor* field =
      v1::Request::descriptor()->FindFieldByNumber(request.verb_case());
  return absl::StrReplaceAll(std::string(field->name()), {{"_", "-"}});
}

bool IsWrite(const v1::Request& request) {
  switch (request.verb_case()) {
    case v1::Request::kApply:
    case v1::Request::kDelete:
    case v1::Request::kRegisterNode:
    case v1::Request::kAddEndpoint:
    case v1::Request::kRemoveEndpoint:
      return true;
    default:
      return false;
  }
}

// What a role may ask at all; what depends on objects is the planner's business.
bool MayAsk(const std::string& role, const v1::Request& request) {
  switch (request.verb_case()) {
    case v1::Request::kGet:
    case v1::Request::kWait:
    case v1::Request::kStatus:
      return role == "ctl" || role == "node" || role == "cp";
    case v1::Request::kRegisterNode:
      return role == "node";
    case v1::Request::kAddEndpoint:
    case v1::Request::kRemoveEndpoint:
      return role == "ctl" || role == "node";
    case v1::Request::kApply:
    case v1::Request::kDelete:
    case v1::Request::kTrace:
      return role == "ctl";
    default:
      return true;  // refused for what it is
  }
}

}  // namespace

ApiServer::ApiServer(const Planner* planner, Writer* writer, Reader* reader, Waiter* waiter, Bus* bus,
                     Executor* executor, Clock* clock)
    : planner_(planner),
      writer_(writer),
      reader_(reader),
      waiter_(waiter),
      bus_(bus),
      executor_(executor),
      clock_(clock) {}

absl::Status ApiServer::Start() {
  return bus_->Subscribe(
      subjects::EveryApi(planner_->config().cluster), kQueue, executor_,
      [this, alive = alive_.Watch()](const Message& message) {
        if (alive.expired() || message.reply_to.empty()) return;
        Handle(message.subject, message.payload, [this, to = message.reply_to](const v1::Reply& reply) {
          const absl::Status status = bus_->Publish(to, reply.SerializeAsString());
          // The caller repeats the request and gets the same answer.
          if (!status.ok()) {
            spdlog::warn("cannot answer a request to={} error=\"{}\"", to, std::string(status.message()));
          }
        });
      });
}

absl::Status ApiServer::Admit(const std::string& subject, const std::string& payload, Principal* principal,
                              v1::Request* request) const {
  const std::string& cluster = planner_->config().cluster;
  TRIVIUM_ASSIGN_OR_RETURN(const RpcSubject rpc, ParseRpcSubject(subject));
  TRIVIUM_ASSIGN_OR_RETURN(*principal, Principal::Parse(rpc.principal));
  if (rpc.service != "api" || rpc.cluster != cluster) {
    return absl::InvalidArgumentError(
        absl::StrCat("subject ", subject, " is not one of cluster ", cluster, "'s requests"));
  }
  if (principal->cluster != cluster) {
    return absl::PermissionDeniedError(
        absl::StrCat(principal->ToString(), " may not ask anything of cluster ", cluster));
  }
  if (payload.size() > kMaxRequestBytes) {
    return absl::InvalidArgumentError(absl::StrCat("request of ", payload.size(), " bytes; at most ",
                                                   kMaxRequestBytes, ": send it in pieces"));
  }
  if (!request->ParseFromString(payload)) {
    return absl::InvalidArgumentError("the payload is not a Request: is the caller newer than this server?");
  }
  const std::string verb = VerbToken(*request);
  if (verb.empty()) {
    return absl::InvalidArgumentError("the request has no verb that this control plane knows");
  }
  if (verb != rpc.verb) {
    return absl::InvalidArgumentError(
        absl::StrCat("the request is \"", verb, "\", its subject says \"", rpc.verb, "\""));
  }
  if (!MayAsk(principal->role, *request)) {
    return absl::PermissionDeniedError(
        absl::StrCat(principal->ToString(), " may not ask for \"", verb, "\""));
  }
  if (!IsWrite(*request)) return absl::OkStatus();
  const absl::StatusOr<Id128> id = Id128::FromBytes(request->request_id());
  if (!id.ok() || id->IsZero()) {
    return absl::InvalidArgumentError("request_id: want 16 bytes that are not all zero");
  }
  if (request->source().size() > 128) return absl::InvalidArgumentError("source: at most 128 characters");
  return absl::OkStatus();
}

void ApiServer::Handle(const std::string& subject, const std::string& payload, Answer answer) {
  ++requests_;
  Principal principal;
  v1::Request request;
  if (absl::Status status = Admit(subject, payload, &principal, &request); !status.ok()) {
    ++refused_;
    spdlog::info("refused subject={} error=\"{}\"", subject, std::string(status.message()));
    return answer(ErrorReply(status));
  }
  if (stopped_) {
    return answer(ErrorReply(absl::UnavailableError("this control plane is shutting down: try again")));
  }
  absl::Duration timeout =
      request.deadline_ms() == 0 ? kDefaultTimeout : absl::Milliseconds(request.deadline_ms());
  switch (request.verb_case()) {
    case v1::Request::kGet:
      return reader_->Get(request.get(), std::move(answer));
    case v1::Request::kStatus:
      return answer(reader_->Status());
    case v1::Request::kTrace:
      return answer(reader_->Trace(request.trace()));
    case v1::Request::kWait:
      timeout = std::min(timeout, kMaxWait);
      return waiter_->Wait(request.wait(), timeout, std::move(answer));
    default:
      return Write(std::move(request), principal, payload.size(), std::min(timeout, kMaxTimeout),
                   std::move(answer));
  }
}

void ApiServer::Write(v1::Request request, const Principal& principal, size_t bytes, absl::Duration timeout,
                      Answer answer) {
  const absl::StatusOr<Id128> id = Id128::FromBytes(request.request_id());
  auto caller = std::make_shared<Caller>();
  caller->principal = principal;
  caller->source = request.source();
  caller->request_id = *id;
  caller->time_us = absl::ToUnixMicros(clock_->Now());
  auto shared = std::make_shared<const v1::Request>(std::move(request));

  Writer::Write write;
  write.plan = [planner = planner_, caller, shared](Draft* draft) {
    return planner->Plan(*shared, *caller, draft);
  };
  write.actor = principal.ToString();
  write.request_id = *id;
  write.bytes = bytes;
  write.timeout = timeout;
  write.answer = std::move(answer);
  writer_->Submit(std::move(write));
}

}  // namespace trivium
