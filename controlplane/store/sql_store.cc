#include "controlplane/store/sql_store.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/db/sql_state.h"
#include "controlplane/db/statements.h"
#include "controlplane/store/agent_rows.h"
#include "controlplane/store/commit_plan.h"
#include "controlplane/store/event_cursor_rows.h"
#include "controlplane/store/lease_rows.h"
#include "controlplane/store/log_rows.h"
#include "controlplane/store/object_rows.h"
#include "controlplane/store/reachability_rows.h"
#include "controlplane/store/sql_reads.h"

namespace trivium {
namespace {

SqlPool::Options WithStatements(SqlPool::Options options) {
  std::function<absl::Status(Connection&)> check = std::move(options.on_connect);
  options.on_connect = [check](Connection& connection) -> absl::Status {
    if (check != nullptr) TRIVIUM_RETURN_IF_ERROR(check(connection));
    return connection.Prepare(sql::All());
  };
  return options;
}

// The compare-and-set found another head. The log says whether that is this very batch, committed by an
// earlier attempt whose answer was lost.
absl::Status ResolveLostRace(Connection& connection, const CommitRequest& request) {
  const uint64_t revision = request.batch.revision;
  TRIVIUM_ASSIGN_OR_RETURN(
      const std::vector<SqlResult> results,
      connection.Run(
          Pipeline()
              .BeginSnapshot()
              .Add(sql::kReadHead, ClusterParams(request.cluster))
              .Add(sql::kReadLogBatch, ClusterParams(request.cluster).Int(static_cast<int64_t>(revision)))
              .Commit()));
  TRIVIUM_ASSIGN_OR_RETURN(const StoredHead head, HeadOf(request.cluster, results[1]));
  if (results[2].rows() > 0 && results[2].Id(0, 0) == request.batch.batch) return absl::OkStatus();
  if (results[2].rows() == 0 && revision <= head.log_floor) {
    return absl::DataLossError(absl::StrCat("the log was compacted past revision ", revision, " of ",
                                            request.cluster.name, ": whether it holds the batch is unknown"));
  }
  return absl::AbortedError(absl::StrCat("cluster ", request.cluster.name, " is at epoch ", head.epoch,
                                         " revision ", head.revision, ": another batch took the place"));
}

absl::Status CommitOnce(Connection& connection, const CommitRequest& request, const Pipeline& pipeline) {
  const absl::Status status = connection.Run(pipeline).status();
  const std::string state = SqlStateOf(status);
  if (FailedStepOf(status) == kLogStep && (state == "23502" || state == "23505")) {
    return ResolveLostRace(connection, request);
  }
  return status;
}

// SQL's text for a time; the ends of absl::Time as SQL's own.
std::string TimeText(absl::Time time) {
  if (time == absl::InfiniteFuture()) return "infinity";
  if (time == absl::InfinitePast()) return "-infinity";
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

}  // namespace

SqlStore::SqlStore(Options options, Random* random)
    : options_(std::move(options)), pool_(std::make_unique<SqlPool>(WithStatements(options_.pool), random)) {}

SqlStore::~SqlStore() = default;

template <typename T>
void SqlStore::Run(const std::string& what, absl::Duration limit, Executor* executor, Body<T> body,
                   Callback<T> done) {
  auto answer = std::make_shared<absl::StatusOr<T>>();
  pool_->Run(
      limit,
      [answer, body = std::move(body)](Connection& connection) mutable {
        *answer = body(connection);
        return answer->status();
      },
      [answer, what, executor, alive = alive_.Watch(), done = std::move(done)](absl::Status status) mutable {
        if (!status.ok()) *answer = Annotate(status, what);
        executor->Post([answer, alive, done = std::move(done)]() mutable {
          if (!alive.expired()) done(std::move(*answer));
        });
      });
}

void SqlStore::RunDone(const std::string& what, Executor* executor, SqlPool::Job body, Done done) {
  Run<bool>(
      what, options_.deadline, executor,
      [body = std::move(body)](Connection& connection) mutable -> absl::StatusOr<bool> {
        TRIVIUM_RETURN_IF_ERROR(body(connection));
        return true;
      },
      [done = std::move(done)](absl::StatusOr<bool> answer) mutable { done(answer.status()); });
}

void SqlStore::OpenCluster(const ClusterRef& cluster, Executor* executor, Callback<StoredHead> done) {
  Run<StoredHead>(
      absl::StrCat("opening ", cluster.name), options_.deadline, executor,
      [cluster](Connection& connection) { return OpenClusterOnce(connection, cluster); }, std::move(done));
}

void SqlStore::ReadHead(const ClusterRef& cluster, Executor* executor, Callback<StoredHead> done) {
  Run<StoredHead>(
      absl::StrCat("reading the head of ", cluster.name), options_.deadline, executor,
      [cluster](Connection& connection) { return ReadHeadOnce(connection, cluster); }, std::move(done));
}

void SqlStore::ReadHeads(uint32_t home, Executor* executor, Callback<std::vector<v1::Head>> done) {
  using Heads = std::vector<v1::Head>;
  const std::string what = absl::StrCat("reading the heads of home ", home);
  // Answered by whichever comes first, the server or the deadline; both come on the executor.
  struct Answer {
    Callback<Heads> done;
    Executor::TimerId timer = Executor::kNoTimer;
  };
  auto answer = std::make_shared<Answer>();
  answer->done = std::move(done);
  auto late = [answer, what, alive = alive_.Watch()] {
    if (alive.expired() || answer->done == nullptr) return;
    std::exchange(answer->done, nullptr)(absl::UnavailableError(what + ": no answer in time"));
  };
  {
    absl::MutexLock lock(&head_reads_->mutex);
    if (!head_reads_->homes.insert(home).second) {
      executor->Post(late);
      return;
    }
  }
  answer->timer = executor->PostAfter(options_.heads_deadline, late);
  Run<Heads>(
      what, options_.heads_patience, executor,
      [home, limit = options_.heads_patience](Connection& connection) {
        return ReadHeadsOnce(connection, home, limit);
      },
      [answer, executor, home, reads = head_reads_](absl::StatusOr<Heads> heads) {
        {
          absl::MutexLock lock(&reads->mutex);
          reads->homes.erase(home);
        }
        if (answer->done == nullptr) return;
        executor->Cancel(answer->timer);
        std::exchange(answer->done, nullptr)(std::move(heads));
      });
}

void SqlStore::Commit(std::shared_ptr<const CommitRequest> request, Executor* executor, Done done) {
  const std::string what =
      absl::StrCat("committing revision ", request->batch.revision, " of ", request->cluster.name);
  // Texts of thousands of values are made on the pool's thread, once.
  auto pipeline = std::make_shared<absl::StatusOr<Pipeline>>(absl::UnknownError("not planned yet"));
  RunDone(
      what, executor,
      [this, request = std::move(request), pipeline,
       planned = false](Connection& connection) mutable -> absl::Status {
        if (!std::exchange(planned, true)) *pipeline = PlanCommit(*request);
        TRIVIUM_RETURN_IF_ERROR(pipeline->status());
        TRIVIUM_RETURN_IF_ERROR(CommitOnce(connection, *request, **pipeline));
        if (!connection.is_cockroach()) Analyze(static_cast<size_t>(request->batch.changes.changes_size()));
        return absl::OkStatus();
      },
      std::move(done));
}

void SqlStore::Analyze(size_t changes) {
  {
    absl::MutexLock lock(&statistics_mutex_);
    if (!statistics_.Due(changes)) return;
  }
  pool_->Run(
      options_.deadline,
      [](Connection& connection) {
        if (connection.is_cockroach()) return absl::OkStatus();
        return connection.Run(Pipeline().AddText(sql::kAnalyze)).status();
      },
      [](const absl::Status& status) {
        if (!status.ok())
          spdlog::warn("sql: the tables' statistics stay old error=\"{}\"", std::string(status.message()));
      });
}

void SqlStore::ReadLog(const ClusterRef& cluster, uint64_t after, size_t limit, size_t max_bytes,
                       Executor* executor, Callback<std::vector<LogRow>> done) {
  Run<std::vector<LogRow>>(
      absl::StrCat("reading the log of ", cluster.name), options_.deadline, executor,
      [=](Connection& connection) { return ReadLogOnce(connection, cluster, after, limit, max_bytes); },
      std::move(done));
}

void SqlStore::ReadSnapshot(const ClusterRef& cluster, Executor* executor, Callback<v1::Snapshot> done) {
  Run<v1::Snapshot>(
      absl::StrCat("reading a snapshot of ", cluster.name), options_.deadline, executor,
      [cluster](Connection& connection) { return ReadSnapshotOnce(connection, cluster); }, std::move(done));
}

void SqlStore::FindRequest(const ClusterRef& cluster, Id128 request_id, const std::string& actor,
                           Executor* executor, Callback<std::optional<std::string>> done) {
  Run<std::optional<std::string>>(
      absl::StrCat("looking for request ", request_id.ToHex()), options_.deadline, executor,
      [=](Connection& connection) -> absl::StatusOr<std::optional<std::string>> {
        TRIVIUM_ASSIGN_OR_RETURN(const std::vector<SqlResult> results,
                                 connection.Run(Pipeline().Add(
                                     sql::kFindRequest, ClusterParams(cluster).Id(request_id).Text(actor))));
        if (results[0].rows() == 0) return std::optional<std::string>();
        return std::optional<std::string>(results[0].Bytes(0, 0));
      },
      std::move(done));
}

void SqlStore::ReadManifest(const ClusterRef& cluster, const ObjectKey& key, Executor* executor,
                            Callback<std::string> done) {
  Run<std::string>(
      absl::StrCat("reading a manifest of ", cluster.name), options_.deadline, executor,
      [=](Connection& connection) -> absl::StatusOr<std::string> {
        const absl::Status none =
            absl::NotFoundError(absl::StrCat("no manifest of ", KindName(key.kind), " ", key.key));
        const ObjectTable* table = FindObjectTable(key.kind);
        if (table == nullptr || table->read_manifest == nullptr) return none;
        TRIVIUM_ASSIGN_OR_RETURN(const std::vector<std::string> columns, KeyColumns(key));
        Params params = ClusterParams(cluster);
        for (const std::string& column : columns) params.Text(column);
        TRIVIUM_ASSIGN_OR_RETURN(const std::vector<SqlResult> results,
                                 connection.Run(Pipeline().Add(*table->read_manifest, std::move(params))));
        if (results[0].rows() == 0 || results[0].Bytes(0, 0).empty()) return none;
        return results[0].Bytes(0, 0);
      },
      std::move(done));
}

void SqlStore::ReadIdentityLife(const ClusterRef& cluster, Executor* executor, Callback<IdentityLife> done) {
  Run<IdentityLife>(
      absl::StrCat("reading the retired identities of ", cluster.name), options_.deadline, executor,
      [cluster](Connection& connection) { return ReadIdentityLifeOnce(connection, cluster); },
      std::move(done));
}

void SqlStore::HoldLeases(uint32_t home, std::vector<uint32_t> cluster_ids, const std::string& holder,
                          absl::Duration lifetime, Executor* executor,
                          Callback<std::vector<WriterLease>> done) {
  Run<std::vector<WriterLease>>(
      absl::StrCat("holding the writer leases of home ", home), options_.deadline, executor,
      [=](Connection& connection) { return HoldLeasesOnce(connection, home, cluster_ids, holder, lifetime); },
      std::move(done));
}

void SqlStore::ReleaseLeases(uint32_t home, std::vector<uint32_t> cluster_ids, const std::string& holder,
                             Executor* executor, Done done) {
  RunDone(
      absl::StrCat("giving back the writer leases of home ", home), executor,
      [=](Connection& connection) { return ReleaseLeasesOnce(connection, home, cluster_ids, holder); },
      std::move(done));
}

void SqlStore::WriteAgents(const ClusterRef& cluster, std::vector<v1::AgentStatus> agents, Executor* executor,
                           Done done) {
  RunDone(
      absl::StrCat("writing reports of ", cluster.name), executor,
      [cluster, agents = std::move(agents)](Connection& connection) -> absl::Status {
        TRIVIUM_ASSIGN_OR_RETURN(const Pipeline pipeline, PlanAgents(cluster, agents));
        return connection.Run(pipeline).status();
      },
      std::move(done));
}

void SqlStore::OpenReachability(const ClusterRef& cluster, Executor* executor,
                                Callback<ReachabilityState> done) {
  Run<ReachabilityState>(
      absl::StrCat("reading the state of reachability of ", cluster.name), options_.deadline, executor,
      [cluster](Connection& connection) { return OpenReachabilityOnce(connection, cluster); },
      std::move(done));
}

void SqlStore::WriteReachability(const ClusterRef& cluster, ReachabilityWrite write, Executor* executor,
                                 Done done) {
  RunDone(
      absl::StrCat("writing reachability of ", cluster.name), executor,
      [cluster, write = std::move(write)](Connection& connection) {
        return WriteReachabilityOnce(connection, cluster, write);
      },
      std::move(done));
}

void SqlStore::Compact(const ClusterRef& cluster, uint64_t floor, absl::Time keep_requests_since,
                       Executor* executor, Done done) {
  const int64_t bound = static_cast<int64_t>(std::min<uint64_t>(floor, std::numeric_limits<int64_t>::max()));
  const int64_t step = static_cast<int64_t>(options_.compact_step);
  RunDone(
      absl::StrCat("compacting the log of ", cluster.name), executor,
      [=, since = TimeText(keep_requests_since)](Connection& connection) {
        return CompactOnce(connection, cluster, bound, since, step);
      },
      std::move(done));
}

void SqlStore::TrimLog(const ClusterRef& cluster, const LogBounds& bounds, Executor* executor,
                       Callback<Trimmed> done) {
  Run<Trimmed>(
      absl::StrCat("trimming the log of ", cluster.name), options_.deadline, executor,
      [=, rows = options_.trim_step, step = options_.compact_step](Connection& connection) {
        return TrimLogOnce(connection, cluster, bounds, rows, step);
      },
      std::move(done));
}

void SqlStore::BumpEpoch(const ClusterRef& cluster, uint64_t unix_seconds, const AuditRow& why,
                         Executor* executor, Callback<NewEpoch> done) {
  Run<NewEpoch>(
      absl::StrCat("raising the epoch of ", cluster.name), options_.deadline, executor,
      [=](Connection& connection) { return BumpEpochOnce(connection, cluster, unix_seconds, why); },
      std::move(done));
}

void SqlStore::ReadEventCursor(const ClusterRef& cluster, Executor* executor,
                               Callback<std::optional<EventCursor>> done) {
  Run<std::optional<EventCursor>>(
      absl::StrCat("reading the event cursor of ", cluster.name), options_.deadline, executor,
      [=](Connection& connection) { return ReadEventCursorOnce(connection, cluster); }, std::move(done));
}

void SqlStore::WriteEventCursor(const ClusterRef& cluster, const EventCursor& cursor, Executor* executor,
                                Done done) {
  RunDone(
      absl::StrCat("writing the event cursor of ", cluster.name), executor,
      [=](Connection& connection) { return WriteEventCursorOnce(connection, cluster, cursor); },
      std::move(done));
}

}  // namespace trivium
