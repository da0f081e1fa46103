#include "tests/sim/verdicts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bpf/abi/types.h"
#include "policy/cidr.h"
#include "policy/labels.h"
#include "policy/selector.h"

namespace trivium::sim {
namespace {

constexpr size_t kMaxCached = 64;

const v1::Identity* Reserved(uint32_t id) {
  static const std::vector<v1::Identity>* const kAll =
      new std::vector<v1::Identity>(policy::ReservedIdentities());
  for (const v1::Identity& identity : *kAll) {
    if (identity.id() == id) return &identity;
  }
  return nullptr;
}

bool HasLook(const v1::Identity& identity, const std::string& ns, const PodLook& look) {
  const uint32_t port = identity.named_ports().empty() ? 0 : identity.named_ports(0).port();
  return policy::PodLabelsOf(identity) == look.labels &&
         policy::LabelOf(identity, policy::kNamespaceLabel) == ns &&
         policy::LabelOf(identity, policy::kServiceAccountLabel) ==
             (look.service_account.empty() ? "default" : look.service_account) &&
         port == look.named_port;
}

}  // namespace

std::string Flow::ToString() const {
  return absl::StrCat(policy::CidrText(policy::HostPrefix(local)), direction == 0 ? " from " : " to ",
                      policy::CidrText(policy::HostPrefix(remote)), " tcp ", port);
}

Verdicts::Verdicts(const AgentConfig* config) : config_(config) {}

Verdicts::Resolved& Verdicts::Resolve(const Vector& vector) {
  if (const auto it = cache_.find(vector); it != cache_.end()) return it->second;
  if (cache_.size() >= kMaxCached) cache_.clear();
  Resolved& out = cache_[vector];
  out.networks = config_->pod_cidrs;
  for (size_t i = 0; i < vector.size(); ++i) {
    if (vector[i] == nullptr) continue;
    const State& state = *vector[i]->state;
    const bool own = i > 0 && kClusterNames[i - 1] == config_->cluster;
    for (const auto& [key, object] : state) {
      switch (key.kind) {
        case v1::KIND_CLUSTER:
          for (const v1::Cidr& cidr : object->cluster().pod_cidrs()) out.networks.push_back(cidr);
          break;
        case v1::KIND_NODE: {
          const bool here = own && object->node().name() == config_->node;
          for (const std::string& ip : object->node().addresses()) {
            out.nodes[ip] = here ? IDENTITY_HOST : IDENTITY_REMOTE_NODE;
          }
          for (const std::string& ip : object->node().inner_addresses()) {
            out.nodes[ip] = here ? IDENTITY_HOST : IDENTITY_REMOTE_NODE;
          }
          break;
        }
        case v1::KIND_POLICY:
          if (own) out.policies.push_back(&object->policy());
          break;
        case v1::KIND_CIDR_GROUP:
          if (own) out.groups.push_back(&object->cidr_group());
          break;
        case v1::KIND_IDENTITY:
          if (own) out.identities.push_back(&object->identity());
          break;
        case v1::KIND_ENDPOINT: {
          const auto identity = state.find({v1::KIND_IDENTITY, absl::StrCat(object->endpoint().identity())});
          if (identity == state.end()) break;
          for (const auto& address : object->endpoint().addresses()) {
            out.owners[address.ip()] = &identity->second->identity();
          }
          if (own) out.endpoints[key.key] = &identity->second->identity();
          break;
        }
        default:
          break;
      }
    }
  }
  for (const std::string& ip : config_->inner_addresses) out.nodes[ip] = IDENTITY_HOST;
  for (const std::string& ip : config_->underlay_addresses) out.nodes[ip] = IDENTITY_HOST;
  return out;
}

bool Verdicts::Allows(Resolved* resolved, const v1::Identity* subject, const Flow& flow,
                      const Resolved& others) {
  auto& rules = resolved->rule_sets[{subject, flow.direction}];
  if (rules == nullptr) {
    rules = policy::RuleSet::Build(*subject, flow.direction == 0 ? v1::Rule::INGRESS : v1::Rule::EGRESS,
                                   resolved->policies, resolved->groups);
  }
  const v1::Cidr host = policy::HostPrefix(flow.remote);
  policy::PeerRef peer;
  if (const auto owner = others.owners.find(flow.remote); owner != others.owners.end()) {
    peer.identity = owner->second;
  } else if (const auto node = others.nodes.find(flow.remote); node != others.nodes.end()) {
    peer.identity = Reserved(node->second);
  } else {
    if (IsPodNetwork(others, flow.remote)) return false;  // a pod that nobody has told of
    peer.prefix = &host;
  }
  return rules->Decide(peer, v1::PROTOCOL_TCP, flow.port).verdict == policy::Verdict::kAllow;
}

uint32_t Verdicts::OwnerOf(const Vector& vector, const std::string& ip) {
  const Resolved& resolved = Resolve(vector);
  if (const auto owner = resolved.owners.find(ip); owner != resolved.owners.end()) return owner->second->id();
  if (const auto node = resolved.nodes.find(ip); node != resolved.nodes.end()) return node->second;
  return IsPodNetwork(resolved, ip) ? 0 : IDENTITY_WORLD;
}

bool Verdicts::IsPodNetwork(const Resolved& resolved, const std::string& ip) {
  const v1::Cidr host = policy::HostPrefix(ip);
  return std::any_of(resolved.networks.begin(), resolved.networks.end(),
                     [&](const v1::Cidr& network) { return policy::Covers(network, host); });
}

uint32_t Verdicts::Of(const Vector& vector, const Flow& flow, const std::vector<LocalPod>& pods,
                      const Vector* others) {
  if (cache_.size() + 2 > kMaxCached) cache_.clear();  // not between the two
  Resolved& resolved = Resolve(vector);
  const Resolved& remote = others == nullptr ? resolved : Resolve(*others);
  const LocalPod* local = nullptr;
  for (const LocalPod& pod : pods) {
    if (pod.ip == flow.local) local = &pod;
    // An unregistered neighbour may be known to this node already.
    if (pod.ip == flow.remote && !resolved.endpoints.contains(EndpointKey(pod.uid))) {
      return kMayDeny | kMayAllow;
    }
  }
  if (local == nullptr) return kMayDeny;
  if (const auto it = resolved.endpoints.find(EndpointKey(local->uid)); it != resolved.endpoints.end()) {
    return Allows(&resolved, it->second, flow, remote) ? kMayAllow : kMayDeny;
  }
  // Not registered in this state: closed, or judged by an identity of the same look.
  uint32_t may = kMayDeny;
  for (const v1::Identity* identity : resolved.identities) {
    const bool same = std::any_of(local->looks.begin(), local->looks.end(),
                                  [&](const PodLook& look) { return HasLook(*identity, local->ns, look); });
    if (same && Allows(&resolved, identity, flow, remote)) may |= kMayAllow;
  }
  return may;
}

}  // namespace trivium::sim
