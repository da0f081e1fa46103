#include "nodeagent/endpoint/endpoint_manager.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "policy/cidr.h"
#include "policy/labels.h"
#include "policy/selector.h"
#include "schema/object.h"

namespace trivium {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(1);
// After this long without an answer the control plane counts as out of reach, and the pod starts without it.
constexpr absl::Duration kOfflineAfter = absl::Seconds(2);
constexpr absl::Duration kMinBackoff = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);
constexpr size_t kMaxIfname = 15;

std::vector<v1::NamedPort> Sorted(const google::protobuf::RepeatedPtrField<v1::NamedPort>& ports) {
  std::vector<v1::NamedPort> sorted(ports.begin(), ports.end());
  std::sort(sorted.begin(), sorted.end(), [](const v1::NamedPort& a, const v1::NamedPort& b) {
    return std::make_tuple(a.name(), a.protocol(), a.port()) <
           std::make_tuple(b.name(), b.protocol(), b.port());
  });
  return sorted;
}

}  // namespace

EndpointManager::EndpointManager(Options options, Deps deps, Hooks hooks)
    : options_(std::move(options)),
      deps_(deps),
      hooks_(std::move(hooks)),
      removal_backoff_(kMinBackoff, kMaxBackoff, deps_.random) {}

void EndpointManager::After(absl::Duration delay, std::function<void()> task) {
  deps_.executor->PostAfter(delay, [alive = alive_.Watch(), task = std::move(task)] {
    if (!alive.expired()) task();
  });
}

absl::Status EndpointManager::Load() {
  TRIVIUM_ASSIGN_OR_RETURN(const v1::StoredEndpoints stored, deps_.store->Load());
  for (const v1::StoredEndpoint& each : stored.endpoints()) {
    const absl::StatusOr<Id128> uid = Id128::FromBytes(each.spec().uid());
    if (!uid.ok()) return Annotate(uid.status(), "stored endpoints");
    auto endpoint = std::make_unique<Endpoint>();
    endpoint->spec = each.spec();
    endpoint->uid = *uid;
    endpoint->number = each.number();
    endpoint->audit = each.policy_audit_mode();
    endpoint->offline = true;  // nobody waits for the control plane
    endpoint->backoff = std::make_unique<Backoff>(kMinBackoff, kMaxBackoff, deps_.random);
    if (const absl::Status status = Attach(endpoint.get()); !status.ok()) {
      // Its pod died with the machine, or meanwhile: whoever made it will ask for its removal.
      endpoint->problem = absl::StrCat("its device is not there: ", status.message());
      spdlog::warn("no device endpoint={} error=\"{}\"", NameOf(endpoint->spec), endpoint->problem);
    }
    UseKnownIdentity(endpoint.get());
    Want(*endpoint);
    endpoint->must_register = !deps_.pipeline->View(*uid).registered;
    endpoints_[*uid] = std::move(endpoint);
  }
  for (const std::string& bytes : stored.removed()) {
    const absl::StatusOr<Id128> uid = Id128::FromBytes(bytes);
    if (uid.ok()) removed_[*uid] = false;
  }
  if (!endpoints_.empty()) hooks_.want_flush();
  return absl::OkStatus();
}

absl::Status EndpointManager::Save() {
  v1::StoredEndpoints stored;
  for (const auto& [uid, endpoint] : endpoints_) {
    v1::StoredEndpoint* each = stored.add_endpoints();
    *each->mutable_spec() = endpoint->spec;
    each->set_number(endpoint->number);
    each->set_policy_audit_mode(endpoint->audit);
  }
  for (const auto& [uid, telling] : removed_) stored.add_removed(uid.ToBytes());
  const absl::Status status = deps_.store->Save(stored);
  unsaved_ = !status.ok();
  return status;
}

