#include "nodeagent/report/agent_metrics.h"

#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "bpf/abi/drop_reasons.h"

namespace trivium {
namespace {

// One log each, label `cluster`; the mesh's own is "_mesh".
constexpr MetricInfo kReceived{"trivium_agent_received_revision", "The revision that the agent holds."};
constexpr MetricInfo kEnforced{"trivium_agent_enforced_revision",
                               "The revision up to which everything stands in the maps."};
constexpr MetricInfo kBehind{"trivium_agent_revisions_behind",
                             "Revisions between the newest head that was heard and the maps."};
constexpr MetricInfo kLag{"trivium_agent_lag_seconds",
                          "How old the newest change of the last revision was when it stood in the maps."};
constexpr MetricInfo kInSync{"trivium_agent_in_sync",
                             "Whether the agent has caught up with a head since it started."};
constexpr MetricInfo kApplied{"trivium_agent_batches_applied_total", "Batches that were applied."};
constexpr MetricInfo kIgnored{"trivium_agent_batches_ignored_total", "Batches that were held already."};
constexpr MetricInfo kMalformed{"trivium_agent_batches_malformed_total", "Messages that were no batches."};
constexpr MetricInfo kGaps{"trivium_agent_gaps_total",
                           "Missing revisions that did not come by themselves in time."};
constexpr MetricInfo kResyncs{"trivium_agent_resyncs_total", "Requests for the log after what is held."};
constexpr MetricInfo kSnapshots{"trivium_agent_snapshots_total", "Snapshots that were taken."};

constexpr MetricInfo kLagHistogram{"trivium_agent_change_lag_seconds",
                                   "From a change's acceptance to this node's maps, all clusters, in sync."};
constexpr MetricInfo kFlush{"trivium_agent_flush_seconds", "What it took to bring the maps up to date."};
constexpr MetricInfo kMapUpdates{"trivium_agent_map_updates_total", "Map entries written."};
constexpr MetricInfo kMapDeletes{"trivium_agent_map_deletes_total", "Map entries deleted."};
constexpr MetricInfo kMapEntries{"trivium_agent_map_entries", "Entries in a kernel map."};
constexpr MetricInfo kMapCapacity{"trivium_agent_map_capacity", "Entries that a kernel map can hold."};
constexpr MetricInfo kProblems{"trivium_agent_problems",
                               "What stands in the agent's way now (triviumctl endpoint agent says what)."};
constexpr MetricInfo kEndpoints{"trivium_agent_endpoints", "Endpoints of this node, by state."};
constexpr MetricInfo kAudited{"trivium_agent_audited_endpoints",
                              "Endpoints that are judged and reported, not enforced."};
constexpr MetricInfo kNotEnforced{"trivium_agent_not_enforced_policies",
                                  "Policies that endpoints of this node should follow and do not."};
constexpr MetricInfo kRuleSets{"trivium_agent_rule_sets", "Rule sets that stand in the maps."};
constexpr MetricInfo kRuleSetsBuilt{"trivium_agent_rule_sets_built_total", "Rule sets made from policies."};
constexpr MetricInfo kClassified{"trivium_agent_peers_classified_total",
                                 "Pairs of a peer and a rule set that were judged."};
constexpr MetricInfo kDropped{"trivium_agent_dropped_packets_total", "Packets dropped, by reason."};
constexpr MetricInfo kEventsLost{"trivium_agent_flow_events_lost_total",
                                 "Flow events that found the ring buffer full."};

struct DropReason {
  uint32_t number;
  const char* name;
};
constexpr DropReason kDropReasons[] = {
#define TRIVIUM_REASON_ROW(number, constant, name) {number, name},
    TRIVIUM_DROP_REASONS(TRIVIUM_REASON_ROW)
#undef TRIVIUM_REASON_ROW
};

// "ready", "locked_down", ...
std::string StateName(v1::EndpointState state) {
  const std::string name = v1::EndpointState_Name(state);
  return absl::AsciiStrToLower(absl::StripPrefix(name, "ENDPOINT_"));
}

void CollectClusters(const AgentApp& app, const v1::AgentStatus& status, MetricsPage* page) {
  for (const v1::AppliedCluster& applied : status.applied()) {
    const auto it = app.inbox().feeds().find(applied.cluster());
    if (it == app.inbox().feeds().end()) continue;
    const ClusterFeed& feed = *it->second;
    const ClusterFeed::Counters& counters = feed.counters();
    const MetricLabels labels{{"cluster", applied.cluster()}};
    const auto received = static_cast<double>(applied.received());
    const auto enforced = static_cast<double>(applied.enforced());
    // Revisions of another epoch cannot be compared; that a snapshot is due shows in in_sync and snapshots.
    const double head = counters.head_epoch == applied.epoch()
                            ? std::max(received, static_cast<double>(counters.head_revision))
                            : received;
    page->Gauge(kReceived, received, labels);
    page->Gauge(kEnforced, enforced, labels);
    page->Gauge(kBehind, head - enforced, labels);
    page->Gauge(kLag, absl::ToDoubleSeconds(app.LagOf(applied.cluster())), labels);
    page->Gauge(kInSync, feed.synced() ? 1 : 0, labels);
    page->Counter(kApplied, static_cast<double>(counters.applied), labels);
    page->Counter(kIgnored, static_cast<double>(counters.ignored), labels);
    page->Counter(kMalformed, static_cast<double>(counters.refused), labels);
    page->Counter(kGaps, static_cast<double>(counters.gaps), labels);
    page->Counter(kResyncs, static_cast<double>(counters.syncs), labels);
    page->Counter(kSnapshots, static_cast<double>(counters.snapshots), labels);
  }
}

void CollectEndpoints(const AgentApp& app, MetricsPage* page) {
  std::map<v1::EndpointState, int> states;
  for (int state = v1::EndpointState_MIN + 1; state <= v1::EndpointState_MAX; ++state) {
    states[static_cast<v1::EndpointState>(state)] = 0;
  }
  const v1::EndpointListResult list = app.endpoints().List();
  for (const v1::LocalEndpoint& endpoint : list.endpoints()) ++states[endpoint.state()];
  for (const auto& [state, count] : states) page->Gauge(kEndpoints, count, {{"state", StateName(state)}});
}

void CollectDrops(const v1::AgentStatus& status, MetricsPage* page) {
  std::map<uint32_t, uint64_t> packets;
  for (const v1::DropCount& drop : status.drops()) packets[drop.reason()] = drop.packets();
  for (const DropReason& reason : kDropReasons) {
    page->Counter(kDropped, static_cast<double>(packets[reason.number]), {{"reason", reason.name}});
  }
}

}  // namespace

void CollectAgent(const AgentApp& app, uint64_t events_lost, MetricsPage* page) {
  const v1::AgentStatus status = app.Status();
  CollectClusters(app, status, page);
  page->Histogram(kLagHistogram, app.counters().lag_seconds);
  page->Histogram(kFlush, app.counters().flush_seconds);
  page->Counter(kMapUpdates, static_cast<double>(app.counters().map_updates));
  page->Counter(kMapDeletes, static_cast<double>(app.counters().map_deletes));
  for (const v1::MapFill& map : status.maps()) {
    page->Gauge(kMapEntries, static_cast<double>(map.entries()), {{"map", map.name()}});
    page->Gauge(kMapCapacity, static_cast<double>(map.capacity()), {{"map", map.name()}});
  }
  page->Gauge(kProblems, static_cast<double>(app.Problems().size()));
  CollectEndpoints(app, page);
  page->Gauge(kAudited, status.audited_endpoints());
  page->Gauge(kNotEnforced, status.not_enforced_total());
  page->Gauge(kRuleSets, static_cast<double>(app.pipeline().rule_sets().size()));
  page->Counter(kRuleSetsBuilt, static_cast<double>(app.pipeline().counters().rule_sets_built));
  page->Counter(kClassified, static_cast<double>(app.pipeline().rule_sets().counters().classified));
  CollectDrops(status, page);
  page->Counter(kEventsLost, static_cast<double>(events_lost));
}

}  // namespace trivium
