#include "tests/support/fake_store.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/store/epoch_reply.h"
#include "tests/support/fake_rows.h"

namespace trivium {
namespace {

using ClusterRows = FakeDatabase::ClusterRows;

absl::StatusOr<ClusterRows*> Find(const ClusterRef& cluster, FakeDatabase::Rows* rows) {
  const auto it = rows->find({cluster.home, cluster.cluster_id});
  if (it == rows->end()) {
    return absl::NotFoundError(absl::StrCat("cluster ", cluster.name, " (", cluster.cluster_id, " of home ",
                                            cluster.home, ") has no row: open it first"));
  }
  return &it->second;
}

// A restarted agent starts its sequence anew.
bool OlderReport(const v1::AgentStatus& a, const v1::AgentStatus& b) {
  return std::make_tuple(a.start_ms(), a.sequence()) < std::make_tuple(b.start_ms(), b.sequence());
}

}  // namespace

struct FakeStore::Faults {
  absl::Mutex mutex;
  std::deque<CommitFault> commits ABSL_GUARDED_BY(mutex);
  bool unavailable ABSL_GUARDED_BY(mutex) = false;
  std::set<uint32_t> homes ABSL_GUARDED_BY(mutex);
  absl::Duration delay ABSL_GUARDED_BY(mutex);
  Random* random ABSL_GUARDED_BY(mutex) = nullptr;
  uint64_t commit_count ABSL_GUARDED_BY(mutex) = 0;

