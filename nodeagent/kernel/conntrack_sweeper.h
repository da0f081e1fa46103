// Removes conntrack entries that expired, from both maps. The marks of denied flows need it: their map
// forgets nothing by itself. Not thread-safe.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nodeagent/kernel/datapath.h"

namespace trivium {

struct ConntrackSweep {
  size_t allowed = 0;  // entries left
  size_t denied = 0;
  size_t removed = 0;
};

// `now` is of the machine's monotonic clock. An entry that expired less than a minute ago stays: its flow may
// be beginning anew at this instant, and the kernel deletes by key, whatever the entry holds by then.
absl::StatusOr<ConntrackSweep> SweepConntrack(const Datapath& datapath, absl::Duration now);

}  // namespace trivium
