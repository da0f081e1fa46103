// A store in memory with the semantics of store/sql_store.h, and faults on demand. Thread-safe.
//
// The rows live in a FakeDatabase that outlives stores, so that several control planes can share one, each
// with faults of its own, and a restarted one finds what was committed. Every operation runs in two steps on
// the caller's executor: its effect after half of the delay, its answer after the rest; a store destroyed in
// between has committed without anyone hearing of it, as a killed process would.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "base/random.h"
#include "controlplane/store/event_cursors.h"
#include "controlplane/store/store.h"

namespace trivium {

class FakeDatabase {
 public:
  struct LogEntry {
    Id128 batch;
    std::string envelope;
    absl::Time time;
  };
  struct ObjectRow {
    uint64_t revision = 0;
    v1::Object object;
    std::string manifest;
  };
  struct Request {
    uint64_t revision = 0;
    std::string result;
    absl::Time time;
  };
  struct Lease {
    std::string holder;  // empty: there is no row
    uint64_t fence = 0;
    absl::Time expires_at;
  };
  struct ClusterRows {
    std::string name;
    Lease lease;
    StoredHead head;
    std::map<uint64_t, LogEntry> log;
    std::map<ObjectKey, ObjectRow> objects;
    std::map<std::pair<Id128, std::string>, Request> requests;  // by id and actor
    std::vector<AuditRow> audit;
    std::map<uint32_t, RetiredIdentity> retired;
    std::map<std::string, v1::AgentStatus> agents;  // by node
    std::optional<EventCursor> event_cursor;
    ReachabilityState reachability_state;
    std::vector<ReachabilityRow> reachability;
    std::vector<SelectionRow> selections;
  };
  using Rows = std::map<std::pair<uint32_t, uint32_t>, ClusterRows>;  // by home and cluster_id

  // Everything as it stands, and back to it: a backup and its restore.
  Rows Save() const;
  void Restore(Rows rows);

  // One cluster's rows, empty if there are none; for assertions.
  ClusterRows Look(const ClusterRef& cluster) const;
  // Reads everything where it lies, without a copy.
  void Visit(const std::function<void(const Rows&)>& read) const;
  // Told, with the cluster's rows as they are then, of every new head: a batch, or a new epoch (null). Runs
  // under the database's lock.
  using Observer = std::function<void(const ClusterRows&, const CommitRequest*)>;
  void SetObserver(Observer observer);

  // What tells the time for leases and the age of rows; without it each store's own clock does. Not owned.
  void SetClock(const Clock* clock);
  // As an administrator may: nothing depends on who holds a lease.
  void SetLease(const ClusterRef& cluster, Lease lease);

  // How many endpoints name that identity.
  uint64_t References(const ClusterRef& cluster, uint32_t identity) const;

 private:
  friend class FakeStore;
  void Tell(const ClusterRows& rows, const CommitRequest* request) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (observer_ != nullptr) observer_(rows, request);
  }
  mutable absl::Mutex mutex_;
  Rows rows_ ABSL_GUARDED_BY(mutex_);
  Observer observer_ ABSL_GUARDED_BY(mutex_);
  const Clock* clock_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

class FakeStore final : public Store, public EventCursors {
 public:
  // What happens to a commit instead of the ordinary.
  enum class CommitFault {
    kNone,
    kLostRace,               // another writer's empty batch takes the place; kAborted
    kAmbiguousCommitted,     // written, but the answer is kUnavailable
    kAmbiguousNotCommitted,  // not written; kUnavailable
    kAmbiguousLate,          // kUnavailable first; written as soon as the caller has heard it
  };

  // What becomes of one operation on its way to the server and back.
  struct Fate {
    enum Kind {
      kDone,
      kUnreached,   // the server never sees it; kUnavailable
      kAnswerLost,  // done; kUnavailable
      kLate,        // kUnavailable first, done afterwards all the same
    } kind = kDone;
    absl::Duration there;  // until the effect
    absl::Duration back;   // from there to the answer
  };
  struct Operation {
    uint32_t home = 0;
    bool commit = false;
  };

  // Makes a database of its own. `clock` dates the rows of `requests`.
  explicit FakeStore(Clock* clock);
  FakeStore(std::shared_ptr<FakeDatabase> database, Clock* clock);
  ~FakeStore() override;

  const std::shared_ptr<FakeDatabase>& database() const { return database_; }

  // Faults of the next commits, in order; commits beyond the list run normally.
  void FailNextCommits(std::vector<CommitFault> faults);
  // While set, nothing is done and everything answers kUnavailable.
  void SetUnavailable(bool unavailable);
  // The same for the clusters of one home region.
  void SetHomeUnavailable(uint32_t home, bool unavailable);
  // How long every operation takes; with `random`, uniform in [0, delay).
  void SetDelay(absl::Duration delay, Random* random = nullptr);
  // From now on effects happen on `server`, which outlives callers, and each operation has the fate that
  // `judge` gives it: a process that dies takes back nothing that is on its way.
  void SetServer(Executor* server, std::function<Fate(const Operation&)> judge);
  // Commits asked for, faulty ones included.
  uint64_t commits() const;

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
  struct Faults;
  static constexpr uint64_t kTrimStep = 10'000;
  template <typename T>
  using Effect = absl::AnyInvocable<absl::StatusOr<T>(FakeDatabase::Rows&)>;  // under the database's lock

  // By the database's clock; under its lock.
  static absl::Time NowOf(const FakeDatabase& database, const Clock& own)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(database.mutex_) {
    return database.clock_ == nullptr ? own.Now() : database.clock_->Now();
  }
  template <typename T>
  void Run(Operation operation, Executor* executor, Effect<T> effect, Callback<T> done);
  template <typename T>
  void RunOnServer(Operation operation, Executor* executor, Effect<T> effect, Callback<T> done);

  const std::shared_ptr<FakeDatabase> database_;
  Clock* const clock_;
  Executor* server_ = nullptr;  // null: the caller's
  std::function<Fate(const Operation&)> judge_;
  const std::shared_ptr<Faults> faults_;  // watched by tasks on their way: gone with the store
};

}  // namespace trivium
