#include "controlplane/writer/plan_endpoint.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/writer/addresses.h"
#include "controlplane/writer/identity_allocator.h"
#include "controlplane/writer/kinds.h"
#include "google/protobuf/util/message_differencer.h"
#include "policy/labels.h"

namespace trivium {
namespace {

constexpr int kMaxAddresses = 8;
constexpr int kMaxNamedPorts = 64;

std::map<std::string, std::string> ToMap(const google::protobuf::Map<std::string, std::string>& map) {
  return std::map<std::string, std::string>(map.begin(), map.end());
}

absl::Status CheckNamedPorts(const v1::AddEndpointRequest& request) {
  if (request.named_ports_size() > kMaxNamedPorts) {
    return absl::InvalidArgumentError(
        absl::StrCat(request.named_ports_size(), " named ports; at most ", kMaxNamedPorts));
  }
  std::set<std::pair<std::string, int>> seen;
  for (const v1::NamedPort& port : request.named_ports()) {
    const std::string what = absl::StrCat("named port \"", port.name(), "\"");
    if (port.name().empty() || port.name().size() > 63) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": the name must have 1 to 63 characters"));
    }
    if (port.protocol() != v1::PROTOCOL_TCP && port.protocol() != v1::PROTOCOL_UDP &&
        port.protocol() != v1::PROTOCOL_SCTP) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": the protocol must be TCP, UDP or SCTP"));
    }
    if (port.port() == 0 || port.port() > 65535) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": ", port.port(), " is not a port: want 1 to 65535"));
    }
    if (!seen.emplace(port.name(), port.protocol()).second) {
      return absl::InvalidArgumentError(absl::StrCat(what, ": given twice for one protocol"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckForm(const v1::AddEndpointRequest& request) {
  const absl::StatusOr<Id128> uid = Id128::FromBytes(request.uid());
  if (!uid.ok() || uid->IsZero()) {
    return absl::InvalidArgumentError(
        absl::StrCat("uid: ", request.uid().size(), " bytes given: want 16 that are not all zero"));
  }
  TRIVIUM_RETURN_IF_ERROR(policy::CheckName("namespace", request.namespace_()));
  TRIVIUM_RETURN_IF_ERROR(policy::CheckName("endpoint", request.name()));
  if (!request.service_account().empty()) {
    TRIVIUM_RETURN_IF_ERROR(policy::CheckName("service account", request.service_account()));
  }
  for (const auto& [key, value] : request.labels()) {
    TRIVIUM_RETURN_IF_ERROR(policy::CheckLabel(key, value));
  }
  TRIVIUM_RETURN_IF_ERROR(CheckNamedPorts(request));
  if (request.ips().empty() || request.ips_size() > kMaxAddresses) {
    return absl::InvalidArgumentError(
        absl::StrCat(request.ips_size(), " addresses: want 1 to ", kMaxAddresses));
  }
  std::set<std::string> seen;
  for (const std::string& ip : request.ips()) {
    TRIVIUM_RETURN_IF_ERROR(CheckHostAddress(ip));
    if (!seen.insert(ip).second) {
      return absl::InvalidArgumentError(absl::StrCat("address ", AddressText(ip), ": given twice"));
    }
  }
  return absl::OkStatus();
}

bool InAny(const google::protobuf::RepeatedPtrField<v1::Cidr>& cidrs, const std::string& ip) {
  for (const v1::Cidr& cidr : cidrs) {
    if (Contains(cidr, ip)) return true;
  }
  return false;
}

absl::Status InsideCluster(const PlanContext& context, const std::string& ip) {
  if (context.config.pod_cidrs.empty()) return absl::OkStatus();
  for (const v1::Cidr& cidr : context.config.pod_cidrs) {
    if (Contains(cidr, ip)) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "address ", AddressText(ip), " is in none of the pod CIDRs of cluster ", context.config.cluster,
      ": give the pod an address out of them, or add its CIDR to pod_cidrs in the control plane's "
      "configuration"));
}

absl::Status NotOfNode(const v1::Node& node, const std::string& ip) {
  const auto is = [&ip](const std::string& own) { return own == ip; };
  if (std::any_of(node.addresses().begin(), node.addresses().end(), is)) {
    return absl::AlreadyExistsError(
        absl::StrCat("address ", AddressText(ip), " belongs to node ", node.name(), " itself"));
  }
  if (std::any_of(node.inner_addresses().begin(), node.inner_addresses().end(), is)) {
    return absl::AlreadyExistsError(
        absl::StrCat("address ", AddressText(ip), " is node ", node.name(), "'s own address in the overlay"));
  }
  return absl::OkStatus();
}

// The address lies where this node's pods may have theirs, and is no node's own.
absl::Status CheckPlace(const PlanContext& context, const v1::Node& node, const std::string& ip) {
  TRIVIUM_RETURN_IF_ERROR(InsideCluster(context, ip));
  const bool node_has_family =
      std::any_of(node.pod_cidrs().begin(), node.pod_cidrs().end(),
                  [&ip](const v1::Cidr& cidr) { return cidr.address().size() == ip.size(); });
  if (node_has_family) {
    if (!InAny(node.pod_cidrs(), ip)) {
      return absl::InvalidArgumentError(absl::StrCat("address ", AddressText(ip),
                                                     " is in none of the pod CIDRs that node ", node.name(),
                                                     " registered: give the pod an address out of them"));
    }
    // What lies in a node's pod CIDR is no other node's: their registration has seen to that.
    return NotOfNode(node, ip);
  }
  absl::Status status;
  context.draft->ForEach(v1::KIND_NODE, [&](const v1::Object& object) {
    const v1::Node& other = object.node();
    status.Update(NotOfNode(other, ip));
    if (!InAny(other.pod_cidrs(), ip)) return;
    status.Update(absl::InvalidArgumentError(absl::StrCat(
        "address ", AddressText(ip), " is in a pod CIDR of node ", other.name(), ", not of ", node.name())));
  });
  return status;
}

absl::Status CheckMayActFor(const PlanContext& context, const std::string& node) {
  const Principal& p = context.caller.principal;
  if (p.role == "node" && p.name != node) {
    return absl::PermissionDeniedError(absl::StrCat("node ", p.name, " may not act for node \"", node, "\""));
  }
  return absl::OkStatus();
}

// Removes `key`, an endpoint that the request replaces. A node may replace only what stands on itself.
absl::Status Replace(const PlanContext& context, const std::string& key, const v1::Node& node) {
  const v1::Object* old = context.draft->Find(v1::KIND_ENDPOINT, key);
  if (old == nullptr) return absl::InternalError(absl::StrCat("endpoint ", key, " is indexed but not there"));
  const v1::Endpoint& ep = old->endpoint();
  if (ep.node() != node.number() && context.caller.principal.role == "node") {
    const std::string where = context.draft->index().NodeByNumber(ep.node());
    return absl::AlreadyExistsError(
        absl::StrCat("endpoint ", ep.namespace_(), "/", ep.name(), " exists on node ", where,
                     ": remove it there first (or delete node ", where, " if it is gone)"));
  }
  context.draft->Delete(ObjectKey{v1::KIND_ENDPOINT, key});
  return absl::OkStatus();
}

// Clears the way for the endpoint: same name, another uid, or an address that another owns.
absl::Status ResolveOwners(const PlanContext& context, const v1::AddEndpointRequest& request,
                           const std::string& key, const v1::Node& node) {
  Draft* draft = context.draft;
  const std::string namesake = draft->index().EndpointByName(request.namespace_(), request.name());
  if (!namesake.empty() && namesake != key) TRIVIUM_RETURN_IF_ERROR(Replace(context, namesake, node));
  for (const std::string& ip : request.ips()) {
    const std::string owner = draft->index().EndpointByAddress(context.config.address_space, ip);
    if (owner.empty() || owner == key) continue;
    const v1::Object* object = draft->Find(v1::KIND_ENDPOINT, owner);
    if (object == nullptr) return absl::InternalError(absl::StrCat("endpoint ", owner, " is not there"));
    const v1::Endpoint& ep = object->endpoint();
    const std::string whose =
        absl::StrCat("address ", AddressText(ip), " belongs to endpoint ", ep.namespace_(), "/", ep.name(),
                     " (uid ", owner, ") on node ", draft->index().NodeByNumber(ep.node()));
    // A node's agent never has two pods of one address: it has not told of the other one's removal yet, or a
    // restored backup has brought that one back. It will, and asks again.
    if (ep.node() == node.number() && context.caller.principal.role == "node") {
      return absl::AbortedError(absl::StrCat(whose, ", which has to remove it first"));
    }
    return absl::AlreadyExistsError(absl::StrCat(whose, ": remove that one first or choose another address"));
  }
  return absl::OkStatus();
}

bool SameBesideMeta(const v1::Endpoint& a, v1::Endpoint b) {
  *b.mutable_meta() = a.meta();
  return google::protobuf::util::MessageDifferencer::Equals(a, b);
}

}  // namespace

absl::StatusOr<Planned> PlanAddEndpoint(const PlanContext& context, const v1::AddEndpointRequest& request) {
  TRIVIUM_RETURN_IF_ERROR(CheckMayActFor(context, request.node()));
  const std::string what = DisplayName("endpoint", request.namespace_(), request.name());
  if (absl::Status form = CheckForm(request); !form.ok()) return Annotate(form, what);
  Draft* draft = context.draft;

  const v1::Object* node_object = draft->Find(v1::KIND_NODE, request.node());
  if (node_object == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(what, ": node \"", request.node(),
                                                      "\" is not registered in cluster ",
                                                      context.config.cluster, ": its agent registers it"));
  }
  const v1::Node node = node_object->node();
  const v1::Object* ns = draft->Find(v1::KIND_NAMESPACE, request.namespace_());
  if (ns == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(what, ": namespace \"", request.namespace_(),
                                                      "\" does not exist in cluster ", context.config.cluster,
                                                      ": create it first"));
  }
  const absl::StatusOr<Id128> uid = Id128::FromBytes(request.uid());
  TRIVIUM_RETURN_IF_ERROR(uid.status());
  const std::string key = EndpointKey(*uid);
  const v1::Object* before = draft->Find(v1::KIND_ENDPOINT, key);
  if (before != nullptr && before->endpoint().node() != node.number()) {
    return absl::AlreadyExistsError(absl::StrCat(
        what, ": uid ", key, " is that of endpoint ", before->endpoint().namespace_(), "/",
        before->endpoint().name(), " on node ", draft->index().NodeByNumber(before->endpoint().node())));
  }
  for (const std::string& ip : request.ips()) {
    if (absl::Status place = CheckPlace(context, node, ip); !place.ok()) return Annotate(place, what);
  }
  // Only the meta of the old object is needed from here on: replacing owners may move it.
  v1::Endpoint old;
  if (before != nullptr) old = before->endpoint();
  const bool existed = before != nullptr;
  if (absl::Status owners = ResolveOwners(context, request, key, node); !owners.ok()) {
    return Annotate(owners, what);
  }

  policy::PodLabels pod;
  pod.cluster = context.config.cluster;
  pod.ns = request.namespace_();
  pod.namespace_labels = ToMap(ns->namespace_().labels());
  pod.labels = ToMap(request.labels());
  if (!request.service_account().empty()) pod.service_account = request.service_account();
  TRIVIUM_ASSIGN_OR_RETURN(v1::Identity identity,
                           FindOrAddIdentity(context, policy::IdentityLabels(pod),
                                             std::vector<v1::NamedPort>(request.named_ports().begin(),
                                                                        request.named_ports().end())));

  v1::Object object;
  v1::Endpoint* ep = object.mutable_endpoint();
  ep->mutable_meta()->set_uid(request.uid());
  ep->mutable_meta()->set_generation(existed ? old.meta().generation() + 1 : 1);
  ep->set_namespace_(request.namespace_());
  ep->set_name(request.name());
  ep->set_node(node.number());
  ep->set_identity(identity.id());
  const std::set<std::string> ips(request.ips().begin(), request.ips().end());
  for (const std::string& ip : ips) {
    v1::EndpointAddress* address = ep->add_addresses();
    address->set_space(context.config.address_space);
    address->set_ip(ip);
  }
  if (!existed || !SameBesideMeta(old, *ep)) draft->Upsert(std::move(object));

  Planned planned;
  *planned.reply.mutable_add_endpoint()->mutable_identity() = std::move(identity);
  return planned;
}

