#include "metrics/nats_metrics.h"

namespace trivium {
namespace {

constexpr MetricInfo kConnected{"trivium_nats_connected", "Whether the connection to NATS stands."};
constexpr MetricInfo kDisconnects{"trivium_nats_disconnects_total", "Connections to NATS that were lost."};
constexpr MetricInfo kRebuilds{"trivium_nats_rebuilds_total",
                               "Connections that were given up and made anew, though NATS did not say so."};
constexpr MetricInfo kDropped{"trivium_nats_dropped_messages_total",
                              "Messages that found their subscription's queue full."};
constexpr MetricInfo kRefused{"trivium_nats_refused_total",
                              "Publishes and subscriptions that a server did not permit."};

}  // namespace

void CollectNats(const NatsCounters& counters, bool connected, MetricsPage* page) {
  page->Gauge(kConnected, connected ? 1 : 0);
  page->Counter(kDisconnects, static_cast<double>(counters.disconnects));
  page->Counter(kRebuilds, static_cast<double>(counters.rebuilds));
  page->Counter(kDropped, static_cast<double>(counters.dropped));
  page->Counter(kRefused, static_cast<double>(counters.refused));
}

}  // namespace trivium
