// What the relay shows of itself to Prometheus: docs/metrics.md explains each. Runs on its executor.
#pragma once

#include "controlplane/relay/cluster_relay.h"
#include "metrics/page.h"

namespace trivium {

void CollectRelay(const ClusterRelay& relay, MetricsPage* page);

}  // namespace trivium
