// The connection to NATS, as both daemons show it.
#pragma once

#include "bus/nats_bus.h"
#include "metrics/page.h"

namespace trivium {

void CollectNats(const NatsCounters& counters, bool connected, MetricsPage* page);

}  // namespace trivium