absl::StatusOr<Planned> PlanRemoveEndpoint(const PlanContext& context,
                                           const v1::RemoveEndpointRequest& request) {
  TRIVIUM_RETURN_IF_ERROR(CheckMayActFor(context, request.node()));
  const absl::StatusOr<Id128> uid = Id128::FromBytes(request.uid());
  if (!uid.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("uid: ", request.uid().size(), " bytes given: want 16"));
  }
  const std::string key = EndpointKey(*uid);
  const v1::Object* object = context.draft->Find(v1::KIND_ENDPOINT, key);
  if (object == nullptr) return Planned();
  const std::string owner = context.draft->index().NodeByNumber(object->endpoint().node());
  if (owner != request.node()) {
    return absl::PermissionDeniedError(absl::StrCat("endpoint ", object->endpoint().namespace_(), "/",
                                                    object->endpoint().name(), " stands on node ", owner,
                                                    ", not on \"", request.node(), "\""));
  }
  context.draft->Delete(ObjectKey{v1::KIND_ENDPOINT, key});
  return Planned();
}

absl::StatusOr<Planned> PlanChangeEndpoints(const PlanContext& context,
                                            const v1::ChangeEndpointsRequest& request) {
  if (request.add().empty() && request.remove().empty()) {
    return absl::InvalidArgumentError("neither an endpoint to add nor one to remove: want at least one");
  }
  for (int i = 0; i < request.remove_size(); ++i) {
    const absl::Status removed = PlanRemoveEndpoint(context, request.remove(i)).status();
    if (!removed.ok()) return Annotate(removed, absl::StrCat("remove[", i, "]"));
  }
  Planned planned;
  for (int i = 0; i < request.add_size(); ++i) {
    absl::StatusOr<Planned> added = PlanAddEndpoint(context, request.add(i));
    if (!added.ok()) return Annotate(added.status(), absl::StrCat("add[", i, "]"));
    *planned.reply.mutable_change_endpoints()->add_added() = std::move(*added->reply.mutable_add_endpoint());
  }
  return planned;
}

