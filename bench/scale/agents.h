// Many node agents in one process: the product's App, bus connection, durable copy and pipeline each, on maps
// in memory or in the kernel.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace trivium::bench {

struct AgentsOptions {
  std::string mesh;                 // the folder of `triviumctl mesh init`
  std::vector<std::string> agents;  // names of files in its agent/: which of them run here
  std::string events;               // a named pipe for AppliedEvents
  bool kernel = false;  // maps in the kernel: programs are loaded, pinned nowhere and attached to nothing
  int executors = 0;    // threads that agents share; 0: as many as processors, at most one an agent
  int pods = 0;         // local endpoints of each agent, so that policies have somebody to decide for
};

// Runs until SIGTERM or SIGINT. Prints "ready" once every agent has started and has its pods.
absl::Status RunAgents(const AgentsOptions& options);

}  // namespace trivium::bench
