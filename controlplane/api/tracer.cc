#include "controlplane/api/tracer.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "controlplane/writer/addresses.h"
#include "policy/cidr.h"
#include "policy/labels.h"
#include "policy/selector.h"
#include "policy/trace.h"
#include "schema/object.h"

namespace trivium {
namespace {

constexpr uint32_t kHost = 1, kRemoteNode = 6;

std::shared_ptr<const v1::Identity> Reserved(uint32_t id) {
  for (v1::Identity& identity : policy::ReservedIdentities()) {
    if (identity.id() == id) return std::make_shared<const v1::Identity>(std::move(identity));
  }
  return nullptr;
}

// Those that stand for somebody who can be an end of a connection.
uint32_t IdentityOf(v1::Entity entity) {
  switch (entity) {
    case v1::ENTITY_HOST:
      return kHost;
    case v1::ENTITY_WORLD:
      return 2;
    case v1::ENTITY_UNMANAGED:
      return 3;
    case v1::ENTITY_HEALTH:
      return 4;
    case v1::ENTITY_INIT:
      return 5;
    case v1::ENTITY_REMOTE_NODE:
      return kRemoteNode;
    case v1::ENTITY_KUBE_APISERVER:
      return 7;
    case v1::ENTITY_INGRESS:
      return 8;
    default:
      return 0;
  }
}

// A mirror's object lives as long as its pointer is held.
std::shared_ptr<const v1::Identity> Held(const Mirror& mirror, uint32_t id) {
  const Mirror::Stored* stored = mirror.FindStored(v1::KIND_IDENTITY, absl::StrCat(id));
  if (stored == nullptr || stored->object == nullptr) return nullptr;
  return std::shared_ptr<const v1::Identity>(stored->object, &stored->object->identity());
}

bool Selects(const v1::Policy& policy, const v1::Identity& identity) {
  return std::any_of(policy.blocks().begin(), policy.blocks().end(), [&](const v1::PolicyBlock& block) {
    return policy::Matches(block.subject(), identity);
  });
}

template <typename Addresses>
bool Has(const Addresses& addresses, const std::string& ip) {
  return std::find(addresses.begin(), addresses.end(), ip) != addresses.end();
}

v1::TraceDirection::Rule RuleMessage(const policy::TracedRule& traced, const std::string& cluster) {
  v1::TraceDirection::Rule out;
  const std::vector<std::string> key = absl::StrSplit(traced.rule.policy, '/');
  if (key.size() == 3) {
    out.set_policy_cluster(cluster);
    out.set_kind(key[0]);
    out.set_namespace_(key[1]);
    out.set_name(key[2]);
  }
  out.set_origin(traced.rule.origin);
  out.set_action(traced.action == policy::Verdict::kAllow ? "allow" : "deny");
  out.set_reason(traced.reason);
  return out;
}

struct Port {
  v1::Protocol protocol = v1::PROTOCOL_TCP;
  uint16_t port = 0;  // as rules see it
};

absl::StatusOr<Port> PortOf(const v1::TraceRequest& request, const v1::Identity* to,
                            const std::string& to_text) {
  Port port;
  if (request.protocol() != v1::PROTOCOL_ANY) port.protocol = request.protocol();
  if (!request.port_name().empty()) {
    std::vector<std::string> there;
    const v1::Identity& named_by = to == nullptr ? v1::Identity::default_instance() : *to;
    for (const v1::NamedPort& named : named_by.named_ports()) {
      const bool wanted = request.protocol() == v1::PROTOCOL_ANY || request.protocol() == named.protocol();
      if (named.name() == request.port_name() && wanted) {
        return Port{named.protocol(), static_cast<uint16_t>(named.port())};
      }
      there.push_back(named.name());
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "port: ", to_text, " has no port named \"", request.port_name(), "\"",
        there.empty() ? "; give a number" : absl::StrCat("; it has ", absl::StrJoin(there, ", "))));
  }
  if (port.protocol == v1::PROTOCOL_ICMP || port.protocol == v1::PROTOCOL_ICMPV6) {
    if (request.port() > 255) {
      return absl::InvalidArgumentError(absl::StrCat("port: ", request.port(), " is no ICMP type: 0 to 255"));
    }
    port.port = static_cast<uint16_t>(request.port() << 8);
    return port;
  }
  if (request.port() == 0 || request.port() > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("port: ", request.port(), " is no port: want 1 to 65535"));
  }
  port.port = static_cast<uint16_t>(request.port());
  return port;
}

}  // namespace