absl::Status EndpointManager::Check(const v1::EndpointAdd& spec) const {
  TRIVIUM_RETURN_IF_ERROR(policy::CheckName("namespace", spec.namespace_()));
  TRIVIUM_RETURN_IF_ERROR(policy::CheckName("name", spec.name()));
  for (const auto& [key, value] : spec.labels()) TRIVIUM_RETURN_IF_ERROR(policy::CheckLabel(key, value));
  if (!spec.uid().empty() && spec.uid().size() != 16) {
    return absl::InvalidArgumentError(
        absl::StrCat("uid: ", spec.uid().size(), " bytes given: want 16, or none"));
  }
  if (spec.ifname().empty() || spec.ifname().size() > kMaxIfname) {
    return absl::InvalidArgumentError(absl::StrCat("ifname \"", spec.ifname(),
                                                   "\": want the name of the veth's host side, 1 to ",
                                                   kMaxIfname, " characters"));
  }
  if (spec.pod_mac().size() != 6) {
    return absl::InvalidArgumentError(
        absl::StrCat("pod_mac: ", spec.pod_mac().size(), " bytes given: want 6"));
  }
  if (spec.ips().empty()) return absl::InvalidArgumentError("ips: want at least one address");
  bool has[2] = {false, false};
  for (const std::string& ip : spec.ips()) {
    if (ip.size() != 4 && ip.size() != 16) {
      return absl::InvalidArgumentError(
          absl::StrCat("ips: an address of ", ip.size(), " bytes: want 4 or 16"));
    }
    if (std::exchange(has[ip.size() == 16], true)) {
      return absl::InvalidArgumentError("ips: two addresses of one family: want at most one of each");
    }
    const v1::Cidr host = policy::HostPrefix(ip);
    if (!options_.pod_cidrs.empty() &&
        std::none_of(options_.pod_cidrs.begin(), options_.pod_cidrs.end(),
                     [&](const v1::Cidr& cidr) { return policy::Covers(cidr, host); })) {
      std::string own;
      for (const v1::Cidr& cidr : options_.pod_cidrs) absl::StrAppend(&own, " ", policy::CidrText(cidr));
      return absl::InvalidArgumentError(
          absl::StrCat("ips: ", policy::CidrText(host), " is in none of this node's pod CIDRs:", own));
    }
  }
  return absl::OkStatus();
}

EndpointManager::Endpoint* EndpointManager::FindByName(const std::string& ns, const std::string& name) {
  for (const auto& [uid, endpoint] : endpoints_) {
    if (endpoint->spec.namespace_() == ns && endpoint->spec.name() == name) return endpoint.get();
  }
  return nullptr;
}

absl::Status EndpointManager::Attach(Endpoint* endpoint) {
  PodDevice device;
  device.ifname = endpoint->spec.ifname();
  device.pod_mac = endpoint->spec.pod_mac();
  device.ips.assign(endpoint->spec.ips().begin(), endpoint->spec.ips().end());
  endpoint->device = device;
  absl::StatusOr<PodDevice> attached = deps_.devices->AttachPod(device);
  endpoint->attached = attached.ok();
  if (!attached.ok()) return Annotate(attached.status(), absl::StrCat("device ", device.ifname));
  endpoint->device = *std::move(attached);
  return absl::OkStatus();
}

void EndpointManager::Want(const Endpoint& endpoint) {
  Pipeline::LocalEndpoint local;
  local.uid = endpoint.uid;
  local.number = endpoint.number;
  local.ifindex = endpoint.device.ifindex;
  local.ips.assign(endpoint.spec.ips().begin(), endpoint.spec.ips().end());
  local.pod_mac = endpoint.spec.pod_mac();
  local.host_mac = endpoint.device.host_mac;
  local.fallback_identity = endpoint.fallback;
  local.fallback_form = endpoint.fallback_form;
  local.audit = endpoint.audit || options_.policy_audit_mode;
  deps_.pipeline->SetLocalEndpoint(local);
}

void EndpointManager::Wait(Endpoint* endpoint, absl::Duration deadline, Done done) {
  Waiter waiter{std::move(done), Executor::kNoTimer};
  waiter.timer = deps_.executor->PostAfter(deadline, [this, alive = alive_.Watch(), uid = endpoint->uid] {
    if (alive.expired()) return;
    const auto it = endpoints_.find(uid);
    if (it == endpoints_.end()) return;
    // Whoever waits for the longest is told first; others' timers follow.
    Answer(it->second.get(),
           absl::DeadlineExceededError(absl::StrCat(
               "endpoint ", NameOf(it->second->spec), " is kept and will start by itself; not ready in time",
               it->second->problem.empty() ? "" : ": ", it->second->problem)));
  });
  endpoint->waiters.push_back(std::move(waiter));
}

