// What a control plane process is made of: the world outside, behind interfaces. Nothing is owned.
#pragma once

#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "bus/bus.h"
#include "controlplane/store/store.h"

namespace trivium {

struct Drivers {
  Store* store = nullptr;
  Bus* bus = nullptr;
  Executor* executor = nullptr;
  Clock* clock = nullptr;
  Random* random = nullptr;
};

}  // namespace trivium
