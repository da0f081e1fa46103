// The life of one run of a process: everything that it does to the outside goes through here, and from the
// moment of its death nothing has any effect, though its present task still runs to its end. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bus/bus.h"
#include "controlplane/store/store.h"
#include "nodeagent/reconcile/map_io.h"
#include "tests/sim/coverage.h"
#include "tests/sim/scheduler.h"

namespace trivium::sim {

class Life {
 public:
  Life(Coverage* coverage, Scheduler* scheduler) : coverage_(coverage), scheduler_(scheduler) {}

  // Asked before each effect. False: the process is dead, and it must not happen.
  bool Effect(Point crash) {
    if (dead_) return false;
    scheduler_->Note(static_cast<uint64_t>(crash) + 1000);
    if (!left_.has_value() || (*left_)-- > 0) return true;
    coverage_->Hit(crash);
    Die();
    return false;
  }
  // It dies at the effect after so many more.
  void DieAfter(uint64_t effects) { left_ = effects; }
  void Spare() { left_.reset(); }
  void Die() {
    dead_ = true;
    if (on_death_ != nullptr) on_death_();
  }
  bool dead() const { return dead_; }
  Coverage* coverage() { return coverage_; }
  void OnDeath(std::function<void()> on_death) { on_death_ = std::move(on_death); }

 private:
  Coverage* const coverage_;
  Scheduler* const scheduler_;
  std::optional<uint64_t> left_;
  bool dead_ = false;
  std::function<void()> on_death_;
};

class MortalBus final : public Bus {
 public:
  MortalBus(Life* life, Bus* bus) : life_(life), bus_(bus) {}
  absl::Status Publish(absl::string_view subject, absl::string_view payload) override {
    if (!life_->Effect(Point::kCrashAtPublish)) return absl::OkStatus();
    return bus_->Publish(subject, payload);
  }
  absl::Status Subscribe(const std::string& subject, const std::string& queue, Executor* executor,
                         Handler handler) override {
    return bus_->Subscribe(subject, queue, executor, std::move(handler));
  }
  void Request(const std::string& subject, std::string payload, absl::Duration timeout, Executor* executor,
               ReplyHandler on_reply) override {
    if (!life_->Effect(Point::kCrashAtRequest)) return;
    bus_->Request(subject, std::move(payload), timeout, executor, std::move(on_reply));
  }
  absl::Status Flush(absl::Duration timeout) override { return bus_->Flush(timeout); }
  void FlushAsync(absl::Duration timeout, Executor* executor,
                  absl::AnyInvocable<void(absl::Status)> done) override {
    bus_->FlushAsync(timeout, executor, std::move(done));
  }
  void WatchState(Executor* executor, std::function<void(State)> on_change) override {
    bus_->WatchState(executor, std::move(on_change));
  }
  void Rebuild() override {
    if (!life_->dead()) bus_->Rebuild();
  }

 private:
  Life* const life_;
  Bus* const bus_;
};

class MortalStore final : public Store {
 public:
  // `forget_commit`: a commit for which it gives true is said to be done and is not. May be null.
  MortalStore(Life* life, Store* store, std::function<bool()> forget_commit)
      : life_(life), store_(store), forget_commit_(std::move(forget_commit)) {}

