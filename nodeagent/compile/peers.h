// Whom rule sets judge: identities of the mesh, reserved ones, and this node's CIDR identities. Not
// thread-safe.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "policy/rule_set.h"

namespace trivium {

struct Peer {
  std::shared_ptr<const v1::Object> object;  // holds an identity; null for a CIDR identity
  v1::Cidr prefix;
  uint32_t cluster = 0;  // whose identity; 0 for reserved and CIDR identities

  policy::PeerRef ref() const {
    policy::PeerRef ref;
    if (object != nullptr) {
      ref.identity = &object->identity();
    } else {
      ref.prefix = &prefix;
    }
    return ref;
  }
};

// By identity number.
using Peers = absl::flat_hash_map<uint32_t, Peer>;

}  // namespace trivium
