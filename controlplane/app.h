// The control plane process, wired: everything between its drivers and its configuration. Used by main and
// by tests, on real or fake drivers.
//
// All of it belongs to the one executor; construct, start, drain and destroy it there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"
#include "bus/bus.h"
#include "controlplane/api/reader.h"
#include "controlplane/api/server.h"
#include "controlplane/api/waiter.h"
#include "controlplane/config.h"
#include "controlplane/identity/identity_keeper.h"
#include "controlplane/identity/namespace_mover.h"
#include "controlplane/liveness/observer.h"
#include "controlplane/publisher/publisher.h"
#include "controlplane/status/agent_table.h"
#include "controlplane/store/store.h"
#include "controlplane/sync/mirrors.h"
#include "controlplane/sync/snapshot_cache.h"
#include "controlplane/sync/sync_server.h"
#include "controlplane/writer/planner.h"
#include "controlplane/writer/writer.h"

namespace trivium {

class App {
 public:
  // What the process is made of. Nothing is owned; all outlive the app.
  struct Drivers {
    Store* store = nullptr;
    Bus* bus = nullptr;
    Executor* executor = nullptr;
    Clock* clock = nullptr;
    Random* random = nullptr;
  };

  App(const ControlPlaneConfig& config, Drivers drivers);
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // Listens to the feed, opens the mesh's log and the cluster's, registers the cluster, serves. `started`
  // runs once it serves, or with an error that no waiting mends (a conflict with another cluster, a wrong
  // schema). While SQL is out of reach it keeps trying.
  void Start(absl::AnyInvocable<void(absl::Status)> started);

  // Takes no more requests, finishes those it has, and has the bus send what is said; then `done`.
  void Drain(absl::AnyInvocable<void()> done);

  Mirrors* mirrors() { return &mirrors_; }
  Writer* writer() { return &writer_; }
  Writer* mesh_writer() { return &mesh_writer_; }
  ApiServer* api() { return &api_; }
  SyncServer* sync() { return &sync_; }
  Publisher* publisher() { return &publisher_; }
  AgentTable* agents() { return &agents_; }
  const IdentityKeeper& identities() const { return identities_; }
  const NamespaceMover& mover() const { return mover_; }
  const LivenessObserver& liveness() const { return liveness_; }

 private:
  using Next = void (App::*)();

  void ListenToFeed();
  void FlushFeed();
  void OpenMesh();
  void RegisterCluster();
  void OpenOwn();
  void ReadTail(ClusterMirror* mirror, Writer* writer, uint64_t after,
                std::shared_ptr<std::vector<Batch>> read, Next next);
  void ReadMeshTail();
  void ReadOwnTail();
  void MakeDefaultNamespace();
  void LeaseFirstBlock();
  void Serve();

  // Goes on, tries the step again later, or gives up, as the status says.
  void Proceed(const absl::Status& status, absl::string_view what, Next again, Next next);
  void Fail(const absl::Status& status);
  void Submit(Writer* writer, absl::string_view verb,
              std::function<absl::StatusOr<Planned>(const Caller&, Draft*)> plan, Writer::Answer answer);
  void LeaseIfNeeded();
  void RetireIdentities(std::vector<uint32_t> numbers);
  void HandleRestore(ClusterMirror* mirror, Follower::Done done);
  void WatchClaims(const v1::AgentStatus& status);

  const ControlPlaneConfig config_;
  const Drivers drivers_;
  Mirrors mirrors_;
  Publisher publisher_;
  Writer writer_;
  Writer mesh_writer_;
  Planner planner_;
  AgentTable agents_;
  IdentityKeeper identities_;
  NamespaceMover mover_;
  LivenessObserver liveness_;
  Reader reader_;
  Waiter waiter_;
  ApiServer api_;
  SnapshotCache snapshots_;
  SyncServer sync_;
  Backoff backoff_;
  absl::AnyInvocable<void(absl::Status)> started_;
  bool listening_ = false;  // the subscription to the feed stands, or the bus was waited for long enough
  bool serving_ = false;
  bool leasing_ = false;
  absl::Duration next_claim_ = -absl::InfiniteDuration();  // reports may cause a new epoch from then on
  Alive alive_;
};

}  // namespace trivium
