#include "controlplane/reachability/changes.h"

#include <algorithm>
#include <memory>
#include <string>

#include "policy/selector.h"

namespace trivium {
namespace {

// From so many changed policies on, comparing each with each identity costs more than it spares.
constexpr size_t kFewPolicies = 32;

bool SameMeaning(const v1::Identity& a, const v1::Identity& b) {
  const auto same_label = [](const v1::Label& x, const v1::Label& y) {
    return x.key() == y.key() && x.value() == y.value();
  };
  const auto same_port = [](const v1::NamedPort& x, const v1::NamedPort& y) {
    return x.name() == y.name() && x.protocol() == y.protocol() && x.port() == y.port();
  };
  return std::equal(a.labels().begin(), a.labels().end(), b.labels().begin(), b.labels().end(), same_label) &&
         std::equal(a.named_ports().begin(), a.named_ports().end(), b.named_ports().begin(),
                    b.named_ports().end(), same_port);
}

// Calls `each` with what is in one of the maps, or in both and not the same: (before, after), null where it
// is not.
template <typename Map, typename Same, typename Each>
void Differences(const Map& before, const Map& after, Same same, Each each) {
  const typename Map::mapped_type* const nothing = nullptr;
  auto a = before.begin();
  auto b = after.begin();
  while (a != before.end() || b != after.end()) {
    if (b == after.end() || (a != before.end() && a->first < b->first)) {
      each(a->first, &a->second, nothing);
      ++a;
    } else if (a == before.end() || b->first < a->first) {
      each(b->first, nothing, &b->second);
      ++b;
    } else {
      if (!same(a->second, b->second)) each(a->first, &a->second, &b->second);
      ++a, ++b;
    }
  }
}

bool UsesGroups(const v1::Policy& policy) {
  for (const v1::PolicyBlock& block : policy.blocks()) {
    for (const v1::Rule& rule : block.rules()) {
      for (const v1::Peer& peer : rule.peers()) {
        if (peer.has_cidr() && !peer.cidr().has_cidr()) return true;
      }
    }
  }
  return false;
}

}  // namespace

ReachabilityChanges ChangesBetween(const ReachabilityWorld& before, const ReachabilityWorld& after) {
  ReachabilityChanges changes;
  using Peer = ReachabilityWorld::Peer;
  const auto same_peer = [](const Peer& a, const Peer& b) {
    return a.own == b.own && a.home == b.home && a.cluster_id == b.cluster_id &&
           (a.identity == b.identity || SameMeaning(*a.identity, *b.identity));
  };
  Differences(before.peers, after.peers, same_peer, [&](uint32_t id, const Peer* was, const Peer* is) {
    changes.peers.push_back(id);
    if (is != nullptr && is->own) changes.subjects.push_back(id);
    if (was != nullptr && was->own && (is == nullptr || !is->own)) changes.gone_subjects.push_back(id);
  });

  std::vector<const v1::Policy*> policies;
  Differences(
      before.policies, after.policies, [](const auto& a, const auto& b) { return a == b; },
      [&](const std::string&, const auto* was, const auto* is) {
        if (was != nullptr) policies.push_back(was->get());
        if (is != nullptr) policies.push_back(is->get());
      });
  bool groups = false;
  Differences(
      before.groups, after.groups, [](const auto& a, const auto& b) { return a == b; },
      [&](const std::string&, const auto*, const auto*) { groups = true; });
  for (const auto& [key, policy] : after.policies) {
    if (groups && UsesGroups(*policy)) policies.push_back(policy.get());
  }
  if (policies.empty()) return changes;
  for (const auto& [id, peer] : after.peers) {
    if (!peer.own) continue;
    const auto selects = [&, identity = peer.identity.get()](const v1::Policy* policy) {
      return policy::Selects(*policy, *identity);
    };
    if (policies.size() > kFewPolicies || std::any_of(policies.begin(), policies.end(), selects)) {
      changes.subjects.push_back(id);
    }
  }
  std::sort(changes.subjects.begin(), changes.subjects.end());
  changes.subjects.erase(std::unique(changes.subjects.begin(), changes.subjects.end()),
                         changes.subjects.end());
  return changes;
}

}  // namespace trivium
