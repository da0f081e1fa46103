#include "policy/peer_match.h"

#include <algorithm>
#include <array>

#include "policy/labels.h"
#include "policy/selector.h"

namespace trivium::policy {
namespace {

// Which identities an entity names; the numbers are the field's.
constexpr uint32_t kHost = 1, kWorld = 2, kUnmanaged = 3, kHealth = 4, kInit = 5, kRemoteNode = 6,
                   kKubeApiserver = 7, kIngress = 8;

bool EntityHasIdentity(v1::Entity entity, const v1::Identity& identity, const std::string& cluster) {
  const uint32_t id = identity.id();
  switch (entity) {
    case v1::ENTITY_ALL:
      return true;
    case v1::ENTITY_WORLD:
      return id == kWorld;
    case v1::ENTITY_CLUSTER:
      // The cluster's own endpoints, and what belongs to no policy's labels but is inside: nodes and the
      // rest.
      return id == kHost || (id >= kUnmanaged && id <= kIngress) ||
             LabelOf(identity, kClusterLabel) == cluster;
    case v1::ENTITY_HOST:
      return id == kHost;
    case v1::ENTITY_REMOTE_NODE:
      return id == kRemoteNode || id == kKubeApiserver;  // as their labels say
    case v1::ENTITY_KUBE_APISERVER:
      return id == kKubeApiserver;
    case v1::ENTITY_INIT:
      return id == kInit;
    case v1::ENTITY_HEALTH:
      return id == kHealth;
    case v1::ENTITY_UNMANAGED:
      return id == kUnmanaged;
    case v1::ENTITY_INGRESS:
      return id == kIngress;
    default:
      return false;  // none, and the two families of world: those are told by prefixes
  }
}

bool EntityHasPrefix(v1::Entity entity, const v1::Cidr& prefix) {
  switch (entity) {
    case v1::ENTITY_ALL:
    case v1::ENTITY_WORLD:
      return true;
    case v1::ENTITY_WORLD_IPV4:
      return prefix.address().size() == 4;
    case v1::ENTITY_WORLD_IPV6:
      return prefix.address().size() == 16;
    default:
      return false;
  }
}

// What is outside the mesh, as selectors of labels see it.
const v1::Identity& External(const v1::Cidr& prefix) {
  static const auto* const externals = [] {
    auto* made = new std::array<v1::Identity, 2>();
    const char* const families[] = {kWorldIpv4Label, kWorldIpv6Label};
    for (size_t i = 0; i < made->size(); ++i) {
      (*made)[i].set_id(kWorld);
      (*made)[i].add_labels()->set_key(kWorldLabel);
      (*made)[i].add_labels()->set_key(families[i]);
    }
    return made;
  }();
  return (*externals)[prefix.address().size() == 4 ? 0 : 1];
}

bool CidrPeerHas(const v1::CidrPeer& peer, const v1::Cidr& prefix) {
  return Covers(peer.cidr(), prefix) && std::none_of(peer.except().begin(), peer.except().end(),
                                                     [&](const v1::Cidr& e) { return Covers(e, prefix); });
}

}  // namespace

bool NamesFamily(const v1::Selector& selector) {
  return std::any_of(selector.requirements().begin(), selector.requirements().end(),
                     [](const v1::Requirement& requirement) {
                       const absl::string_view key = requirement.key();
                       return key == kWorldIpv4Label || key == kWorldIpv6Label;
                     });
}

bool PeerMatches(const v1::Peer& peer, const PeerRef& party, const std::string& cluster) {
  if (party.prefix != nullptr) {
    if (peer.has_labels()) return Matches(peer.labels(), External(*party.prefix));
    if (peer.has_cidr()) return CidrPeerHas(peer.cidr(), *party.prefix);
    return peer.peer_case() == v1::Peer::kEntity && EntityHasPrefix(peer.entity(), *party.prefix);
  }
  if (peer.has_labels()) return Matches(peer.labels(), *party.identity);
  return peer.peer_case() == v1::Peer::kEntity && EntityHasIdentity(peer.entity(), *party.identity, cluster);
}

}  // namespace trivium::policy
