// Endpoints of a node as people read them. Pure.
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "cli/style.h"
#include "trivium/v1/agent_api.pb.h"

namespace trivium::cli {

// "shop/db" in two; kInvalidArgument otherwise.
absl::StatusOr<std::pair<std::string, std::string>> ParseEndpointName(const std::string& text);

// "ready", "locked-down", ...
std::string StateText(v1::EndpointState state);

// Everything that the agent says of one, a line for each field.
std::string EndpointText(const v1::LocalEndpoint& endpoint, const Style& style);

// The endpoint, its entries in the kernel's maps beside what they should be, and how many differ.
std::string EndpointMapsText(const v1::EndpointMapsResult& maps, const Style& style);

}  // namespace trivium::cli