absl::StatusOr<const ClusterMirror*> Tracer::ClusterOf(const std::string& name) {
  const std::string wanted = name.empty() ? own_->ref().name : name;
  const Mirrors::Entry* entry = wanted == kMeshCluster ? nullptr : mirrors_->Find(wanted);
  if (entry == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("cluster \"", wanted, "\" does not exist: `get clusters` lists those that do"));
  }
  if (!entry->mirror->loaded()) {
    return absl::UnavailableError(absl::StrCat("cluster ", wanted, " is not loaded yet: try again"));
  }
  rests_on_.insert(wanted);
  return entry->mirror.get();
}

absl::StatusOr<Tracer::End> Tracer::PodEnd(const ClusterMirror& mirror, const v1::Endpoint& endpoint) {
  End end;
  end.cluster = mirror.ref().name;
  end.text = absl::StrCat(end.cluster, "/", endpoint.namespace_(), "/", endpoint.name());
  end.node = endpoint.node();
  end.is_pod = true;
  end.identity = Held(mirror.mirror(), endpoint.identity());
  if (end.identity == nullptr) {
    return absl::UnavailableError(absl::StrCat(end.text, ": its identity ", endpoint.identity(),
                                               " is not in the log of ", end.cluster, ": try again"));
  }
  return end;
}

absl::StatusOr<Tracer::End> Tracer::FindPod(const v1::TraceEnd::Pod& pod) {
  TRIVIUM_ASSIGN_OR_RETURN(const ClusterMirror* mirror, ClusterOf(pod.cluster()));
  for (const auto& [key, stored] : mirror->mirror().All(v1::KIND_ENDPOINT)) {
    const v1::Endpoint& endpoint = stored.object->endpoint();
    if (endpoint.namespace_() == pod.namespace_() && endpoint.name() == pod.name()) {
      return PodEnd(*mirror, endpoint);
    }
  }
  return absl::NotFoundError(absl::StrCat("endpoint ", pod.namespace_(), "/", pod.name(),
                                          " does not exist in cluster ", mirror->ref().name));
}

absl::StatusOr<Tracer::End> Tracer::FindLabels(const v1::TraceEnd::Labels& labels) {
  TRIVIUM_ASSIGN_OR_RETURN(const ClusterMirror* mirror, ClusterOf(labels.cluster()));
  const v1::Object* ns = mirror->mirror().Find(v1::KIND_NAMESPACE, labels.namespace_());
  if (ns == nullptr) {
    return absl::NotFoundError(absl::StrCat("namespace \"", labels.namespace_(),
                                            "\" does not exist in cluster ", mirror->ref().name));
  }
  policy::PodLabels pod;
  pod.cluster = mirror->ref().name;
  pod.ns = labels.namespace_();
  pod.namespace_labels = {ns->namespace_().labels().begin(), ns->namespace_().labels().end()};
  pod.labels = {labels.labels().begin(), labels.labels().end()};
  for (const auto& [key, value] : pod.labels) TRIVIUM_RETURN_IF_ERROR(policy::CheckLabel(key, value));
  if (!labels.service_account().empty()) pod.service_account = labels.service_account();
  const std::vector<v1::Label> wanted = policy::IdentityLabels(pod);

  End end;
  end.cluster = pod.cluster;
  end.is_pod = true;
  end.text = absl::StrCat(
      "a pod of ", end.cluster, "/", pod.ns, " with ",
      pod.labels.empty() ? "no labels" : absl::StrJoin(pod.labels, ",", absl::PairFormatter("=")));
  // Pods that have these labels lend their number and named ports; those with the lowest, if they differ.
  uint32_t lowest = 0;
  const std::string form = policy::CanonicalForm(wanted, {});
  for (const auto& [key, stored] : mirror->mirror().All(v1::KIND_IDENTITY)) {
    const v1::Identity& identity = stored.object->identity();
    if (lowest != 0 && identity.id() > lowest) continue;
    if (policy::CanonicalForm({identity.labels().begin(), identity.labels().end()}, {}) == form) {
      lowest = identity.id();
    }
  }
  if (lowest != 0) {
    end.identity = Held(mirror->mirror(), lowest);
    return end;
  }
  auto made = std::make_shared<v1::Identity>();
  for (const v1::Label& label : wanted) *made->add_labels() = label;
  end.identity = std::move(made);
  return end;
}