void EndpointManager::Add(const v1::EndpointAdd& spec, absl::Duration deadline, Done done) {
  if (const absl::Status status = Check(spec); !status.ok()) return done(ReplyOf(status));
  const absl::StatusOr<Id128> given =
      spec.uid().empty() ? absl::StatusOr<Id128>(Id128{}) : Id128::FromBytes(spec.uid());
  if (!given.ok()) return done(ReplyOf(given.status()));

  Endpoint* endpoint = FindByName(spec.namespace_(), spec.name());
  if (const auto it = endpoints_.find(*given); !given->IsZero() && it != endpoints_.end())
    endpoint = it->second.get();
  if (endpoint != nullptr) {
    v1::EndpointAdd same = spec;
    same.set_uid(endpoint->uid.ToBytes());
    const std::set<std::string> old_ips(endpoint->spec.ips().begin(), endpoint->spec.ips().end());
    const std::set<std::string> new_ips(spec.ips().begin(), spec.ips().end());
    if ((!given->IsZero() && *given != endpoint->uid) || old_ips != new_ips ||
        endpoint->spec.ifname() != spec.ifname() || NameOf(endpoint->spec) != NameOf(spec)) {
      return done(ReplyOf(absl::AlreadyExistsError(absl::StrCat(
          "endpoint ", NameOf(endpoint->spec), " (uid ", endpoint->uid.ToHex(), ", device ",
          endpoint->spec.ifname(), ") exists with other addresses or another device: delete it first"))));
    }
    const bool changed = endpoint->spec.SerializeAsString() != same.SerializeAsString();
    endpoint->spec = same;
    if (const absl::Status status = changed ? Save() : absl::OkStatus(); !status.ok())
      return done(ReplyOf(status));
    if (const absl::Status status = Attach(endpoint); !status.ok()) return done(ReplyOf(status));
    endpoint->raised = false;
    endpoint->state = v1::ENDPOINT_STARTING;
    endpoint->offline = false;
    endpoint->not_before = absl::ZeroDuration();
    if (changed) endpoint->request_id = Id128{};
  } else {
    for (const auto& [uid, other] : endpoints_) {
      for (const std::string& ip : other->spec.ips()) {
        if (std::find(spec.ips().begin(), spec.ips().end(), ip) == spec.ips().end()) continue;
        return done(ReplyOf(absl::AlreadyExistsError(
            absl::StrCat("address ", policy::CidrText(policy::HostPrefix(ip)), " belongs to endpoint ",
                         NameOf(other->spec), ": delete that one first"))));
      }
    }
    auto fresh = std::make_unique<Endpoint>();
    endpoint = fresh.get();
    endpoint->spec = spec;
    endpoint->uid = given->IsZero() ? deps_.random->NewId() : *given;
    endpoint->spec.set_uid(endpoint->uid.ToBytes());
    endpoint->number = deps_.pipeline->NewEndpointNumber();
    endpoint->backoff = std::make_unique<Backoff>(kMinBackoff, kMaxBackoff, deps_.random);
    if (const absl::Status status = Attach(endpoint); !status.ok()) return done(ReplyOf(status));
    endpoints_[endpoint->uid] = std::move(fresh);
    if (const absl::Status status = Save(); !status.ok()) {
      endpoints_.erase(endpoint->uid);
      return done(ReplyOf(Annotate(status, "cannot keep the endpoint")));
    }
  }
  Wait(endpoint, deadline, std::move(done));
  Want(*endpoint);
  hooks_.want_flush();
  endpoint->must_register = true;
  Register(endpoint);
  After(std::min(kOfflineAfter, deadline / 2), [this, uid = endpoint->uid] {
    const auto it = endpoints_.find(uid);
    if (it != endpoints_.end() && it->second->must_register && !it->second->raised)
      GoOffline(it->second.get());
  });
}

