// The configuration of one NATS server of the mesh: TLS with client certificates mapped to users, one user
// per principal with allow lists alone, routes inside the cluster, gateways to every other. Pure.
#pragma once

#include <string>

#include "cli/mesh/mesh_spec.h"
#include "cli/mesh/nats_text.h"

namespace trivium::cli {

// The server called `server` of `cluster`. Certificate paths are relative to `folder` (absolute): ca.crt and
// nats/<server>.crt|key.
std::string NatsServerConfig(const MeshSpec& mesh, const ClusterSpec& cluster, const NatsServerSpec& server,
                             const std::string& folder);

}  // namespace trivium::cli
