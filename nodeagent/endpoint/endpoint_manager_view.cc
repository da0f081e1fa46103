// EndpointManager's part that people look at and set.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nodeagent/endpoint/endpoint_manager.h"

namespace trivium {

v1::AgentReply EndpointManager::ReplyOf(const absl::Status& status) {
  v1::AgentReply reply;
  reply.set_code(static_cast<uint32_t>(status.code()));
  reply.set_message(std::string(status.message()));
  return reply;
}

v1::LocalEndpoint EndpointManager::Describe(const Endpoint& endpoint) const {
  const Pipeline::EndpointView view = deps_.pipeline->View(endpoint.uid);
  v1::LocalEndpoint out;
  out.set_uid(endpoint.uid.ToBytes());
  out.set_namespace_(endpoint.spec.namespace_());
  out.set_name(endpoint.spec.name());
  out.set_number(endpoint.number);
  out.set_identity(view.identity);
  *out.mutable_ips() = endpoint.spec.ips();
  out.set_ifname(endpoint.spec.ifname());
  out.set_ifindex(endpoint.device.ifindex);
  out.set_state(endpoint.state);
  out.set_problem(endpoint.problem);
  out.set_registered(view.registered);
  out.set_ingress_rule_set(view.ingress_rule_set);
  out.set_egress_rule_set(view.egress_rule_set);
  out.set_policy_audit_mode(view.audited);
  return out;
}

v1::EndpointListResult EndpointManager::List() const {
  v1::EndpointListResult list;
  for (const auto& [uid, endpoint] : endpoints_) *list.add_endpoints() = Describe(*endpoint);
  return list;
}

std::vector<std::string> EndpointManager::Problems() const {
  std::vector<std::string> problems;
  for (const auto& [uid, endpoint] : endpoints_) {
    if (endpoint->problem.empty()) continue;
    problems.push_back(absl::StrCat("endpoint ", NameOf(endpoint->spec), ": ", endpoint->problem));
  }
  return problems;
}

absl::StatusOr<const EndpointManager::Endpoint*> EndpointManager::Lookup(uint32_t number,
                                                                         const std::string& ns,
                                                                         const std::string& name) const {
  if (number == 0 && (ns.empty() || name.empty())) {
    return absl::InvalidArgumentError("want a number, or a namespace and a name");
  }
  for (const auto& [uid, endpoint] : endpoints_) {
    const bool named = endpoint->spec.namespace_() == ns && endpoint->spec.name() == name;
    if (number != 0 ? endpoint->number == number : named) return endpoint.get();
  }
  return absl::NotFoundError(absl::StrCat(
      "endpoint ", number != 0 ? absl::StrCat(number) : absl::StrCat(ns, "/", name), " is not on node ",
      options_.node, ": `triviumctl get endpoints -A -o wide` says where it is"));
}

absl::StatusOr<v1::LocalEndpoint> EndpointManager::Find(uint32_t number, const std::string& ns,
                                                        const std::string& name) const {
  TRIVIUM_ASSIGN_OR_RETURN(const Endpoint* endpoint, Lookup(number, ns, name));
  return Describe(*endpoint);
}

EndpointManager::Who EndpointManager::WhoIs(uint32_t number) const {
  for (const auto& [uid, endpoint] : endpoints_) {
    if (endpoint->number == number) return {NameOf(endpoint->spec), deps_.pipeline->View(uid).identity};
  }
  return {};
}

EndpointManager::Who EndpointManager::WhoHas(absl::string_view ip) const {
  for (const auto& [uid, endpoint] : endpoints_) {
    const auto& ips = endpoint->spec.ips();
    if (std::find(ips.begin(), ips.end(), ip) != ips.end()) {
      return {NameOf(endpoint->spec), deps_.pipeline->View(uid).identity};
    }
  }
  return {};
}

uint32_t EndpointManager::audited() const {
  return static_cast<uint32_t>(std::count_if(endpoints_.begin(), endpoints_.end(), [this](const auto& each) {
    return deps_.pipeline->View(each.first).audited;
  }));
}

void EndpointManager::Config(const v1::EndpointConfig& config, Done done) {
  const absl::StatusOr<const Endpoint*> found = Lookup(config.number(), config.namespace_(), config.name());
  if (!found.ok()) return done(ReplyOf(found.status()));
  Endpoint* endpoint = endpoints_.at((*found)->uid).get();
  if (!config.has_policy_audit_mode()) {
    return done(ReplyOf(absl::InvalidArgumentError("nothing to set: want PolicyAuditMode")));
  }
  if (!config.policy_audit_mode() && options_.policy_audit_mode) {
    return done(ReplyOf(absl::FailedPreconditionError(absl::StrCat(
        "the configuration of node ", options_.node,
        " has policy_audit_mode: true, for every endpoint: take that out and restart the agent"))));
  }
  const bool before = std::exchange(endpoint->audit, config.policy_audit_mode());
  if (const absl::Status status = Save(); !status.ok()) {
    endpoint->audit = before;
    return done(ReplyOf(Annotate(status, "cannot keep the setting")));
  }
  if (before != endpoint->audit) {
    spdlog::info("endpoint configured endpoint={} policy_audit_mode={}", NameOf(endpoint->spec),
                 endpoint->audit);
  }
  Want(*endpoint);
  configured_.push_back({endpoint->uid, std::move(done)});
  hooks_.want_flush();
}

// A closed endpoint has no policy in the maps that could be audited: the setting is kept for when it has one.
void EndpointManager::AnswerConfigured() {
  for (Configured& each : std::exchange(configured_, {})) {
    const auto it = endpoints_.find(each.uid);
    if (it == endpoints_.end()) {
      each.done(ReplyOf(absl::CancelledError("the endpoint was deleted meanwhile")));
      continue;
    }
    const Pipeline::EndpointView view = deps_.pipeline->View(each.uid);
    const bool wanted = it->second->audit || options_.policy_audit_mode;
    const bool closed = view.ingress_rule_set == 0 && view.egress_rule_set == 0;
    v1::AgentReply reply;
    if (!closed && view.audited != wanted) {
      reply = ReplyOf(absl::ResourceExhaustedError(absl::StrCat(
          "endpoint ", NameOf(it->second->spec), ": the setting is kept, but does not stand in the maps yet",
          flush_problem_.empty() ? "" : ": ", flush_problem_)));
    }
    *reply.mutable_config() = Describe(*it->second);
    each.done(std::move(reply));
  }
}

}  // namespace trivium
