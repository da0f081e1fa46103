// The kernel's maps as text, for people and tests. Not thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "nodeagent/desired/pipeline.h"
#include "nodeagent/reconcile/map_io.h"
#include "trivium/v1/agent_api.pb.h"

namespace trivium {

// Reads the map of that name, or all if it is empty. kNotFound names the maps there are.
absl::StatusOr<v1::MapsResult> DumpMaps(MapIo* io, const Pipeline& pipeline, const std::string& name,
                                        uint32_t limit);

// Parts of a record: what it is about, what it says, and the rule that a verdict comes from ("" for others).
std::string KeyText(MapId map, absl::string_view key);
std::string ValueText(MapId map, absl::string_view value);
std::string RuleText(MapId map, absl::string_view value, const Pipeline& pipeline);
// One record: "10.1.0.5 -> identity 1234 cluster 1 node 7".
std::string RecordText(MapId map, absl::string_view key, absl::string_view value, const Pipeline& pipeline);

}  // namespace trivium
