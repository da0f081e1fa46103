// What `triviumctl mesh init` wrote, as far as measurements need it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/bare_nats.h"

namespace trivium::bench {

struct AgentFiles {
  std::string cluster;
  std::string node;
  std::string pin_root;
  std::string underlay;  // its first underlay address
  std::string network;   // its first pod CIDR: 4 bytes, length
  uint32_t length = 0;
  BareNatsOptions nats;
};

struct ControlPlaneFiles {
  std::string cluster;
  uint32_t cluster_id = 0;
  BareNatsOptions nats;
  std::string sql;  // a libpq connection string
};

struct MeshFiles {
  std::vector<AgentFiles> agents;
  std::vector<ControlPlaneFiles> control_planes;
  std::vector<std::pair<std::string, BareNatsOptions>> operators;  // by cluster
};

// `folder`: what was given to -o.
absl::StatusOr<MeshFiles> ReadMeshFiles(const std::string& folder);

}  // namespace trivium::bench
