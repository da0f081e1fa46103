// The load generator: populates clusters, then offers changes at a steady rate (open loop: what is late is
// counted from when it was due), and finds for each the moment when the last agent's maps held it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace trivium::bench {

struct LoadRow {
  std::string name;
  double rate = 0;  // changes a second over all clusters
  double seconds = 10;
};

struct LoadOptions {
  std::string mesh;    // the folder of `triviumctl mesh init`
  std::string events;  // the named pipe that agents write AppliedEvents to; made by the caller
  std::vector<std::string>
      agents;  // which run, as files of the mesh's agent/; other nodes are only registered
  std::vector<std::string> clusters;  // whose state changes; each needs an operator in the mesh's files
  int endpoints = 1000;               // of each
  int identities = 100;
  int policies = 20;
  int together = 1;  // changes of endpoints in one request
  uint64_t seed = 1;
  std::vector<int> control_plane_pids;  // whose CPU time and memory count
  std::vector<LoadRow> rows;
};

// Registers the nodes, makes the population, prints "populated"; then waits for the agents' process number on
// standard input. Prints a JSON line a row on standard output, progress on standard error.
absl::Status RunLoad(const LoadOptions& options);

}  // namespace trivium::bench
