// What the servers themselves cost: one bare SQL commit, one bare NATS publish to the last of as many
// subscribers, one bare map write, with nothing around them. Beside it every time of the product is judged.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "bench/mesh_files.h"

namespace trivium::bench {

class Floor {
 public:
  // Milliseconds.
  struct Times {
    double sql, nats, map, all;
  };

  // One bare subscriber beside each of the first `subscribers` agents, on the agent's own server and as the
  // agent's own principal; the publisher stands on the control plane's server. What is published is the
  // cluster's last real message, which agents know; `payload` if it is not empty, where nobody else listens.
  static absl::StatusOr<std::unique_ptr<Floor>> Open(const MeshFiles& mesh,
                                                     const ControlPlaneFiles& control_plane,
                                                     size_t subscribers, std::string payload);
  virtual ~Floor() = default;

  // Round `i`, each number once.
  virtual absl::StatusOr<Times> Run(int i) = 0;
  virtual absl::Status CleanUp() = 0;
};

}  // namespace trivium::bench