absl::StatusOr<Tracer::End> Tracer::FindAddress(const std::string& ip) {
  if (ip.size() != 4 && ip.size() != 16) {
    return absl::InvalidArgumentError(absl::StrCat("an address of ", ip.size(), " bytes: want 4 or 16"));
  }
  const v1::Cidr host = policy::HostPrefix(ip);
  const Mirror& mesh = mirrors_->mesh()->mirror();
  const v1::Object* own = mesh.Find(v1::KIND_CLUSTER, own_->ref().name);
  const uint32_t space = own == nullptr ? 0 : own->cluster().address_space();
  std::string network_of;  // whose pod network holds the address
  for (const auto& [name, stored] : mesh.All(v1::KIND_CLUSTER)) {
    const v1::Cluster& cluster = stored.object->cluster();
    const absl::StatusOr<const ClusterMirror*> mirror = ClusterOf(name);
    if (!mirror.ok()) continue;
    const Mirror& objects = (*mirror)->mirror();
    for (const auto& [key, node] : objects.All(v1::KIND_NODE)) {
      const v1::Node& each = node.object->node();
      if (!Has(each.addresses(), ip) && !Has(each.inner_addresses(), ip)) continue;
      End end;
      end.cluster = name;
      end.text = absl::StrCat("node ", name, "/", each.name());
      end.node = each.number();
      end.is_node = true;
      return end;
    }
    const auto covers = [&host](const v1::Cidr& cidr) { return policy::Covers(cidr, host); };
    const bool covered = std::any_of(cluster.pod_cidrs().begin(), cluster.pod_cidrs().end(), covers);
    if (cluster.address_space() != space || (!covered && !cluster.pod_cidrs().empty())) continue;
    if (covered) network_of = name;
    for (const auto& [key, endpoint] : objects.All(v1::KIND_ENDPOINT)) {
      for (const v1::EndpointAddress& address : endpoint.object->endpoint().addresses()) {
        if (address.space() == space && address.ip() == ip) {
          return PodEnd(**mirror, endpoint.object->endpoint());
        }
      }
    }
  }
  End end;
  if (!network_of.empty()) {
    end.cluster = network_of;
    end.text = absl::StrCat(AddressText(ip), " (in the pod network of ", network_of, ", no such pod known)");
    return end;
  }
  end.text = absl::StrCat(AddressText(ip), " (world)");
  end.prefix = host;
  return end;
}

absl::StatusOr<Tracer::End> Tracer::Find(const v1::TraceEnd& wanted) {
  switch (wanted.end_case()) {
    case v1::TraceEnd::kPod:
      return FindPod(wanted.pod());
    case v1::TraceEnd::kLabels:
      return FindLabels(wanted.labels());
    case v1::TraceEnd::kIp:
      return FindAddress(wanted.ip());
    case v1::TraceEnd::kEntity: {
      End end;
      end.identity = Reserved(IdentityOf(wanted.entity()));
      if (end.identity == nullptr) {
        return absl::InvalidArgumentError(
            "that entity is no end of a connection; write host, remote-node, world, kube-apiserver, health, "
            "init, unmanaged or ingress");
      }
      end.text = end.identity->labels(0).key().substr(sizeof("reserved:") - 1);
      return end;
    }
    default:
      return absl::InvalidArgumentError("want a pod, labels, an address or an entity");
  }
}

void Tracer::TellHost(End* end, const End& other) {
  if (!end->is_node) return;
  const bool own =
      other.is_pod && other.node != 0 && other.cluster == end->cluster && other.node == end->node;
  end->identity = Reserved(own ? kHost : kRemoteNode);
  absl::StrAppend(&end->text, own ? " (host)" : " (remote-node)");
}

