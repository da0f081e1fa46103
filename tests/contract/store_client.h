// A store called synchronously, and how two copies of one state are compared.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "controlplane/store/store.h"
#include "replica/mirror.h"
#include "tests/support/await.h"

namespace trivium {

// A store with its executor, called synchronously.
class StoreClient {
 public:
  explicit StoreClient(std::unique_ptr<Store> store) : store_(std::move(store)) {}
  // The store goes on its own executor, as its contract says.
  ~StoreClient() {
    executor_.RunAndWait([this] { store_.reset(); });
  }

  Store* store() { return store_.get(); }

  absl::StatusOr<StoredHead> OpenCluster(const ClusterRef& c) {
    return Await<StoredHead>([&](auto done) { store_->OpenCluster(c, &executor_, done); });
  }
  absl::StatusOr<StoredHead> ReadHead(const ClusterRef& c) {
    return Await<StoredHead>([&](auto done) { store_->ReadHead(c, &executor_, done); });
  }
  absl::StatusOr<std::vector<v1::Head>> ReadHeads(uint32_t home) {
    return Await<std::vector<v1::Head>>([&](auto done) { store_->ReadHeads(home, &executor_, done); });
  }
  absl::Status Commit(const CommitRequest& request) {
    return AwaitDone(
        [&](auto done) { store_->Commit(std::make_shared<const CommitRequest>(request), &executor_, done); });
  }
  absl::StatusOr<std::vector<LogRow>> ReadLog(const ClusterRef& c, uint64_t after, size_t limit = 1000,
                                              size_t max_bytes = 1 << 30) {
    return Await<std::vector<LogRow>>(
        [&](auto done) { store_->ReadLog(c, after, limit, max_bytes, &executor_, done); });
  }
  absl::StatusOr<v1::Snapshot> ReadSnapshot(const ClusterRef& c) {
    return Await<v1::Snapshot>([&](auto done) { store_->ReadSnapshot(c, &executor_, done); });
  }
  absl::StatusOr<std::optional<std::string>> FindRequest(const ClusterRef& c, Id128 id,
                                                         const std::string& actor) {
    return Await<std::optional<std::string>>(
        [&](auto done) { store_->FindRequest(c, id, actor, &executor_, done); });
  }
  absl::StatusOr<std::string> ReadManifest(const ClusterRef& c, const ObjectKey& key) {
    return Await<std::string>([&](auto done) { store_->ReadManifest(c, key, &executor_, done); });
  }
  absl::StatusOr<IdentityLife> ReadIdentityLife(const ClusterRef& c) {
    return Await<IdentityLife>([&](auto done) { store_->ReadIdentityLife(c, &executor_, done); });
  }
  absl::StatusOr<std::vector<WriterLease>> HoldLeases(uint32_t home, const std::vector<uint32_t>& ids,
                                                      const std::string& holder, absl::Duration lifetime) {
    return Await<std::vector<WriterLease>>(
        [&](auto done) { store_->HoldLeases(home, ids, holder, lifetime, &executor_, done); });
  }
  absl::Status ReleaseLeases(uint32_t home, const std::vector<uint32_t>& ids, const std::string& holder) {
    return AwaitDone([&](auto done) { store_->ReleaseLeases(home, ids, holder, &executor_, done); });
  }
  absl::Status WriteAgents(const ClusterRef& c, const std::vector<v1::AgentStatus>& agents) {
    return AwaitDone([&](auto done) { store_->WriteAgents(c, agents, &executor_, done); });
  }
  absl::StatusOr<ReachabilityState> OpenReachability(const ClusterRef& c) {
    return Await<ReachabilityState>([&](auto done) { store_->OpenReachability(c, &executor_, done); });
  }
  absl::Status WriteReachability(const ClusterRef& c, const ReachabilityWrite& write) {
    return AwaitDone([&](auto done) { store_->WriteReachability(c, write, &executor_, done); });
  }
  absl::Status Compact(const ClusterRef& c, uint64_t floor, absl::Time keep_requests_since) {
    return AwaitDone([&](auto done) { store_->Compact(c, floor, keep_requests_since, &executor_, done); });
  }
  absl::StatusOr<Trimmed> TrimLog(const ClusterRef& c, const LogBounds& bounds) {
    return Await<Trimmed>([&](auto done) { store_->TrimLog(c, bounds, &executor_, done); });
  }
  absl::StatusOr<NewEpoch> BumpEpoch(const ClusterRef& c, uint64_t unix_seconds, const AuditRow& why) {
    return Await<NewEpoch>([&](auto done) { store_->BumpEpoch(c, unix_seconds, why, &executor_, done); });
  }
  // By somebody who says nothing of himself.
  absl::StatusOr<StoredHead> BumpEpoch(const ClusterRef& c, uint64_t unix_seconds) {
    absl::StatusOr<NewEpoch> epoch = BumpEpoch(c, unix_seconds, AuditRow{"test", "test/1", {}, "bump-epoch"});
    if (!epoch.ok()) return epoch.status();
    return epoch->after;
  }

 private:
  LoopExecutor executor_{"store-client"};
  std::unique_ptr<Store> store_;
};

// Kind, key, revision and serialized object: what two copies of one state are compared by.
using StateRows = std::set<std::tuple<int, std::string, uint64_t, std::string>>;

inline std::string Canonical(const v1::Object& object) {
  // Maps have no order on the wire; text form sorts them.
  return object.DebugString();
}

inline StateRows RowsOf(const v1::Snapshot& snapshot) {
  StateRows rows;
  for (const v1::SnapshotObject& object : snapshot.objects()) {
    const ObjectKey key = KeyOf(object.object());
    rows.emplace(key.kind, key.key, object.revision(), Canonical(object.object()));
  }
  return rows;
}

inline StateRows RowsOf(const Mirror& mirror) {
  StateRows rows;
  for (int kind = v1::KIND_REGION; kind <= v1::KIND_LIVENESS; ++kind) {
    for (const auto& [key, stored] : mirror.All(static_cast<v1::Kind>(kind))) {
      rows.emplace(kind, key, stored.revision, Canonical(*stored.object));
    }
  }
  return rows;
}

}  // namespace trivium
