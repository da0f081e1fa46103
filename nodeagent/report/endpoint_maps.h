// One endpoint's part of the kernel's maps beside what it should be: how `triviumctl endpoint get --maps`
// shows whether a policy stands. Not thread-safe.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "nodeagent/desired/pipeline.h"
#include "nodeagent/reconcile/map_io.h"
#include "trivium/v1/agent_api.pb.h"

namespace trivium {

// Its addresses, its rule sets in both directions, their classes and verdicts, read anew from the kernel.
// What differs comes first; at most `limit` entries.
absl::StatusOr<v1::EndpointMapsResult> EndpointMaps(MapIo* io, const Pipeline& pipeline, uint32_t space,
                                                    const v1::LocalEndpoint& endpoint, uint32_t limit);

}  // namespace trivium