v1::TraceDirection Tracer::Judge(const End& subject, const End& peer, v1::Rule::Direction direction,
                                 v1::Protocol protocol, uint16_t port) {
  v1::TraceDirection out;
  const bool in = direction == v1::Rule::INGRESS;
  const bool subject_known = subject.identity != nullptr || subject.prefix.has_value();
  const bool peer_known = peer.identity != nullptr || peer.prefix.has_value();
  if (!subject_known || !peer_known) {
    out.set_verdict("denied");
    out.set_reason(absl::StrCat((subject_known ? peer : subject).text,
                                ": dropped, whatever policies say, until somebody has that address"));
    return out;
  }
  if (!subject.is_pod) {
    out.set_verdict("allowed");
    out.set_reason(absl::StrCat(in ? "the destination" : "the source", " is no pod: no policy is about its ",
                                in ? "ingress" : "egress"));
    return out;
  }
  const Mirror& mirror = mirrors_->Find(subject.cluster)->mirror->mirror();
  std::vector<const v1::Policy*> policies;
  for (const auto& [key, stored] : mirror.All(v1::KIND_POLICY)) {
    if (Selects(stored.object->policy(), *subject.identity)) policies.push_back(&stored.object->policy());
  }
  std::vector<const v1::CidrGroup*> groups;
  for (const auto& [key, stored] : mirror.All(v1::KIND_CIDR_GROUP)) {
    groups.push_back(&stored.object->cidr_group());
  }
  policy::TraceQuery query;
  query.subject = subject.identity.get();
  query.direction = direction;
  query.peer.identity = peer.identity.get();
  query.peer.prefix = peer.prefix.has_value() ? &*peer.prefix : nullptr;
  query.protocol = protocol;
  query.port = port;
  const policy::Trace trace = policy::Explain(query, policies, groups);
  out.set_verdict(trace.decision.verdict == policy::Verdict::kAllow ? "allowed" : "denied");
  out.set_reason(trace.reason);
  out.set_selected(!trace.selecting.empty());
  for (const auto& rule : trace.matching) *out.add_decided_by() = RuleMessage(rule, subject.cluster);
  for (const auto& rule : trace.selecting) *out.add_selecting() = RuleMessage(rule, subject.cluster);
  for (auto& rule : *out.mutable_selecting()) rule.clear_action();
  for (const auto& rule : trace.would_allow) *out.add_would_allow() = RuleMessage(rule, subject.cluster);
  if (out.verdict() == "denied") NoteAudit(subject, &out);
  return out;
}

// Agents report how many of their endpoints are audited, not which: all of them, or perhaps this one.
void Tracer::NoteAudit(const End& subject, v1::TraceDirection* out) const {
  if (subject.node == 0 || subject.cluster != own_->ref().name) return;
  for (const auto& [key, stored] : own_->mirror().All(v1::KIND_NODE)) {
    if (stored.object->node().number() != subject.node) continue;
    const AgentTable::Entry* agent = agents_->Find(stored.object->node().name());
    if (agent == nullptr || agent->status.audited_endpoints() == 0) return;
    out->set_audit(agent->status.audited_endpoints() >= agent->status.endpoints());
    if (out->audit()) return;
    out->set_reason(absl::StrCat(out->reason(), " (unless it is one of the ",
                                 agent->status.audited_endpoints(), " endpoints in audit mode on node ",
                                 stored.object->node().name(), ")"));
  }
}

absl::StatusOr<v1::TraceResult> Tracer::Trace(const v1::TraceRequest& request) {
  rests_on_ = {own_->ref().name};
  absl::StatusOr<End> from = Find(request.from());
  TRIVIUM_RETURN_IF_ERROR(Annotate(from.status(), "from"));
  absl::StatusOr<End> to = Find(request.to());
  TRIVIUM_RETURN_IF_ERROR(Annotate(to.status(), "to"));
  TellHost(&*from, *to);
  TellHost(&*to, *from);
  TRIVIUM_ASSIGN_OR_RETURN(const Port port, PortOf(request, to->identity.get(), to->text));

  v1::TraceResult result;
  *result.mutable_egress() = Judge(*from, *to, v1::Rule::EGRESS, port.protocol, port.port);
  *result.mutable_ingress() = Judge(*to, *from, v1::Rule::INGRESS, port.protocol, port.port);
  const bool allowed = result.egress().verdict() == "allowed" && result.ingress().verdict() == "allowed";
  result.set_verdict(allowed ? "allowed" : "denied");
  result.set_from(from->text);
  result.set_to(to->text);
  if (from->identity != nullptr) {
    result.set_from_identity(from->identity->id());
    *result.mutable_from_labels() = from->identity->labels();
  }
  if (to->identity != nullptr) {
    result.set_to_identity(to->identity->id());
    *result.mutable_to_labels() = to->identity->labels();
  }
  for (const std::string& cluster : rests_on_) {
    *result.add_at() = mirrors_->Find(cluster)->mirror->replica().head();
    result.mutable_at(result.at_size() - 1)->set_cluster(cluster);
  }
  return result;
}

}  // namespace trivium
