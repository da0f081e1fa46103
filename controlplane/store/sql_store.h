// The Store in a SQL server, CockroachDB or PostgreSQL alike. Thread-safe; callbacks come on the caller's
// executor, never after destruction (which must happen on that executor, or after it has stopped).
//
// A commit is one pipeline, one round trip: the compare-and-set on cluster_rev first, the log row second. If
// the first finds another head, the second's revision is NULL and everything aborts. Whatever goes wrong with
// the connection, the same pipeline is run again on another one: if the first did commit, the second loses to
// it and finds its own batch in the log. Each object's row holds the serialized object beside the columns for
// people; snapshots are read from that and checked against the head's digest.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "controlplane/db/sql_pool.h"
#include "controlplane/store/event_cursors.h"
#include "controlplane/store/store.h"
#include "controlplane/store/table_statistics.h"

namespace trivium {

class SqlStore final : public Store, public EventCursors {
 public:
  struct Options {
    SqlPool::Options pool;
    // No attempt begins after it; the one that runs then is bounded by the server's statement_timeout.
    absl::Duration deadline = absl::Seconds(20);
    absl::Duration heads_deadline = absl::Seconds(2);  // of ReadHeads: a lost region hides no other for long
    // What ReadHeads costs a thread at most, when its caller has long been answered. One read of a home at a
    // time: while it lasts, further ones are answered kUnavailable at once.
    absl::Duration heads_patience = absl::Seconds(3);
    size_t compact_step = 1000;  // rows deleted in one transaction
    size_t trim_step = 10'000;   // revisions looked at, and deleted, by one TrimLog
  };

  // `options.pool.on_connect` is the schema's check (migrate/migrator.h); the statements are prepared after
  // it.
  SqlStore(Options options, Random* random);
  ~SqlStore() override;

  SqlPool::Counters counters() const { return pool_->counters(); }

  void OpenCluster(const ClusterRef& cluster, Executor* executor, Callback<StoredHead> done) override;
  void ReadHead(const ClusterRef& cluster, Executor* executor, Callback<StoredHead> done) override;
  void ReadHeads(uint32_t home, Executor* executor, Callback<std::vector<v1::Head>> done) override;
  void Commit(std::shared_ptr<const CommitRequest> request, Executor* executor, Done done) override;
  void ReadLog(const ClusterRef& cluster, uint64_t after, size_t limit, size_t max_bytes, Executor* executor,
               Callback<std::vector<LogRow>> done) override;
  void ReadSnapshot(const ClusterRef& cluster, Executor* executor, Callback<v1::Snapshot> done) override;
  void FindRequest(const ClusterRef& cluster, Id128 request_id, const std::string& actor, Executor* executor,
                   Callback<std::optional<std::string>> done) override;
  void ReadManifest(const ClusterRef& cluster, const ObjectKey& key, Executor* executor,
                    Callback<std::string> done) override;
  void ReadIdentityLife(const ClusterRef& cluster, Executor* executor, Callback<IdentityLife> done) override;
  void HoldLeases(uint32_t home, std::vector<uint32_t> cluster_ids, const std::string& holder,
                  absl::Duration lifetime, Executor* executor,
                  Callback<std::vector<WriterLease>> done) override;
  void ReleaseLeases(uint32_t home, std::vector<uint32_t> cluster_ids, const std::string& holder,
                     Executor* executor, Done done) override;
  void WriteAgents(const ClusterRef& cluster, std::vector<v1::AgentStatus> agents, Executor* executor,
                   Done done) override;
  void OpenReachability(const ClusterRef& cluster, Executor* executor,
                        Callback<ReachabilityState> done) override;
  void WriteReachability(const ClusterRef& cluster, ReachabilityWrite write, Executor* executor,
                         Done done) override;
  void Compact(const ClusterRef& cluster, uint64_t floor, absl::Time keep_requests_since, Executor* executor,
               Done done) override;
  void TrimLog(const ClusterRef& cluster, const LogBounds& bounds, Executor* executor,
               Callback<Trimmed> done) override;
  void BumpEpoch(const ClusterRef& cluster, uint64_t unix_seconds, const AuditRow& why, Executor* executor,
                 Callback<NewEpoch> done) override;
  void ReadEventCursor(const ClusterRef& cluster, Executor* executor,
                       Callback<std::optional<EventCursor>> done) override;
  void WriteEventCursor(const ClusterRef& cluster, const EventCursor& cursor, Executor* executor,
                        Done done) override;

 private:
  template <typename T>
  using Body = absl::AnyInvocable<absl::StatusOr<T>(Connection&)>;

  // Runs `body`, perhaps several times, on a thread of the pool and hands its answer to `done`.
  template <typename T>
  void Run(const std::string& what, absl::Duration limit, Executor* executor, Body<T> body, Callback<T> done);
  void RunDone(const std::string& what, Executor* executor, SqlPool::Job body, Done done);

  // Which homes' heads are being read.
  struct HeadReads {
    absl::Mutex mutex;
    absl::flat_hash_set<uint32_t> homes ABSL_GUARDED_BY(mutex);
  };

  // Asks PostgreSQL to look at its tables if so many more changes call for it.
  void Analyze(size_t changes);

  const Options options_;
  absl::Mutex statistics_mutex_;
  TableStatistics statistics_ ABSL_GUARDED_BY(statistics_mutex_);
  const std::shared_ptr<HeadReads> head_reads_ = std::make_shared<HeadReads>();
  std::unique_ptr<SqlPool> pool_;
  Alive alive_;
};

}  // namespace trivium
