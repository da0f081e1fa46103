// The configuration of the NATS server that holds a cluster's events for third parties (docs/events.md).
// Pure.
//
// It is joined with no other server: what third parties do to it reaches no agent. The streams are in an
// account that only relays log in to; each subscriber has an account of its own, into which its consumers'
// requests, acknowledgements and live events are imported, and nothing else. (In the streams' own account a
// subscriber could have the server send its answers, by way of the reply subject of a request, to any
// subject, and so into a stream.)
#pragma once

#include <string>

#include "cli/mesh/mesh_spec.h"

namespace trivium::cli {

// Of a cluster that has events. Certificate paths are relative to `folder` (absolute).
std::string EventsServerConfig(const ClusterSpec& cluster, const std::string& folder);

}  // namespace trivium::cli