absl::Status ReidentifyNamespace(const PlanContext& context, const v1::Namespace& ns, size_t changes) {
  Draft* draft = context.draft;
  const ClusterIndex::Keys keys = draft->index().EndpointsIn(ns.name());  // a copy: the loop changes it
  // Most pods of a namespace share a few identities: each is translated once.
  std::map<uint32_t, uint32_t> translated;
  for (const std::string& key : keys) {
    if (draft->size() >= changes) return absl::OkStatus();
    const v1::Object* object = draft->Find(v1::KIND_ENDPOINT, key);
    if (object == nullptr) return absl::InternalError(absl::StrCat("endpoint ", key, " is not there"));
    v1::Object changed = *object;
    const uint32_t old_number = changed.endpoint().identity();
    auto it = translated.find(old_number);
    if (it == translated.end()) {
      const v1::Object* identity = draft->Find(v1::KIND_IDENTITY, absl::StrCat(old_number));
      if (identity == nullptr)
        return absl::InternalError(absl::StrCat("identity ", old_number, " is not there"));
      policy::PodLabels pod;
      pod.cluster = context.config.cluster;
      pod.ns = ns.name();
      pod.namespace_labels = ToMap(ns.labels());
      pod.labels = policy::PodLabelsOf(identity->identity());
      std::string account = policy::LabelOf(identity->identity(), policy::kServiceAccountLabel);
      if (!account.empty()) pod.service_account = std::move(account);
      const auto& ports = identity->identity().named_ports();
      TRIVIUM_ASSIGN_OR_RETURN(const v1::Identity fresh,
                               FindOrAddIdentity(context, policy::IdentityLabels(pod),
                                                 std::vector<v1::NamedPort>(ports.begin(), ports.end())));
      it = translated.emplace(old_number, fresh.id()).first;
    }
    if (it->second == old_number) continue;
    changed.mutable_endpoint()->set_identity(it->second);
    draft->Upsert(std::move(changed));
    if (!draft->fits()) return absl::OkStatus();  // the planner reports it
  }
  return absl::OkStatus();
}

}  // namespace trivium