void EndpointManager::Register(Endpoint* endpoint) {
  if (endpoint->calling || !endpoint->must_register || deps_.clock->Monotonic() < endpoint->not_before)
    return;
  if (const auto it = removed_.find(endpoint->uid); it != removed_.end()) {
    // The same uid is back before the control plane has heard that it was gone.
    if (it->second) return;  // OnRegistered's twin of the removal comes back here
    removed_.erase(it);
  }
  if (!hooks_.node_registered()) return;  // OnProgress comes back here
  endpoint->calling = true;
  if (endpoint->request_id.IsZero()) endpoint->request_id = deps_.random->NewId();
  v1::Request request;
  request.set_request_id(endpoint->request_id.ToBytes());
  v1::AddEndpointRequest* add = request.mutable_add_endpoint();
  add->set_uid(endpoint->uid.ToBytes());
  add->set_namespace_(endpoint->spec.namespace_());
  add->set_name(endpoint->spec.name());
  add->set_node(options_.node);
  *add->mutable_labels() = endpoint->spec.labels();
  add->set_service_account(endpoint->spec.service_account());
  *add->mutable_named_ports() = endpoint->spec.named_ports();
  *add->mutable_ips() = endpoint->spec.ips();
  deps_.control->Call("add-endpoint", std::move(request), kCallTimeout,
                      [this, alive = alive_.Watch(), uid = endpoint->uid](absl::StatusOr<v1::Reply> reply) {
                        if (!alive.expired()) OnRegistered(uid, std::move(reply));
                      });
}

void EndpointManager::OnRegistered(const Id128& uid, absl::StatusOr<v1::Reply> reply) {
  const auto it = endpoints_.find(uid);
  if (it == endpoints_.end()) return;
  Endpoint* endpoint = it->second.get();
  endpoint->calling = false;
  if (reply.ok()) {
    endpoint->must_register = false;
    endpoint->request_id = Id128{};
    endpoint->backoff->Reset();
    endpoint->problem.clear();
    endpoint->epoch = reply->epoch();
    endpoint->revision = reply->revision();
    const v1::Identity& identity = reply->add_endpoint().identity();
    const std::string form =
        policy::CanonicalForm({identity.labels().begin(), identity.labels().end()},
                              {identity.named_ports().begin(), identity.named_ports().end()});
    if (identity.id() != endpoint->fallback || form != endpoint->fallback_form) {
      endpoint->fallback = identity.id();
      endpoint->fallback_form = form;
      Want(*endpoint);
      hooks_.want_flush();
    }
    return Progress(endpoint);
  }
  const absl::Status& status = reply.status();
  endpoint->problem = std::string(status.message());
  RegisterLater(endpoint);
  // A control plane that has lost the node or the namespace (a restored database) is no reason to stop what
  // runs.
  if (ControlClient::IsTransient(status) || (endpoint->raised && absl::IsFailedPrecondition(status))) return;
  endpoint->request_id = Id128{};
  spdlog::error("refused endpoint={} error=\"{}\"", NameOf(endpoint->spec), endpoint->problem);
  if (!endpoint->raised && !endpoint->waiters.empty()) {
    // Nobody has been told that it runs: it never was.
    std::unique_ptr<Endpoint> gone = std::move(it->second);
    endpoints_.erase(it);
    Save().IgnoreError();  // logged; the next one tries again
    Answer(gone.get(), status);
    return Close(std::move(gone), [](absl::Status) {});
  }
  // It runs on what was known here; refused, it may not.
  endpoint->fallback = 0;
  endpoint->state = v1::ENDPOINT_LOCKED_DOWN;
  Want(*endpoint);
  hooks_.want_flush();
}

void EndpointManager::RegisterLater(Endpoint* endpoint) {
  const absl::Duration delay = endpoint->backoff->Next();
  endpoint->not_before = deps_.clock->Monotonic() + delay;
  After(delay, [this, uid = endpoint->uid] {
    const auto again = endpoints_.find(uid);
    if (again != endpoints_.end()) Register(again->second.get());
  });
}

