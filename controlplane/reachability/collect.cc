#include "controlplane/reachability/collect.h"

#include <string>

#include "policy/labels.h"
#include "schema/object.h"

namespace trivium {

std::vector<ClusterPosition> CollectPositions(const Mirrors& mirrors, const ClusterMirror& own) {
  const auto at = [](const ClusterMirror& mirror) {
    return ClusterPosition{mirror.ref().name, mirror.position().epoch, mirror.position().revision};
  };
  std::vector<ClusterPosition> positions = {at(own)};
  for (const auto& [name, entry] : mirrors.all()) {
    if (name != kMeshCluster && entry->mirror.get() != &own) positions.push_back(at(*entry->mirror));
  }
  return positions;
}

ReachabilityWorld CollectWorld(const Mirrors& mirrors, const ClusterMirror& own) {
  ReachabilityWorld world;
  world.positions = CollectPositions(mirrors, own);
  for (v1::Identity& reserved : policy::ReservedIdentities()) {
    const uint32_t id = reserved.id();
    world.peers[id].identity = std::make_shared<const v1::Identity>(std::move(reserved));
  }
  for (const auto& [name, entry] : mirrors.all()) {
    const ClusterMirror& mirror = *entry->mirror;
    for (const auto& [key, stored] : mirror.mirror().All(v1::KIND_IDENTITY)) {
      const v1::Identity& identity = stored.object->identity();
      world.peers[identity.id()] = {std::shared_ptr<const v1::Identity>(stored.object, &identity),
                                    mirror.ref().home, mirror.ref().cluster_id, &mirror == &own};
    }
  }
  for (const auto& [key, stored] : own.mirror().All(v1::KIND_POLICY)) {
    world.policies[key] = {stored.object, &stored.object->policy()};
  }
  for (const auto& [key, stored] : own.mirror().All(v1::KIND_CIDR_GROUP)) {
    world.groups[key] = {stored.object, &stored.object->cidr_group()};
  }
  return world;
}

}  // namespace trivium
