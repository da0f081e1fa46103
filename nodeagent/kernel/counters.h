// The datapath's counters, summed over CPUs. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bpf/abi/drop_reasons.h"
#include "bpf/abi/types.h"
#include "nodeagent/kernel/datapath.h"

namespace trivium {

struct Counter {
  int reason = 0;  // 0: passed
  trivium_direction direction = DIRECTION_INGRESS;
  uint64_t packets = 0;
  uint64_t bytes = 0;
};

struct DatapathCounters {
  std::vector<Counter> counters;  // those that are not zero
  uint64_t events_lost = 0;       // events that found the ring buffer full
};

absl::StatusOr<DatapathCounters> ReadCounters(const Datapath& datapath);

// As drop_reasons.h names it; "passed" for 0, "reason N" for a number that this build does not know.
std::string DropReasonName(int reason);

}  // namespace trivium