void EndpointManager::UseKnownIdentity(Endpoint* endpoint) const {
  endpoint->fallback = 0;
  endpoint->fallback_form.clear();
  const v1::EndpointAdd& spec = endpoint->spec;
  const Mirror& mirror = hooks_.mirror()->mirror();
  const v1::Object* ns = mirror.Find(v1::KIND_NAMESPACE, spec.namespace_());
  if (ns == nullptr) return;
  policy::PodLabels pod;
  pod.cluster = options_.cluster;
  pod.ns = spec.namespace_();
  pod.namespace_labels = {ns->namespace_().labels().begin(), ns->namespace_().labels().end()};
  pod.labels = {spec.labels().begin(), spec.labels().end()};
  if (!spec.service_account().empty()) pod.service_account = spec.service_account();
  const std::string form = policy::CanonicalForm(policy::IdentityLabels(pod), Sorted(spec.named_ports()));
  for (const auto& [key, stored] : mirror.All(v1::KIND_IDENTITY)) {
    const v1::Identity& identity = stored.object->identity();
    if (policy::CanonicalForm({identity.labels().begin(), identity.labels().end()},
                              {identity.named_ports().begin(), identity.named_ports().end()}) == form) {
      endpoint->fallback = identity.id();
      endpoint->fallback_form = form;
      return;
    }
  }
}

void EndpointManager::GoOffline(Endpoint* endpoint) {
  endpoint->offline = true;
  UseKnownIdentity(endpoint);
  Want(*endpoint);
  hooks_.want_flush();  // Progress follows
}

void EndpointManager::OnFlushed(const FlushReport& report) {
  for (const MapProblem& problem : report.problems) {
    flush_problem_ = absl::StrCat("map ", MapName(problem.map), ": ", problem.keys,
                                  " entries could not be written: ", problem.status.message());
  }
  AnswerConfigured();
  for (Closing& closing : std::exchange(closing_, {})) {
    const absl::Status status = deps_.devices->DetachPod(closing.device);
    if (!status.ok())
      spdlog::error("cannot close device={} error=\"{}\"", closing.device.ifname, status.ToString());
    closing.closed(status);
  }
  if (report.problems.empty() && settled_at_ == deps_.pipeline->local_changes()) return;
  for (const auto& [uid, endpoint] : endpoints_) Progress(endpoint.get());
  flush_problem_.clear();  // it says nothing of endpoints that come after this flush
  OnProgress();
}

void EndpointManager::OnProgress() {
  settled_at_.reset();
  for (const auto& [uid, endpoint] : endpoints_) {
    if (hooks_.synced() && !endpoint->must_register && !endpoint->calling &&
        !deps_.pipeline->View(uid).registered) {
      // The control plane has lost it, or never heard of it: an agent that died in between, a restored
      // database. What it has just answered may still be on its way here.
      const Position& held = hooks_.mirror()->position();
      if (held.epoch > endpoint->epoch ||
          (held.epoch == endpoint->epoch && held.revision >= endpoint->revision)) {
        endpoint->must_register = true;
      }
    }
    Register(endpoint.get());
    Progress(endpoint.get());
  }
  if (!hooks_.node_registered()) return;
  RemoveStrays();
  std::vector<Id128> untold;
  for (const auto& [uid, telling] : removed_) {
    if (!telling) untold.push_back(uid);
  }
  for (const Id128& uid : untold) Unregister(uid);
  if (Settled()) settled_at_ = deps_.pipeline->local_changes();
}

bool EndpointManager::Settled() const {
  // A removal that the mirror has not seen yet would look like a stray.
  if (!hooks_.synced() || !removed_.empty() || !told_.empty()) return false;
  return std::all_of(endpoints_.begin(), endpoints_.end(), [this](const auto& each) {
    const Endpoint& endpoint = *each.second;
    return endpoint.state == v1::ENDPOINT_READY && endpoint.raised && !endpoint.must_register &&
           !endpoint.calling && endpoint.waiters.empty() && deps_.pipeline->View(endpoint.uid).registered;
  });
}