  void OpenCluster(const ClusterRef& cluster, Executor* executor, Callback<StoredHead> done) override {
    if (Query()) store_->OpenCluster(cluster, executor, std::move(done));
  }
  void ReadHead(const ClusterRef& cluster, Executor* executor, Callback<StoredHead> done) override {
    if (Query()) store_->ReadHead(cluster, executor, std::move(done));
  }
  void ReadHeads(uint32_t home, Executor* executor, Callback<std::vector<v1::Head>> done) override {
    if (Query()) store_->ReadHeads(home, executor, std::move(done));
  }
  void Commit(std::shared_ptr<const CommitRequest> request, Executor* executor, Done done) override {
    if (!life_->Effect(Point::kCrashAtCommit)) return;
    if (forget_commit_ != nullptr && forget_commit_()) {
      return executor->Post([done = std::move(done)]() mutable { done(absl::OkStatus()); });
    }
    store_->Commit(std::move(request), executor,
                   [life = life_, done = std::move(done)](const absl::Status& status) mutable {
                     if (absl::IsAborted(status)) life->coverage()->Hit(Point::kCommitRaceLost);
                     done(status);
                   });
  }
  void ReadLog(const ClusterRef& cluster, uint64_t after, size_t limit, size_t max_bytes, Executor* executor,
               Callback<std::vector<LogRow>> done) override {
    if (Query()) store_->ReadLog(cluster, after, limit, max_bytes, executor, std::move(done));
  }
  void ReadSnapshot(const ClusterRef& cluster, Executor* executor, Callback<v1::Snapshot> done) override {
    if (Query()) store_->ReadSnapshot(cluster, executor, std::move(done));
  }
  void FindRequest(const ClusterRef& cluster, Id128 request_id, const std::string& actor, Executor* executor,
                   Callback<std::optional<std::string>> done) override {
    if (Query()) store_->FindRequest(cluster, request_id, actor, executor, std::move(done));
  }
  void ReadManifest(const ClusterRef& cluster, const ObjectKey& key, Executor* executor,
                    Callback<std::string> done) override {
    if (Query()) store_->ReadManifest(cluster, key, executor, std::move(done));
  }
  void ReadIdentityLife(const ClusterRef& cluster, Executor* executor, Callback<IdentityLife> done) override {
    if (Query()) store_->ReadIdentityLife(cluster, executor, std::move(done));
  }
  void HoldLeases(uint32_t home, std::vector<uint32_t> cluster_ids, const std::string& holder,
                  absl::Duration lifetime, Executor* executor,
                  Callback<std::vector<WriterLease>> done) override {
    if (Query()) {
      store_->HoldLeases(home, std::move(cluster_ids), holder, lifetime, executor, std::move(done));
    }
  }
  void ReleaseLeases(uint32_t home, std::vector<uint32_t> cluster_ids, const std::string& holder,
                     Executor* executor, Done done) override {
    if (Query()) store_->ReleaseLeases(home, std::move(cluster_ids), holder, executor, std::move(done));
  }
  void WriteAgents(const ClusterRef& cluster, std::vector<v1::AgentStatus> agents, Executor* executor,
                   Done done) override {
    if (Query()) store_->WriteAgents(cluster, std::move(agents), executor, std::move(done));
  }
  void OpenReachability(const ClusterRef& cluster, Executor* executor,
                        Callback<ReachabilityState> done) override {
    if (Query()) store_->OpenReachability(cluster, executor, std::move(done));
  }
  void WriteReachability(const ClusterRef& cluster, ReachabilityWrite write, Executor* executor,
                         Done done) override {
    if (Query()) store_->WriteReachability(cluster, std::move(write), executor, std::move(done));
  }
  void Compact(const ClusterRef& cluster, uint64_t floor, absl::Time keep_requests_since, Executor* executor,
               Done done) override {
    if (Query()) store_->Compact(cluster, floor, keep_requests_since, executor, std::move(done));
  }
  void TrimLog(const ClusterRef& cluster, const LogBounds& bounds, Executor* executor,
               Callback<Trimmed> done) override {
    if (Query()) store_->TrimLog(cluster, bounds, executor, std::move(done));
  }
  void BumpEpoch(const ClusterRef& cluster, uint64_t unix_seconds, const AuditRow& why, Executor* executor,
                 Callback<NewEpoch> done) override {
    if (Query()) store_->BumpEpoch(cluster, unix_seconds, why, executor, std::move(done));
  }

 private:
  bool Query() { return life_->Effect(Point::kCrashAtQuery); }

  Life* const life_;
  Store* const store_;
  const std::function<bool()> forget_commit_;
};

// Maps that now and then say "done" when nothing was done: for tests of the simulation itself.
class LyingMapIo final : public MapIo {
 public:
  LyingMapIo(MapIo* maps, std::function<bool()> lose) : maps_(maps), lose_(std::move(lose)) {}
  MapInfo Info(MapId map) const override { return maps_->Info(map); }
  MapWriteResult Update(MapId map, const MapRecords& records) override {
    return lose_() ? MapWriteResult() : maps_->Update(map, records);
  }
  MapWriteResult Delete(MapId map, const MapRecords& keys) override { return maps_->Delete(map, keys); }
  absl::StatusOr<MapRecords> ReadAll(MapId map) override { return maps_->ReadAll(map); }

 private:
  MapIo* const maps_;
  const std::function<bool()> lose_;
};

}  // namespace trivium::sim
