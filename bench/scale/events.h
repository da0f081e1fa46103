// What agents tell the load generator: when an agent's maps first held a revision of a cluster. One record a
// write of the `vector` map, over a named pipe, whole records at most PIPE_BUF bytes at once; CLOCK_MONOTONIC
// is one clock for the whole machine.
#pragma once

#include <cstdint>

namespace trivium::bench {

struct AppliedEvent {
  uint32_t agent;
  uint32_t cluster;
  uint64_t epoch;
  uint64_t revision;
  int64_t at_ns;
};
static_assert(sizeof(AppliedEvent) == 32);

int64_t NowNs();

}  // namespace trivium::bench