void EndpointManager::RemoveStrays() {
  if (!hooks_.synced()) return;
  const Position& held = hooks_.mirror()->position();
  std::erase_if(told_, [&held](const auto& removal) {
    const Position& at = removal.second;
    return held.epoch > at.epoch || (held.epoch == at.epoch && held.revision >= at.revision);
  });
  bool found = false;
  for (const Id128& uid : deps_.pipeline->registered_here()) {
    if (endpoints_.contains(uid) || told_.contains(uid) || !removed_.try_emplace(uid, false).second) continue;
    spdlog::warn("only the log has it, removing it endpoint={}", uid.ToHex());
    found = true;
  }
  if (!found) return;
  Save().IgnoreError();  // logged; the next one tries again
}

void EndpointManager::Progress(Endpoint* endpoint) {
  if (!endpoint->attached) return;
  const Pipeline::EndpointView view = deps_.pipeline->View(endpoint->uid);
  bool complete = view.resolved;  // nothing but the maps is waited for
  if (!endpoint->must_register) {
    const Position& held = hooks_.mirror()->position();
    const bool reached = held.epoch > endpoint->epoch ||
                         (held.epoch == endpoint->epoch && held.revision >= endpoint->revision);
    if (!reached || !view.registered) return;
  } else if (!endpoint->offline) {
    return;
  } else if (endpoint->fallback == 0 && !view.registered) {
    // What an earlier run put in force stays in force, as long as this one has no better knowledge.
    if (view.ingress_rule_set != 0 || view.egress_rule_set != 0) return;
    if (view.addressed) {
      if (endpoint->problem.empty()) endpoint->problem = "the control plane is out of reach";
      return Raise(endpoint, v1::ENDPOINT_LOCKED_DOWN);
    }
    // Its address may still lead to the pod that had it before, and to that one's policy.
    complete = true;
  }
  if (view.enforced) {
    return Raise(endpoint, endpoint->must_register ? v1::ENDPOINT_READY_UNREGISTERED : v1::ENDPOINT_READY);
  }
  if (complete && !flush_problem_.empty()) {
    endpoint->problem = flush_problem_;
    endpoint->state = v1::ENDPOINT_NOT_ENFORCED;
    Answer(endpoint,
           absl::ResourceExhaustedError(absl::StrCat("endpoint ", NameOf(endpoint->spec),
                                                     ": its policy is not enforced: ", flush_problem_)));
  }
}

void EndpointManager::Raise(Endpoint* endpoint, v1::EndpointState state) {
  if (!endpoint->raised) {
    if (const absl::Status status = deps_.devices->RaisePod(endpoint->device); !status.ok()) {
      endpoint->problem = std::string(status.message());
      return Answer(endpoint, Annotate(status, absl::StrCat("device ", endpoint->spec.ifname())));
    }
    endpoint->raised = true;
  }
  endpoint->state = state;
  if (state == v1::ENDPOINT_READY) endpoint->problem.clear();
  Answer(endpoint, absl::OkStatus());
}

void EndpointManager::Answer(Endpoint* endpoint, const absl::Status& status) {
  if (endpoint->waiters.empty()) return;
  v1::AgentReply reply = ReplyOf(status);
  if (status.ok() && endpoint->state != v1::ENDPOINT_READY) {
    reply.set_message(absl::StrCat(
        "started ", endpoint->state == v1::ENDPOINT_LOCKED_DOWN ? "locked down" : "unregistered", ": ",
        endpoint->problem.empty() ? "the control plane is out of reach" : endpoint->problem));
  }
  *reply.mutable_added()->mutable_endpoint() = Describe(*endpoint);
  reply.mutable_added()->set_host_mac(endpoint->device.host_mac);
  for (Waiter& waiter : std::exchange(endpoint->waiters, {})) {
    deps_.executor->Cancel(waiter.timer);
    waiter.done(reply);
  }
}

void EndpointManager::Close(std::unique_ptr<Endpoint> endpoint, std::function<void(absl::Status)> closed) {
  deps_.pipeline->RemoveLocalEndpoint(endpoint->uid);
  closing_.push_back({endpoint->device, std::move(closed)});
  hooks_.want_flush();
}

