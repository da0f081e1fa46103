#include "controlplane/metrics.h"

#include <algorithm>

#include "schema/object.h"

namespace trivium {
namespace {

// ---- one log each, label `cluster`; the mesh's own is "_mesh" ----

constexpr MetricInfo kMirrorRevision{"trivium_controlplane_mirror_revision",
                                     "The revision that the mirror of a log holds."};
constexpr MetricInfo kSqlRevision{"trivium_controlplane_sql_revision",
                                  "The newest revision of a log that SQL was seen to hold."};
constexpr MetricInfo kObjects{"trivium_controlplane_mirror_objects", "Objects in the mirror of a log."};
constexpr MetricInfo kTail{"trivium_controlplane_log_tail_revisions", "Revisions of a log held in memory."};
constexpr MetricInfo kGaps{"trivium_controlplane_gaps_total",
                           "Missing revisions that did not come by themselves in time."};
constexpr MetricInfo kFetches{"trivium_controlplane_resyncs_total",
                              "Rounds of reading a log from SQL, to catch up with it."};
constexpr MetricInfo kFollowerSnapshots{"trivium_controlplane_snapshots_taken_total",
                                        "Whole states that were read from SQL, to catch up with it."};

// ---- one writer each: a served cluster's, or the mesh's ----

constexpr MetricInfo kQueue{"trivium_controlplane_writer_queue_requests", "Requests that wait for a commit."};
constexpr MetricInfo kQueueBytes{"trivium_controlplane_writer_queue_bytes",
                                 "What the waiting requests take, as received."};
constexpr MetricInfo kCommits{"trivium_controlplane_commits_total", "Batches committed."};
constexpr MetricInfo kChanges{"trivium_controlplane_changes_total", "Changes in the committed batches."};
constexpr MetricInfo kPlannedAhead{"trivium_controlplane_commits_planned_ahead_total",
                                   "Commits that were planned while the one before them was on its way."};
constexpr MetricInfo kPauseRatio{"trivium_controlplane_commit_pause_ratio",
                                 "Of the longest pause between commits under load, what is kept now."};
constexpr MetricInfo kLostRaces{
    "trivium_controlplane_lost_races_total",
    "Commits that lost to another writer of the same log, and were planned again."};
constexpr MetricInfo kRetries{"trivium_controlplane_commit_retries_total",
                              "Commits run again because their outcome was not known."};
constexpr MetricInfo kVerified{"trivium_controlplane_verified_answers_total",
                               "Answers that needed no commit: refusals, and nothing to change."};
constexpr MetricInfo kRefusedFull{"trivium_controlplane_refused_full_total",
                                  "Requests refused because the queue was full."};
constexpr MetricInfo kCommitSeconds{"trivium_controlplane_commit_seconds",
                                    "From a batch's first attempt to its commit."};
constexpr MetricInfo kBatchChanges{"trivium_controlplane_batch_changes", "Changes in a committed batch."};
constexpr MetricInfo kBatchRequests{"trivium_controlplane_batch_requests",
                                    "Requests answered by a committed batch."};

// ---- one served cluster each ----

constexpr MetricInfo kRequests{"trivium_controlplane_requests_total", "Requests that came over the bus."};
constexpr MetricInfo kRefused{"trivium_controlplane_requests_refused_total",
                              "Requests that were malformed or not permitted."};
constexpr MetricInfo kLeaseHeld{"trivium_controlplane_writer_lease_held",
                                "Whether this process holds the cluster's writer lease, as far as it knows."};
constexpr MetricInfo kForwardedOut{"trivium_controlplane_forwarded_requests_total",
                                   "Requests handed to the control plane that holds the lease."};
constexpr MetricInfo kForwardedIn{"trivium_controlplane_forwarded_in_requests_total",
                                  "Requests taken from the cluster's other control planes."};
constexpr MetricInfo kForwardedWaiting{"trivium_controlplane_forwarded_waiting_requests",
                                       "Requests handed on that are not answered yet."};
constexpr MetricInfo kTakenBack{
    "trivium_controlplane_taken_back_requests_total",
    "Requests handed on and then committed here, since the holder was gone or silent."};
constexpr MetricInfo kAgents{"trivium_controlplane_agents", "Registered nodes whose agent has reported."};
constexpr MetricInfo kAgentsSilent{"trivium_controlplane_agents_silent",
                                   "Those of them that have said nothing for 15 s."};
constexpr MetricInfo kAgentsBehind{"trivium_controlplane_agents_behind",
                                   "Those of them whose maps are behind the cluster's head."};
constexpr MetricInfo kAgentsLag{"trivium_controlplane_agents_max_behind_revisions",
                                "How far the last of them is behind the cluster's head."};
constexpr MetricInfo kNotEnforced{"trivium_controlplane_not_enforced_policies",
                                  "Policies that some node reports as not enforced, summed over nodes."};
constexpr MetricInfo kReportsMalformed{"trivium_controlplane_malformed_reports_total",
                                       "Agents' reports that could not be read, or in another's name."};

// ---- the process ----

constexpr MetricInfo kPublished{"trivium_controlplane_published_batches_total", "Batches published."};
constexpr MetricInfo kPublishFailed{"trivium_controlplane_publish_failures_total",
                                    "Batches that could not be published; the next beacon heals that."};
constexpr MetricInfo kBeacons{"trivium_controlplane_beacons_total", "Beacons published."};
constexpr MetricInfo kMalformed{"trivium_controlplane_malformed_messages_total",
                                "Messages of the feed that were no batch, or of another cluster."};
constexpr MetricInfo kDeltas{"trivium_controlplane_sync_deltas_total",
                             "Answers with a part of a log, by where it was read."};
constexpr MetricInfo kSnapshots{"trivium_controlplane_sync_snapshots_total",
                                "Answers that opened a snapshot."};
constexpr MetricInfo kChunks{"trivium_controlplane_sync_chunks_total", "Chunks of snapshots handed out."};
constexpr MetricInfo kSnapshotsHeld{"trivium_controlplane_snapshots_held",
                                    "Snapshots kept for their readers."};

constexpr MetricInfo kLeasesTaken{"trivium_controlplane_leases_taken_total",
                                  "Writer leases that this process got and did not have before."};
constexpr MetricInfo kLeasesLost{"trivium_controlplane_leases_lost_total",
                                 "Writer leases that this process had and another has now."};
constexpr MetricInfo kLeaseFailures{"trivium_controlplane_lease_failures_total",
                                    "Attempts to renew writer leases that SQL did not answer."};

constexpr MetricInfo kSqlConnects{"trivium_sql_connects_total", "Connections to SQL that were made."};
constexpr MetricInfo kSqlLost{"trivium_sql_lost_connections_total", "Connections to SQL that failed."};
constexpr MetricInfo kSqlRetries{"trivium_sql_retries_total",
                                 "Transactions run again: serialization failures, deadlocks and the like."};
constexpr MetricInfo kSqlSerialization{"trivium_sql_serialization_failures_total",
                                       "Those of them that were serialization failures."};
constexpr MetricInfo kSqlRefused{"trivium_sql_refused_total",
                                 "Transactions refused because too many were waiting."};
constexpr MetricInfo kSqlUp{"trivium_sql_up",
                            "Whether every served cluster's head was read from SQL lately."};

constexpr absl::Duration kSilent = absl::Seconds(15);  // as `triviumctl status` has it

double Number(uint64_t value) { return static_cast<double>(value); }

void CollectLogs(App* app, MetricsPage* page) {
  for (const auto& [name, entry] : app->mirrors()->all()) {
    const MetricLabels labels{{"cluster", name}};
    const Follower::Counters& counters = entry->follower->counters();
    const uint64_t held = entry->mirror->position().revision;
    page->Gauge(kMirrorRevision, Number(held), labels);
    page->Gauge(kSqlRevision, Number(app->heads().Revision(name)), labels);
    page->Gauge(kObjects, Number(entry->mirror->mirror().size()), labels);
    page->Gauge(kTail, Number(entry->mirror->tail().size()), labels);
    page->Counter(kGaps, Number(counters.gaps), labels);
    page->Counter(kFetches, Number(counters.fetches), labels);
    page->Counter(kFollowerSnapshots, Number(counters.snapshots), labels);
  }
}

void CollectWriter(const Writer& writer, const std::string& cluster, MetricsPage* page) {
  const MetricLabels labels{{"cluster", cluster}};
  const Writer::Counters& counters = writer.counters();
  page->Gauge(kQueue, Number(writer.queued()), labels);
  page->Gauge(kQueueBytes, Number(writer.queued_bytes()), labels);
  page->Counter(kCommits, Number(counters.commits), labels);
  page->Counter(kChanges, Number(counters.changes), labels);
  page->Counter(kPlannedAhead, Number(counters.planned_ahead), labels);
  page->Counter(kLostRaces, Number(counters.lost_races), labels);
  page->Counter(kRetries, Number(counters.retries), labels);
  page->Counter(kVerified, Number(counters.verified), labels);
  page->Counter(kRefusedFull, Number(counters.refused_full), labels);
  page->Histogram(kCommitSeconds, counters.commit_seconds, labels);
  page->Histogram(kBatchChanges, counters.batch_changes, labels);
  page->Histogram(kBatchRequests, counters.batch_requests, labels);
}

void CollectAgents(const AgentTable& agents, const ClusterMirror& mirror, int64_t now_ms,
                   const MetricLabels& labels, MetricsPage* page) {
  uint64_t reporting = 0, silent = 0, behind = 0, furthest = 0, not_enforced = 0;
  const Position& head = mirror.position();
  for (const auto& [node, entry] : agents.all()) {
    if (mirror.mirror().FindStored(v1::KIND_NODE, node) == nullptr) continue;
    ++reporting;
    silent += now_ms - entry.seen_ms > absl::ToInt64Milliseconds(kSilent) ? 1 : 0;
    not_enforced += entry.status.not_enforced_total();
    for (const v1::AppliedCluster& applied : entry.status.applied()) {
      if (applied.cluster() != mirror.ref().name) continue;
      const uint64_t enforced = applied.epoch() == head.epoch ? applied.enforced() : 0;
      if (enforced >= head.revision) continue;
      ++behind;
      furthest = std::max(furthest, head.revision - enforced);
    }
  }
  page->Gauge(kAgents, Number(reporting), labels);
  page->Gauge(kAgentsSilent, Number(silent), labels);
  page->Gauge(kAgentsBehind, Number(behind), labels);
  page->Gauge(kAgentsLag, Number(furthest), labels);
  page->Gauge(kNotEnforced, Number(not_enforced), labels);
  page->Counter(kReportsMalformed, Number(agents.malformed()), labels);
}

void CollectLease(ClusterService* service, const LeaseKeeper& leases, const MetricLabels& labels,
                  MetricsPage* page) {
  const Forwarder& forwarder = service->forwarder();
  page->Gauge(kLeaseHeld, leases.Holds(service->name()) ? 1 : 0, labels);
  page->Counter(kForwardedOut, Number(forwarder.counters().sent), labels);
  page->Counter(kForwardedIn, Number(service->api()->forwarded()), labels);
  page->Gauge(kForwardedWaiting, Number(forwarder.waiting()), labels);
  page->Counter(kTakenBack, Number(forwarder.counters().taken_back), labels);
}

void CollectService(ClusterService* service, const LeaseKeeper& leases, int64_t now_ms, MetricsPage* page) {
  const MetricLabels labels{{"cluster", service->name()}};
  page->Counter(kRequests, Number(service->api()->requests()), labels);
  page->Counter(kRefused, Number(service->api()->refused()), labels);
  CollectLease(service, leases, labels, page);
  CollectWriter(*service->writer(), service->name(), page);
  page->Gauge(kPauseRatio, service->pacer().scale(), {{"cluster", service->name()}});
  CollectAgents(*service->agents(), *service->mirror(), now_ms, labels, page);
}

}  // namespace

void CollectControlPlane(App* app, int64_t now_ms, MetricsPage* page) {
  page->Gauge(kSqlUp, app->SqlUp() ? 1 : 0);
  CollectLogs(app, page);
  CollectWriter(*app->mesh_writer(), kMeshCluster, page);
  for (const auto& service : app->clusters()) CollectService(service.get(), app->leases(), now_ms, page);
  page->Counter(kPublished, Number(app->publisher()->counters().published));
  page->Counter(kPublishFailed, Number(app->publisher()->counters().failed));
  page->Counter(kBeacons, Number(app->publisher()->counters().beacons));
  page->Counter(kMalformed, Number(app->mirrors()->malformed()));
  const SyncServer::Counters& sync = app->sync()->counters();
  page->Counter(kDeltas, Number(sync.deltas), {{"from", "memory"}});
  page->Counter(kDeltas, Number(sync.deltas_from_sql), {{"from", "sql"}});
  page->Counter(kSnapshots, Number(sync.snapshots));
  page->Counter(kChunks, Number(sync.chunks));
  page->Gauge(kSnapshotsHeld, Number(app->snapshots().size()));
  const LeaseKeeper::Counters& leases = app->leases().counters();
  page->Counter(kLeasesTaken, Number(leases.taken));
  page->Counter(kLeasesLost, Number(leases.lost));
  page->Counter(kLeaseFailures, Number(leases.failed));
}

void CollectSql(const SqlPool::Counters& counters, MetricsPage* page) {
  page->Counter(kSqlConnects, Number(counters.connects));
  page->Counter(kSqlLost, Number(counters.lost_connections));
  page->Counter(kSqlRetries, Number(counters.retries));
  page->Counter(kSqlSerialization, Number(counters.serialization_failures));
  page->Counter(kSqlRefused, Number(counters.refused));
}

}  // namespace trivium
