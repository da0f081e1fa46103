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
    case v1::Request::kChangeEndpoints:
      return true;
    default:
      return false;
  }
}

absl::Duration TimeoutOf(const v1::Request& request) {
  const absl::Duration wanted =
      request.deadline_ms() == 0 ? ApiServer::kDefaultTimeout : absl::Milliseconds(request.deadline_ms());
  return std::min(wanted, request.has_wait() ? ApiServer::kMaxWait : ApiServer::kMaxTimeout);
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
    case v1::Request::kChangeEndpoints:
      return role == "ctl" || role == "node";
    case v1::Request::kApply:
    case v1::Request::kDelete:
    case v1::Request::kTrace:
    case v1::Request::kPolicyDiff:
    case v1::Request::kBumpEpoch:
    case v1::Request::kRefreshReachability:
      return role == "ctl";
    case v1::Request::kForward:
      return false;  // it has a subject of its own
    default:
      return true;  // refused for what it is
  }
}

}  // namespace

ApiServer::ApiServer(std::string instance, const Planner* planner, Writer* writer, Forwarder* forwarder,
                     Reader* reader, Waiter* waiter, EpochAdmin* epochs, PolicyDiffer* differ,
                     ReachabilityKeeper* reachability, Bus* bus, Executor* executor, Clock* clock)
    : instance_(std::move(instance)),
      planner_(planner),
      writer_(writer),
      forwarder_(forwarder),
      reader_(reader),
      waiter_(waiter),
      epochs_(epochs),
      differ_(differ),
      reachability_(reachability),
      bus_(bus),
      executor_(executor),
      clock_(clock) {}

absl::Status ApiServer::Start() {
  const std::string& cluster = planner_->config().cluster;
  TRIVIUM_RETURN_IF_ERROR(
      Listen(subjects::EveryForward(cluster, instance_), "", &ApiServer::HandleForwarded));
  return Listen(subjects::EveryApi(cluster), kQueue, &ApiServer::Handle);
}

