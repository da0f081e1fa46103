// What the control plane shows of itself to Prometheus: docs/metrics.md explains each. Runs on its executor.
#pragma once

#include <cstdint>

#include "controlplane/app.h"
#include "controlplane/db/sql_pool.h"
#include "metrics/page.h"

namespace trivium {

// `now_ms`: Unix milliseconds.
void CollectControlPlane(App* app, int64_t now_ms, MetricsPage* page);
void CollectSql(const SqlPool::Counters& counters, MetricsPage* page);

}  // namespace trivium
