// Randomness as an interface, so that the simulation can replay it.
#pragma once

#include <cstdint>

#include "base/id128.h"

namespace trivium {

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  // Uniform in [0, bound). bound > 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  Id128 NewId() { return Id128{Next(), Next()}; }
};

// The kernel's generator; lives for ever; thread-safe. Aborts the process if the kernel refuses randomness.
Random* RealRandom();

}  // namespace trivium