void EndpointManager::Del(const v1::EndpointDel& what, absl::Duration deadline, Done done) {
  absl::StatusOr<Id128> uid = Id128{};
  if (!what.uid().empty()) {
    uid = Id128::FromBytes(what.uid());
    if (!uid.ok()) return done(ReplyOf(absl::InvalidArgumentError("uid: want 16 bytes")));
  } else if (what.namespace_().empty() || what.name().empty()) {
    return done(ReplyOf(absl::InvalidArgumentError("want a uid, or a namespace and a name")));
  } else if (const Endpoint* named = FindByName(what.namespace_(), what.name())) {
    uid = named->uid;
  }
  const auto it = endpoints_.find(*uid);
  if (it == endpoints_.end()) {
    // A list that still has it, on disk, would bring it back at the next start.
    const absl::Status kept = unsaved_ ? Save() : absl::OkStatus();
    return done(ReplyOf(Annotate(kept, "cannot keep the removal")));
  }

  std::unique_ptr<Endpoint> endpoint = std::move(it->second);
  endpoints_.erase(it);
  removed_.try_emplace(*uid, false);
  if (const absl::Status status = Save(); !status.ok()) {
    removed_.erase(*uid);
    endpoints_[*uid] = std::move(endpoint);
    return done(ReplyOf(Annotate(status, "cannot keep the removal")));
  }
  Answer(endpoint.get(), absl::CancelledError("the endpoint was deleted meanwhile"));
  // The answer waits for the control plane, but not for ever.
  struct Both {
    Done done;
    Executor::TimerId timer = Executor::kNoTimer;
  };
  auto both = std::make_shared<Both>();
  both->done = std::move(done);
  auto answer = [this, both](const absl::Status& status) {
    if (both->done == nullptr) return;
    deps_.executor->Cancel(both->timer);
    std::exchange(both->done, nullptr)(ReplyOf(status));
  };
  both->timer =
      deps_.executor->PostAfter(std::min(kOfflineAfter, deadline), [alive = alive_.Watch(), answer] {
        if (!alive.expired()) answer(absl::OkStatus());
      });
  Close(std::move(endpoint), [this, uid = *uid, answer](absl::Status status) {
    if (!status.ok()) return answer(status);
    removal_waiters_[uid].push_back(answer);
    Unregister(uid);
  });
}

void EndpointManager::Unregister(const Id128& uid) {
  const auto it = removed_.find(uid);
  if (it == removed_.end() || it->second) return;
  if (!hooks_.node_registered()) return;  // OnProgress comes back here
  it->second = true;
  v1::Request request;
  request.set_request_id(deps_.random->NewId().ToBytes());
  request.mutable_remove_endpoint()->set_uid(uid.ToBytes());
  request.mutable_remove_endpoint()->set_node(options_.node);
  deps_.control->Call("remove-endpoint", std::move(request), kCallTimeout,
                      [this, alive = alive_.Watch(), uid](absl::StatusOr<v1::Reply> reply) {
                        if (alive.expired()) return;
                        const auto removal = removed_.find(uid);
                        if (removal == removed_.end()) return;
                        removal->second = false;
                        if (!reply.ok() && ControlClient::IsTransient(reply.status())) {
                          After(removal_backoff_.Next(), [this, uid] { Unregister(uid); });
                          return;
                        }
                        removal_backoff_.Reset();
                        if (!reply.ok() && !absl::IsNotFound(reply.status())) {
                          spdlog::error("removal refused endpoint={} error=\"{}\"", uid.ToHex(),
                                        reply.status().ToString());
                        }
                        removed_.erase(removal);
                        if (reply.ok()) told_[uid] = {reply->epoch(), reply->revision(), {}};
                        Save().IgnoreError();  // logged; the next one tries again
                        const auto waiters = removal_waiters_.extract(uid);
                        if (!waiters.empty()) {
                          for (const auto& answer : waiters.mapped()) answer(absl::OkStatus());
                        }
                        if (const auto back = endpoints_.find(uid); back != endpoints_.end())
                          Register(back->second.get());
                      });
}

}  // namespace trivium
