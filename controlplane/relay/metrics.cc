#include "controlplane/relay/metrics.h"

namespace trivium {
namespace {

constexpr MetricInfo kUp{"trivium_relay_publishing",
                         "Whether nothing keeps a cluster's events from going out."};
constexpr MetricInfo kBehind{"trivium_relay_behind_revisions",
                             "Revisions of the log whose events are not in the stream yet."};
constexpr MetricInfo kBehindSeconds{"trivium_relay_behind_seconds",
                                    "How long there has been something to publish without a pause."};
constexpr MetricInfo kPublished{"trivium_relay_published_events_total",
                                "Events that the stream has acknowledged, markers included."};
constexpr MetricInfo kMarkers{"trivium_relay_markers_total",
                              "Markers made: the stream begins, a new epoch, revisions lost to compaction."};
constexpr MetricInfo kLostRaces{"trivium_relay_lost_races_total",
                                "Times that another relay had published first."};
constexpr MetricInfo kFailures{"trivium_relay_failures_total",
                               "Interruptions by the stream's server; each time its end was read anew."};

double Number(uint64_t value) { return static_cast<double>(value); }

}  // namespace

void CollectRelay(const ClusterRelay& relay, MetricsPage* page) {
  const MetricLabels labels{{"cluster", relay.cluster()}};
  const ClusterRelay::Counters& counters = relay.counters();
  page->Gauge(kUp, relay.problem().empty() ? 1 : 0, labels);
  if (relay.behind().has_value()) page->Gauge(kBehind, Number(*relay.behind()), labels);
  page->Gauge(kBehindSeconds, absl::ToDoubleSeconds(relay.behind_for()), labels);
  page->Counter(kPublished, Number(counters.published), labels);
  page->Counter(kMarkers, Number(counters.begins), {{"cluster", relay.cluster()}, {"marker", "begin"}});
  page->Counter(kMarkers, Number(counters.epochs), {{"cluster", relay.cluster()}, {"marker", "epoch"}});
  page->Counter(kMarkers, Number(counters.losses), {{"cluster", relay.cluster()}, {"marker", "lost"}});
  page->Counter(kLostRaces, Number(counters.lost_races), labels);
  page->Counter(kFailures, Number(counters.failures), labels);
}

}  // namespace trivium
