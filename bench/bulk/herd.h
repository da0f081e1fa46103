// Many agents that ask for everything at once, and what live changes meet meanwhile.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "bench/bulk/world.h"

namespace trivium::bench {

struct HerdOptions {
  int agents = 1000;
  int connections = 100;  // that they share
  uint32_t clusters = 250;
  std::string nats;
};

// The herd's own process: connects, says "ready", waits for a line, then asks for everything and says how it
// went. Every agent checks each snapshot's digest and keeps nothing.
absl::Status BeHerd(const HerdOptions& options);

// Rows: live changes (from a request to a real agent's map) alone, and while the herd is served.
absl::StatusOr<nlohmann::json> RunHerd(BulkWorld* world, const std::string& program, HerdOptions options);

}  // namespace trivium::bench
