// `triviumctl mesh init`: from mesh.yaml to everything that a mesh needs to be started: certificates, NATS
// configuration, and the configuration of every control plane, agent and operator.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/files.h"

namespace trivium::cli {

struct MeshInitOptions {
  std::string spec;    // path of mesh.yaml
  std::string folder;  // where everything goes; made if missing
  Files* files = nullptr;
  Clock* clock = nullptr;
};

struct MeshInitResult {
  std::string mesh;
  int certificates_made = 0;  // those that were there already are kept
  std::vector<std::string> contexts;
};

// Runs again at any time: keeps the authorities, keys and certificates that are there and still right, makes
// what is new, names another host or expires within 30 days, and writes all configuration afresh. Layout of
// `folder`:
//   ca.crt|key           signs clients, and servers as clients see them
//   fabric-ca.crt|key    signs NATS servers as other servers see them (routes, gateways)
//   <cluster>-<role>-<name>.crt|key
//   nats/<server>.conf|crt|key, nats/<server>-fabric.crt|key
//   sql/ca.crt, sql/server.crt|key, sql/trivium_writer.crt|key, sql/trivium_reader.crt|key
//   controlplane/<instance>.yaml, agent/<cluster>-<node>.yaml, triviumctl.yaml
absl::StatusOr<MeshInitResult> MeshInit(const MeshInitOptions& options);

}  // namespace trivium::cli
