// Time as an interface, so that tests and the simulation own it. Thread-safe.
#pragma once

#include "absl/time/time.h"

namespace trivium {

class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time, for people and records. May jump.
  virtual absl::Time Now() const = 0;
  // Time since an arbitrary start; never goes back. For durations and deadlines.
  virtual absl::Duration Monotonic() const = 0;
};

// The machine's clock; lives for ever.
Clock* RealClock();

}  // namespace trivium