  absl::Status Reach(uint32_t home) {
    absl::MutexLock lock(&mutex);
    if (unavailable || homes.contains(home)) return absl::UnavailableError("the database does not answer");
    return absl::OkStatus();
  }
  CommitFault NextCommit() {
    absl::MutexLock lock(&mutex);
    ++commit_count;
    if (commits.empty()) return CommitFault::kNone;
    const CommitFault fault = commits.front();
    commits.pop_front();
    return fault;
  }
  absl::Duration NextDelay() {
    absl::MutexLock lock(&mutex);
    if (random == nullptr || delay <= absl::ZeroDuration()) return delay;
    return absl::Nanoseconds(random->Below(absl::ToInt64Nanoseconds(delay)));
  }
};

FakeDatabase::Rows FakeDatabase::Save() const {
  absl::MutexLock lock(&mutex_);
  return rows_;
}

void FakeDatabase::Restore(Rows rows) {
  absl::MutexLock lock(&mutex_);
  rows_ = std::move(rows);
}

void FakeDatabase::Visit(const std::function<void(const Rows&)>& read) const {
  absl::MutexLock lock(&mutex_);
  read(rows_);
}

void FakeDatabase::SetObserver(Observer observer) {
  absl::MutexLock lock(&mutex_);
  observer_ = std::move(observer);
}

void FakeDatabase::SetClock(const Clock* clock) {
  absl::MutexLock lock(&mutex_);
  clock_ = clock;
}

void FakeDatabase::SetLease(const ClusterRef& cluster, Lease lease) {
  absl::MutexLock lock(&mutex_);
  const auto it = rows_.find({cluster.home, cluster.cluster_id});
  if (it != rows_.end()) it->second.lease = std::move(lease);
}

FakeDatabase::ClusterRows FakeDatabase::Look(const ClusterRef& cluster) const {
  absl::MutexLock lock(&mutex_);
  const auto it = rows_.find({cluster.home, cluster.cluster_id});
  return it == rows_.end() ? ClusterRows() : it->second;
}

uint64_t FakeDatabase::References(const ClusterRef& cluster, uint32_t identity) const {
  const ClusterRows rows = Look(cluster);
  return std::count_if(rows.objects.begin(), rows.objects.end(), [identity](const auto& entry) {
    return entry.second.object.has_endpoint() && entry.second.object.endpoint().identity() == identity;
  });
}

FakeStore::FakeStore(Clock* clock) : FakeStore(std::make_shared<FakeDatabase>(), clock) {}

FakeStore::FakeStore(std::shared_ptr<FakeDatabase> database, Clock* clock)
    : database_(std::move(database)), clock_(clock), faults_(std::make_shared<Faults>()) {}

FakeStore::~FakeStore() = default;

void FakeStore::FailNextCommits(std::vector<CommitFault> faults) {
  absl::MutexLock lock(&faults_->mutex);
  faults_->commits.insert(faults_->commits.end(), faults.begin(), faults.end());
}

void FakeStore::SetUnavailable(bool unavailable) {
  absl::MutexLock lock(&faults_->mutex);
  faults_->unavailable = unavailable;
}

void FakeStore::SetHomeUnavailable(uint32_t home, bool unavailable) {
  absl::MutexLock lock(&faults_->mutex);
  if (unavailable) {
    faults_->homes.insert(home);
  } else {
    faults_->homes.erase(home);
  }
}

void FakeStore::SetDelay(absl::Duration delay, Random* random) {
  absl::MutexLock lock(&faults_->mutex);
  faults_->delay = delay;
  faults_->random = random;
}

uint64_t FakeStore::commits() const {
  absl::MutexLock lock(&faults_->mutex);
  return faults_->commit_count;
}

void FakeStore::SetServer(Executor* server, std::function<Fate(const Operation&)> judge) {
  server_ = server;
  judge_ = std::move(judge);
}

template <typename T>
void FakeStore::RunOnServer(Operation operation, Executor* executor, Effect<T> effect, Callback<T> done) {
  const Fate fate = judge_(operation);
  auto answer = [alive = std::weak_ptr<Faults>(faults_), executor, back = fate.back,
                 done = std::move(done)](absl::StatusOr<T> result) mutable {
    // The caller may be gone by now, and its executor closed: then it takes no more tasks.
    if (alive.expired()) return;
    executor->PostAfter(back, [alive, result = std::move(result), done = std::move(done)]() mutable {
      if (!alive.expired()) done(std::move(result));
    });
  };
  server_->PostAfter(fate.there, [this_server = server_, fate, home = operation.home,
                                  faults = std::weak_ptr<Faults>(faults_), database = database_,
                                  effect = std::move(effect), answer = std::move(answer)]() mutable {
    const auto run = [&database, &effect]() -> absl::StatusOr<T> {
      absl::MutexLock lock(&database->mutex_);
      return effect(database->rows_);
    };
    const std::shared_ptr<Faults> alive = faults.lock();
    if (const absl::Status reach = alive == nullptr ? absl::OkStatus() : alive->Reach(home); !reach.ok()) {
      return answer(reach);
    }
    switch (fate.kind) {
      case Fate::kDone:
        return answer(run());
      case Fate::kUnreached:
        return answer(absl::UnavailableError("no way to the database"));
      case Fate::kAnswerLost:
        run().status().IgnoreError();  // its result is what gets lost
        return answer(absl::UnavailableError("the connection was lost before the answer came"));
      case Fate::kLate:
        answer(absl::UnavailableError("the connection was lost before the answer came"));
        this_server->PostAfter(fate.back * 3, [database, effect = std::move(effect)]() mutable {
          absl::MutexLock lock(&database->mutex_);
          effect(database->rows_).status().IgnoreError();  // nobody is there to hear it
        });
    }
  });
}

template <typename T>
void FakeStore::Run(Operation operation, Executor* executor, Effect<T> effect, Callback<T> done) {
  if (server_ != nullptr) return RunOnServer<T>(operation, executor, std::move(effect), std::move(done));
  const uint32_t home = operation.home;
  const absl::Duration half = faults_->NextDelay() / 2;
  const std::weak_ptr<Faults> alive = faults_;
  auto later = [executor, half](Task task) {
    if (half <= absl::ZeroDuration()) {
      executor->Post(std::move(task));
    } else {
      executor->PostAfter(half, std::move(task));
    }
  };
  later([alive, home, half, later, database = database_, effect = std::move(effect),
         done = std::move(done)]() mutable {
    const std::shared_ptr<Faults> faults = alive.lock();
    if (faults == nullptr) return;
    absl::StatusOr<T> answer;
    if (absl::Status reach = faults->Reach(home); !reach.ok()) {
      answer = std::move(reach);
    } else {
      absl::MutexLock lock(&database->mutex_);
      answer = effect(database->rows_);
    }
    if (half <= absl::ZeroDuration()) {
      done(std::move(answer));
      return;
    }
    later([alive, answer = std::move(answer), done = std::move(done)]() mutable {
      if (!alive.expired()) done(std::move(answer));
    });
  });
}

void FakeStore::OpenCluster(const ClusterRef& cluster, Executor* executor, Callback<StoredHead> done) {
  Run<StoredHead>(
      {cluster.home}, executor,
      [cluster](FakeDatabase::Rows& rows) -> absl::StatusOr<StoredHead> {
        auto [it, created] = rows.try_emplace({cluster.home, cluster.cluster_id});
        if (created) {
          it->second.name = cluster.name;
          it->second.head.epoch = 1;
        }
        if (it->second.name != cluster.name) {
          return absl::FailedPreconditionError(absl::StrCat("cluster ", cluster.cluster_id, " of home ",
                                                            cluster.home, " is named ", it->second.name,
                                                            ", not ", cluster.name));
        }
        return it->second.head;
      },
      std::move(done));
}

void FakeStore::ReadHead(const ClusterRef& cluster, Executor* executor, Callback<StoredHead> done) {
  Run<StoredHead>(
      {cluster.home}, executor,
      [cluster](FakeDatabase::Rows& rows) -> absl::StatusOr<StoredHead> {
        TRIVIUM_ASSIGN_OR_RETURN(const ClusterRows* found, Find(cluster, &rows));
        return found->head;
      },
      std::move(done));
}

void FakeStore::ReadHeads(uint32_t home, Executor* executor, Callback<std::vector<v1::Head>> done) {
  Run<std::vector<v1::Head>>(
      {home}, executor,
      [home](FakeDatabase::Rows& rows) -> absl::StatusOr<std::vector<v1::Head>> {
        std::vector<v1::Head> heads;
        for (const auto& [id, cluster] : rows) {
          if (id.first == home) heads.push_back(ToHead(cluster.name, cluster.head));
        }
        return heads;
      },
      std::move(done));
}

void FakeStore::Commit(std::shared_ptr<const CommitRequest> shared, Executor* executor, Done done) {
  const CommitFault fault = faults_->NextCommit();
  const ClusterRef cluster = shared->cluster;
  const absl::Status sound = CheckRequest(*shared);
  auto commit = [shared, clock = clock_, db = database_.get()](FakeDatabase::Rows& rows) -> absl::Status {
    TRIVIUM_ASSIGN_OR_RETURN(ClusterRows * found, Find(shared->cluster, &rows));
    const Id128 before = found->head.last_batch;
    const absl::Status status = CommitRows(*shared, FakeStore::NowOf(*db, *clock), found);
    db->mutex_.AssertHeld();
    if (found->head.last_batch != before) db->Tell(*found, shared.get());
    return status;
  };
  Run<bool>(
      {cluster.home, true}, executor,
      [cluster, fault, sound, commit](FakeDatabase::Rows& rows) -> absl::StatusOr<bool> {
        TRIVIUM_RETURN_IF_ERROR(sound);
        switch (fault) {
          case CommitFault::kNone:
            break;
          case CommitFault::kLostRace: {
            TRIVIUM_ASSIGN_OR_RETURN(ClusterRows * found, Find(cluster, &rows));
            TRIVIUM_RETURN_IF_ERROR(TakePlace(cluster, absl::Time(), found));
            break;
          }
          case CommitFault::kAmbiguousCommitted:
            TRIVIUM_RETURN_IF_ERROR(commit(rows));
            return absl::UnavailableError("the connection was lost after COMMIT");
          case CommitFault::kAmbiguousNotCommitted:
          case CommitFault::kAmbiguousLate:
            return absl::UnavailableError("the connection was lost before COMMIT");
        }
        TRIVIUM_RETURN_IF_ERROR(commit(rows));
        return true;
      },
      [fault, commit, database = database_, done = std::move(done)](absl::StatusOr<bool> answer) mutable {
        done(answer.status());
        if (fault != CommitFault::kAmbiguousLate) return;
        absl::MutexLock lock(&database->mutex_);
        // Nobody hears its answer: it may have lost to a batch that came first.
        commit(database->rows_).IgnoreError();
      });
}

void FakeStore::ReadLog(const ClusterRef& cluster, uint64_t after, size_t limit, size_t max_bytes,
                        Executor* executor, Callback<std::vector<LogRow>> done) {
  Run<std::vector<LogRow>>(
      {cluster.home}, executor,
      [cluster, after, limit, max_bytes](FakeDatabase::Rows& rows) -> absl::StatusOr<std::vector<LogRow>> {
        TRIVIUM_ASSIGN_OR_RETURN(const ClusterRows* found, Find(cluster, &rows));
        if (after < found->head.log_floor) {
          return absl::OutOfRangeError(absl::StrCat("the log of ", cluster.name, " starts after revision ",
                                                    found->head.log_floor, "; asked for what follows ",
                                                    after));
        }
        std::vector<LogRow> log;
        size_t bytes = 0;
        for (auto it = found->log.upper_bound(after); it != found->log.end(); ++it) {
          bytes += it->second.envelope.size();
          if (log.size() >= limit || (!log.empty() && bytes > max_bytes)) break;
          log.push_back({it->first, it->second.envelope});
        }
        return log;
      },
      std::move(done));
}

void FakeStore::ReadSnapshot(const ClusterRef& cluster, Executor* executor, Callback<v1::Snapshot> done) {
  Run<v1::Snapshot>(
      {cluster.home}, executor,
      [cluster](FakeDatabase::Rows& rows) -> absl::StatusOr<v1::Snapshot> {
        TRIVIUM_ASSIGN_OR_RETURN(const ClusterRows* found, Find(cluster, &rows));
        if (DigestOf(*found) != found->head.digest) {
          return absl::DataLossError(absl::StrCat("the objects of ", cluster.name, " at revision ",
                                                  found->head.revision, " do not have their head's digest"));
        }
        v1::Snapshot snapshot;
        *snapshot.mutable_head() = ToHead(found->name, found->head);
        for (const auto& [key, row] : found->objects) {
          v1::SnapshotObject* object = snapshot.add_objects();
          *object->mutable_object() = row.object;
          object->set_revision(row.revision);
        }
        return snapshot;
      },
      std::move(done));
}

void FakeStore::FindRequest(const ClusterRef& cluster, Id128 request_id, const std::string& actor,
                            Executor* executor, Callback<std::optional<std::string>> done) {
  Run<std::optional<std::string>>(
      {cluster.home}, executor,
      [cluster, request_id, actor](FakeDatabase::Rows& rows) -> absl::StatusOr<std::optional<std::string>> {
        TRIVIUM_ASSIGN_OR_RETURN(const ClusterRows* found, Find(cluster, &rows));
        const auto it = found->requests.find({request_id, actor});
        if (it == found->requests.end()) return std::optional<std::string>();
        return std::optional<std::string>(it->second.result);
      },
      std::move(done));
}

void FakeStore::ReadManifest(const ClusterRef& cluster, const ObjectKey& key, Executor* executor,
                             Callback<std::string> done) {
  Run<std::string>(
      {cluster.home}, executor,
      [cluster, key](FakeDatabase::Rows& rows) -> absl::StatusOr<std::string> {
        TRIVIUM_ASSIGN_OR_RETURN(const ClusterRows* found, Find(cluster, &rows));
        const auto it = found->objects.find(key);
        if (it == found->objects.end() || it->second.manifest.empty()) {
          return absl::NotFoundError(
              absl::StrCat("no manifest of ", KindName(key.kind), " ", key.key, " in ", cluster.name));
        }
        return it->second.manifest;
      },
      std::move(done));
}

// How far that node is in the history of `cluster`.
std::pair<uint64_t, uint64_t> Confirmed(const ClusterRows& rows, const std::string& node,
                                        const std::string& cluster) {
  const auto agent = rows.agents.find(node);
  if (agent == rows.agents.end()) return {0, 0};
  for (const v1::AppliedCluster& applied : agent->second.applied()) {
    if (applied.cluster() == cluster) return {applied.epoch(), applied.enforced()};
  }
  return {0, 0};
}

void FakeStore::ReadIdentityLife(const ClusterRef& cluster, Executor* executor, Callback<IdentityLife> done) {
  Run<IdentityLife>(
      {cluster.home}, executor,
      [cluster](FakeDatabase::Rows& rows) -> absl::StatusOr<IdentityLife> {
        IdentityLife life;
        TRIVIUM_ASSIGN_OR_RETURN(const ClusterRows* found, Find(cluster, &rows));
        for (const auto& [id, retired] : found->retired) life.retired.push_back(retired);
        for (const auto& [place, other] : rows) {
          for (const auto& [key, row] : other.objects) {
            if (key.kind != v1::KIND_NODE) continue;
            const auto [epoch, revision] = Confirmed(other, key.key, cluster.name);
            if (!life.node.empty() && std::tie(life.epoch, life.revision) <= std::tie(epoch, revision))
              continue;
            life.epoch = epoch;
            life.revision = revision;
            life.node = absl::StrCat(other.name, "/", key.key);
          }
        }
        return life;
      },
      std::move(done));
}

void FakeStore::HoldLeases(uint32_t home, std::vector<uint32_t> cluster_ids, const std::string& holder,
                           absl::Duration lifetime, Executor* executor,
                           Callback<std::vector<WriterLease>> done) {
  std::sort(cluster_ids.begin(), cluster_ids.end());
  Run<std::vector<WriterLease>>(
      {home}, executor,
      [=, clock = clock_,
       db = database_.get()](FakeDatabase::Rows& rows) -> absl::StatusOr<std::vector<WriterLease>> {
        db->mutex_.AssertHeld();
        const absl::Time now = NowOf(*db, *clock);
        std::vector<WriterLease> leases;
        for (const uint32_t id : cluster_ids) {
          const auto it = rows.find({home, id});
          if (it == rows.end()) continue;
          FakeDatabase::Lease& lease = it->second.lease;
          if (lease.holder.empty() || lease.holder == holder || lease.expires_at <= now) {
            lease.fence += lease.holder == holder ? 0 : 1;
            lease.holder = holder;
            lease.expires_at = now + lifetime;
          }
          leases.push_back(WriterLease{id, lease.holder, lease.fence, lease.expires_at - now});
        }
        return leases;
      },
      std::move(done));
}

void FakeStore::ReleaseLeases(uint32_t home, std::vector<uint32_t> cluster_ids, const std::string& holder,
                              Executor* executor, Done done) {
  Run<bool>(
      {home}, executor,
      [=, clock = clock_, db = database_.get()](FakeDatabase::Rows& rows) -> absl::StatusOr<bool> {
        db->mutex_.AssertHeld();
        const absl::Time now = NowOf(*db, *clock);
        for (const uint32_t id : cluster_ids) {
          const auto it = rows.find({home, id});
          if (it == rows.end() || it->second.lease.holder != holder) continue;
          it->second.lease.expires_at = std::min(it->second.lease.expires_at, now);
        }
        return true;
      },
      [done = std::move(done)](absl::StatusOr<bool> answer) mutable { done(answer.status()); });
}

void FakeStore::ReadEventCursor(const ClusterRef& cluster, Executor* executor,
                                Callback<std::optional<EventCursor>> done) {
  Run<std::optional<EventCursor>>(
      {cluster.home}, executor,
      [cluster](FakeDatabase::Rows& rows) -> absl::StatusOr<std::optional<EventCursor>> {
        const auto found = rows.find({cluster.home, cluster.cluster_id});
        return found == rows.end() ? std::nullopt : found->second.event_cursor;
      },
      std::move(done));
}

void FakeStore::WriteEventCursor(const ClusterRef& cluster, const EventCursor& cursor, Executor* executor,
                                 Done done) {
  Run<bool>(
      {cluster.home}, executor,
      [cluster, cursor](FakeDatabase::Rows& rows) -> absl::StatusOr<bool> {
        TRIVIUM_ASSIGN_OR_RETURN(ClusterRows * found, Find(cluster, &rows));
        std::optional<EventCursor>& held = found->event_cursor;
        if (!held || held->stream != cursor.stream || held->sequence < cursor.sequence) held = cursor;
        return true;
      },
      [done = std::move(done)](absl::StatusOr<bool> answer) mutable { done(answer.status()); });
}

void FakeStore::WriteAgents(const ClusterRef& cluster, std::vector<v1::AgentStatus> agents,
                            Executor* executor, Done done) {
  Run<bool>(
      {cluster.home}, executor,
      [cluster, agents = std::move(agents)](FakeDatabase::Rows& rows) -> absl::StatusOr<bool> {
        TRIVIUM_ASSIGN_OR_RETURN(ClusterRows * found, Find(cluster, &rows));
        for (const v1::AgentStatus& agent : agents) {
          auto [it, created] = found->agents.try_emplace(agent.node(), agent);
          if (!created && !OlderReport(agent, it->second)) it->second = agent;
        }
        return true;
      },
      [done = std::move(done)](absl::StatusOr<bool> answer) mutable { done(answer.status()); });
}

void FakeStore::OpenReachability(const ClusterRef& cluster, Executor* executor,
                                 Callback<ReachabilityState> done) {
  Run<ReachabilityState>(
      {cluster.home}, executor,
      [cluster](FakeDatabase::Rows& rows) -> absl::StatusOr<ReachabilityState> {
        TRIVIUM_ASSIGN_OR_RETURN(ClusterRows * found, Find(cluster, &rows));
        return found->reachability_state;
      },
      std::move(done));
}

void FakeStore::WriteReachability(const ClusterRef& cluster, ReachabilityWrite write, Executor* executor,
                                  Done done) {
  Run<bool>(
      {cluster.home}, executor,
      [cluster, write = std::move(write)](FakeDatabase::Rows& rows) -> absl::StatusOr<bool> {
        TRIVIUM_ASSIGN_OR_RETURN(ClusterRows * found, Find(cluster, &rows));
        TRIVIUM_RETURN_IF_ERROR(WriteReachabilityRows(write, found));
        return true;
      },
      [done = std::move(done)](absl::StatusOr<bool> answer) mutable { done(answer.status()); });
}

void FakeStore::Compact(const ClusterRef& cluster, uint64_t floor, absl::Time keep_requests_since,
                        Executor* executor, Done done) {
  Run<bool>(
      {cluster.home}, executor,
      [cluster, floor, keep_requests_since](FakeDatabase::Rows& rows) -> absl::StatusOr<bool> {
        TRIVIUM_ASSIGN_OR_RETURN(ClusterRows * found, Find(cluster, &rows));
        const uint64_t bound = std::min(floor, found->head.revision);
        found->head.log_floor = std::max(found->head.log_floor, bound);
        found->log.erase(found->log.begin(), found->log.upper_bound(found->head.log_floor));
        std::erase_if(found->requests, [&](const auto& entry) {
          return entry.second.revision <= found->head.log_floor && entry.second.time < keep_requests_since;
        });
        return true;
      },
      [done = std::move(done)](absl::StatusOr<bool> answer) mutable { done(answer.status()); });
}

void FakeStore::TrimLog(const ClusterRef& cluster, const LogBounds& bounds, Executor* executor,
                        Callback<Trimmed> done) {
  Run<Trimmed>(
      {cluster.home}, executor,
      [cluster, bounds, clock = clock_,
       db = database_.get()](FakeDatabase::Rows& rows) -> absl::StatusOr<Trimmed> {
        TRIVIUM_ASSIGN_OR_RETURN(ClusterRows * found, Find(cluster, &rows));
        db->mutex_.AssertHeld();
        const absl::Time now = NowOf(*db, *clock);
        const uint64_t floor = found->head.log_floor;
        const uint64_t head = found->head.revision;
        const uint64_t beyond = head > bounds.revisions ? head - bounds.revisions : 0;
        uint64_t wanted = floor;
        for (const auto& [revision, entry] : found->log) {
          const absl::Duration age = now - entry.time;
          const bool goes = age >= bounds.at_least && (age >= bounds.at_most || revision <= beyond);
          if (!goes || revision > floor + kTrimStep) break;
          wanted = revision;
        }
        found->head.log_floor = std::max(floor, wanted);
        found->log.erase(found->log.begin(), found->log.upper_bound(found->head.log_floor));
        std::erase_if(found->requests, [&](const auto& entry) {
          return entry.second.revision <= found->head.log_floor && now - entry.second.time >= bounds.at_least;
        });
        return Trimmed{found->head.log_floor, wanted == floor + kTrimStep};
      },
      std::move(done));
}

void FakeStore::BumpEpoch(const ClusterRef& cluster, uint64_t unix_seconds, const AuditRow& why,
                          Executor* executor, Callback<NewEpoch> done) {
  Run<NewEpoch>(
      {cluster.home}, executor,
      [cluster, unix_seconds, why, clock = clock_,
       db = database_.get()](FakeDatabase::Rows& rows) -> absl::StatusOr<NewEpoch> {
        TRIVIUM_ASSIGN_OR_RETURN(ClusterRows * found, Find(cluster, &rows));
        NewEpoch epoch{found->head, {}};
        found->head.epoch = std::max(found->head.epoch + 1, unix_seconds);
        found->head.digest = DigestOf(*found);
        epoch.after = found->head;
        db->mutex_.AssertHeld();
        found->audit.push_back(why);
        if (!why.request_id.IsZero()) {
          found->requests.try_emplace(
              {why.request_id, why.actor},
              FakeDatabase::Request{epoch.after.revision, EpochReply(cluster.name, epoch).SerializeAsString(),
                                    NowOf(*db, *clock)});
        }
        db->Tell(*found, nullptr);
        return epoch;
      },
      std::move(done));
}

}  // namespace trivium