absl::Status ApiServer::Listen(const std::string& subject, const std::string& queue,
                               void (ApiServer::*handle)(const std::string&, const std::string&, Answer)) {
  return bus_->Subscribe(
      subject, queue, executor_, [this, alive = alive_.Watch(), handle](const Message& message) {
        if (alive.expired() || message.reply_to.empty()) return;
        (this->*handle)(
            message.subject, message.payload, [this, to = message.reply_to](const v1::Reply& reply) {
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
  return Check(*principal, *request);
}

absl::Status ApiServer::Check(const Principal& principal, const v1::Request& request) const {
  if (!MayAsk(principal.role, request)) {
    return absl::PermissionDeniedError(
        absl::StrCat(principal.ToString(), " may not ask for \"", VerbToken(request), "\""));
  }
  if (!IsWrite(request) && !request.has_bump_epoch()) return absl::OkStatus();
  const absl::StatusOr<Id128> id = Id128::FromBytes(request.request_id());
  if (!id.ok() || id->IsZero()) {
    return absl::InvalidArgumentError("request_id: want 16 bytes that are not all zero");
  }
  if (request.source().size() > 128) return absl::InvalidArgumentError("source: at most 128 characters");
  return absl::OkStatus();
}

// The sender has checked who asks; that it may speak for others is its role's right alone.
absl::Status ApiServer::AdmitForwarded(const std::string& subject, const std::string& payload,
                                       Principal* principal, v1::Request* request, size_t* bytes) const {
  const std::string& cluster = planner_->config().cluster;
  TRIVIUM_ASSIGN_OR_RETURN(const RpcSubject rpc, ParseRpcSubject(subject));
  TRIVIUM_ASSIGN_OR_RETURN(const Principal sender, Principal::Parse(rpc.principal));
  if (rpc.service != "forward" || rpc.cluster != cluster || rpc.holder != instance_) {
    return absl::InvalidArgumentError(
        absl::StrCat("subject ", subject, " is not for ", instance_, " of cluster ", cluster));
  }
  if (sender.role != "cp" || sender.cluster != cluster) {
    return absl::PermissionDeniedError(
        absl::StrCat(sender.ToString(), " may not ask in others' names: control planes of cluster ", cluster,
                     " alone may"));
  }
  v1::Request envelope;
  if (!envelope.ParseFromString(payload) || !envelope.has_forward() ||
      !request->ParseFromString(envelope.forward().request())) {
    return absl::InvalidArgumentError("the payload is no forwarded Request");
  }
  TRIVIUM_ASSIGN_OR_RETURN(*principal, Principal::Parse(envelope.forward().principal()));
  if (principal->cluster != cluster) {
    return absl::PermissionDeniedError(
        absl::StrCat(principal->ToString(), " may not ask anything of cluster ", cluster));
  }
  if (!IsWrite(*request)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a request \"", VerbToken(*request), "\" is not forwarded"));
  }
  *bytes = envelope.forward().request().size();
  return Check(*principal, *request);
}

void ApiServer::Refuse(const std::string& subject, const absl::Status& status, Answer answer) {
  ++refused_;
  spdlog::info("refused subject={} error=\"{}\"", subject, std::string(status.message()));
  answer(ErrorReply(status));
}

void ApiServer::HandleForwarded(const std::string& subject, const std::string& payload, Answer answer) {
  ++requests_;
  Principal principal;
  v1::Request request;
  size_t bytes = 0;
  const absl::Status status = AdmitForwarded(subject, payload, &principal, &request, &bytes);
  if (!status.ok()) return Refuse(subject, status, std::move(answer));
  if (stopped_) {
    return answer(ErrorReply(absl::UnavailableError("this control plane is shutting down: try again")));
  }
  ++forwarded_;
  const absl::Duration timeout = TimeoutOf(request);
  Write(std::move(request), principal, bytes, timeout, std::move(answer));
}

void ApiServer::Handle(const std::string& subject, const std::string& payload, Answer answer) {
  ++requests_;
  Principal principal;
  v1::Request request;
  if (absl::Status status = Admit(subject, payload, &principal, &request); !status.ok()) {
    return Refuse(subject, status, std::move(answer));
  }
  if (stopped_) {
    return answer(ErrorReply(absl::UnavailableError("this control plane is shutting down: try again")));
  }
  switch (request.verb_case()) {
    case v1::Request::kGet:
      return reader_->Get(request.get(), std::move(answer));
    case v1::Request::kStatus:
      return answer(reader_->Status());
    case v1::Request::kTrace:
      return answer(reader_->Trace(request.trace()));
    case v1::Request::kWait:
      return waiter_->Wait(request.wait(), TimeoutOf(request), std::move(answer));
    case v1::Request::kPolicyDiff:
      return Diff(request, principal, std::move(answer));
    case v1::Request::kRefreshReachability:
      return reachability_->Refresh(std::move(answer));
    case v1::Request::kBumpEpoch:
      return epochs_->Bump(request.bump_epoch(), CallerOf(principal, request), std::move(answer));
    default:
      break;
  }
  if (!IsWrite(request)) {
    return Refuse(
        subject,
        absl::UnimplementedError(absl::StrCat("this control plane cannot \"", VerbToken(request), "\"")),
        std::move(answer));
  }
  const absl::Duration timeout = TimeoutOf(request);
  const absl::Duration deadline = clock_->Monotonic() + timeout;
  forwarder_->Send(
      principal, payload, timeout, std::move(answer),
      [this, request = std::move(request), principal, bytes = payload.size(), deadline](Answer to) mutable {
        Write(std::move(request), principal, bytes, deadline - clock_->Monotonic(), std::move(to));
      });
}

// Nothing of it is written, so that it needs no id.
void ApiServer::Diff(const v1::Request& request, const Principal& principal, Answer answer) {
  Caller caller;
  caller.principal = principal;
  caller.source = request.source();
  differ_->Diff(request.policy_diff(), caller, TimeoutOf(request), std::move(answer));
}

// Of a request that was admitted: its id has the right form.
Caller ApiServer::CallerOf(const Principal& principal, const v1::Request& request) const {
  Caller caller;
  caller.principal = principal;
  caller.source = request.source();
  caller.request_id = Id128::FromBytes(request.request_id()).value();
  caller.time_us = absl::ToUnixMicros(clock_->Now());
  return caller;
}

void ApiServer::Write(v1::Request request, const Principal& principal, size_t bytes, absl::Duration timeout,
                      Answer answer) {
  auto caller = std::make_shared<const Caller>(CallerOf(principal, request));
  auto shared = std::make_shared<const v1::Request>(std::move(request));

  Writer::Write write;
  write.plan = [planner = planner_, caller, shared](Draft* draft) {
    return planner->Plan(*shared, *caller, draft);
  };
  write.actor = principal.ToString();
  write.request_id = caller->request_id;
  write.bytes = bytes;
  if (shared->has_change_endpoints()) {
    const v1::ChangeEndpointsRequest& many = shared->change_endpoints();
    write.changes = static_cast<size_t>(many.add_size() + many.remove_size());
  }
  write.timeout = timeout;
  write.answer = std::move(answer);
  writer_->Submit(std::move(write));
}

}  // namespace trivium
