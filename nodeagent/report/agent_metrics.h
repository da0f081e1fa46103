// What the agent shows of itself to Prometheus: docs/metrics.md explains each. Runs on the agent's executor.
#pragma once

#include <cstdint>

#include "metrics/page.h"
#include "nodeagent/app.h"

namespace trivium {

// `events_lost`: flow events that found the ring buffer full.
void CollectAgent(const AgentApp& app, uint64_t events_lost, MetricsPage* page);

}  // namespace trivium
