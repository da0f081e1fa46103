// What reachability follows from, as it was at one moment: pointers into mirrors, which keep what they point
// to. Value type.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/store/reachability.h"
#include "trivium/v1/objects.pb.h"

namespace trivium {

struct ReachabilityWorld {
  struct Peer {
    std::shared_ptr<const v1::Identity> identity;
    uint32_t home = 0;
    uint32_t cluster_id = 0;  // with `home`, whose; 0 for reserved identities
    bool own = false;         // of the cluster whose policies these are: a subject of them, too
  };

  std::vector<ClusterPosition> positions;  // the cluster's own first
  std::map<uint32_t, Peer> peers;          // every identity of the mesh, and the reserved ones
  std::map<std::string, std::shared_ptr<const v1::Policy>> policies;   // of the cluster, by key
  std::map<std::string, std::shared_ptr<const v1::CidrGroup>> groups;  // of the cluster, by key
};

}  // namespace trivium
