// One cluster that this process serves: its writer, what decides for it, and its door on the bus. What a
// process has once, whatever it serves (mirrors, publisher, the mesh's writer, sync), belongs to the App.
//
// Belongs to one executor; not thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "controlplane/api/epoch_admin.h"
#include "controlplane/api/policy_differ.h"
#include "controlplane/api/reader.h"
#include "controlplane/api/server.h"
#include "controlplane/api/waiter.h"
#include "controlplane/compaction/log_keeper.h"
#include "controlplane/config.h"
#include "controlplane/drivers.h"
#include "controlplane/identity/identity_keeper.h"
#include "controlplane/identity/namespace_mover.h"
#include "controlplane/lease/forwarder.h"
#include "controlplane/lease/lease_keeper.h"
#include "controlplane/liveness/observer.h"
#include "controlplane/publisher/pacer.h"
#include "controlplane/publisher/publisher.h"
#include "controlplane/reachability/reachability_keeper.h"
#include "controlplane/start_steps.h"
#include "controlplane/status/agent_table.h"
#include "controlplane/sync/mirrors.h"
#include "controlplane/writer/planner.h"
#include "controlplane/writer/writer.h"

namespace trivium {

class ClusterService {
 public:
  // What the clusters of a process share. Nothing is owned; all outlive the service.
  struct Shared {
    Drivers drivers;
    Mirrors* mirrors = nullptr;  // has the cluster among those that are written
    Publisher* publisher = nullptr;
    Writer* mesh_writer = nullptr;
    LeaseKeeper* leases = nullptr;
  };

  ClusterService(const ControlPlaneConfig& config, const ServedCluster& cluster, const Shared& shared);
  ClusterService(const ClusterService&) = delete;
  ClusterService& operator=(const ClusterService&) = delete;

  // The mesh's log has been read. Registers the cluster there, opens its own log, serves. `started` runs once
  // it serves, or with an error that no waiting mends (a conflict with another cluster, a wrong schema).
  // While SQL is out of reach it keeps trying.
  void Start(absl::AnyInvocable<void(absl::Status)> started);
  // Takes no more requests and finishes those it has; then `done`.
  void Drain(absl::AnyInvocable<void()> done);

  // Whether the bus is there, and somebody's beacon as it came over it.
  void OnBus(bool connected) { liveness_.OnBus(connected); }
  void OnBeacon(const v1::Heads& heads) { liveness_.OnBeacon(heads); }

  // Whether it answers requests.
  bool serving() const { return serving_; }
  const std::string& name() const { return cluster_.name; }
  // As whom it speaks: "<cluster>:cp:<instance>".
  Principal principal() const { return Principal{cluster_.name, "cp", instance_}; }
  ClusterMirror* mirror() { return mirror_; }
  Writer* writer() { return &writer_; }
  const Pacer& pacer() const { return pacer_; }
  const Forwarder& forwarder() const { return forwarder_; }
  ApiServer* api() { return &api_; }
  AgentTable* agents() { return &agents_; }
  const IdentityKeeper& identities() const { return identities_; }
  const NamespaceMover& mover() const { return mover_; }
  const LivenessObserver& liveness() const { return liveness_; }
  const LogKeeper& log() const { return log_; }
  const ReachabilityKeeper& reachability() const { return reachability_; }

 private:
  // Whether this process, rather than another, is to write what no request asks for.
  bool Commits() const { return leases_->Elsewhere(cluster_.name).empty(); }
  void Register();
  void Open();
  void MakeDefaultNamespace();
  void LeaseFirstBlock();
  void Serve();
  void Submit(Writer* writer, absl::string_view verb,
              std::function<absl::StatusOr<Planned>(const Caller&, Draft*)> plan, Writer::Answer answer);
  void LeaseIfNeeded();
  void RetireIdentities(std::vector<uint32_t> numbers);
  void WatchClaim(const v1::AppliedCluster& applied);

  const std::string instance_;
  const uint64_t identities_ahead_;
  const ServedCluster cluster_;
  const Drivers drivers_;
  ClusterMirror* const mesh_;
  Writer* const mesh_writer_;
  LeaseKeeper* const leases_;
  ClusterMirror* const mirror_;
  Follower* const follower_;
  Pacer pacer_;
  Writer writer_;
  Forwarder forwarder_;
  Planner planner_;
  AgentTable agents_;
  IdentityKeeper identities_;
  NamespaceMover mover_;
  LivenessObserver liveness_;
  LogKeeper log_;
  Reader reader_;
  Waiter waiter_;
  EpochAdmin epochs_;
  PolicyDiffer differ_;
  ReachabilityKeeper reachability_;
  ApiServer api_;
  StartSteps start_;
  bool serving_ = false;
  bool leasing_ = false;
  absl::Duration next_claim_ = -absl::InfiniteDuration();  // reports may cause a new epoch from then on
  Alive alive_;
};

}  // namespace trivium
