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

bool Verdicts::Allows(Resolved* resolved, const v1::Identity* subject, const Flow& flow) {
  auto& rules = resolved->rule_sets[{subject, flow.direction}];
  if (rules == nullptr) {
    rules = policy::RuleSet::Build(*subject, flow.direction == 0 ? v1::Rule::INGRESS : v1::Rule::EGRESS,
                                   resolved->policies);
  }
  const v1::Cidr host = policy::HostPrefix(flow.remote);
  policy::PeerRef peer;
  if (const auto owner = resolved->owners.find(flow.remote); owner != resolved->owners.end()) {
    peer.identity = owner->second;
  } else if (const auto node = resolved->nodes.find(flow.remote); node != resolved->nodes.end()) {
    peer.identity = Reserved(node->second);
  } else {
    for (const v1::Cidr& network : resolved->networks) {
      if (policy::Covers(network, host)) return false;  // a pod that nobody has told of
    }
    peer.prefix = &host;
  }
  return rules->Decide(peer, v1::PROTOCOL_TCP, flow.port).verdict == policy::Verdict::kAllow;
}

uint32_t Verdicts::OwnerOf(const Vector& vector, const std::string& ip) {
  const Resolved& resolved = Resolve(vector);
  const auto owner = resolved.owners.find(ip);
  return owner == resolved.owners.end() ? 0 : owner->second->id();
}

uint32_t Verdicts::Of(const Vector& vector, const Flow& flow, const std::vector<LocalPod>& pods) {
  Resolved& resolved = Resolve(vector);
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
    return Allows(&resolved, it->second, flow) ? kMayAllow : kMayDeny;
  }
  // Not registered in this state: closed, or judged by an identity of the same labels.
  uint32_t may = kMayDeny;
  for (const v1::Identity* identity : resolved.identities) {
    const bool same = std::all_of(local->labels.begin(), local->labels.end(), [&](const auto& label) {
      return std::any_of(identity->labels().begin(), identity->labels().end(), [&](const v1::Label& l) {
        return l.key() == "k8s:" + label.first && l.value() == label.second;
      });
    });
    if (same && Allows(&resolved, identity, flow)) may |= kMayAllow;
  }
  return may;
}

}  // namespace trivium::sim
