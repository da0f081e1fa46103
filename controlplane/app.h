// The control plane process, wired: everything between its drivers and its configuration. Used by main and
// by tests, on real or fake drivers. It mirrors and hands out the logs of all clusters, and serves those that
// its configuration names (cluster_service.h).
//
// All of it belongs to the one executor; construct, start, drain and destroy it there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "controlplane/cluster_service.h"
#include "controlplane/compaction/log_keeper.h"
#include "controlplane/config.h"
#include "controlplane/drivers.h"
#include "controlplane/head_watch.h"
#include "controlplane/lease/lease_keeper.h"
#include "controlplane/publisher/publisher.h"
#include "controlplane/start_steps.h"
#include "controlplane/sync/mirrors.h"
#include "controlplane/sync/snapshot_cache.h"
#include "controlplane/sync/sync_server.h"
#include "controlplane/writer/writer.h"

namespace trivium {

class App {
 public:
  // Nothing is owned; all outlive the app.
  using Drivers = trivium::Drivers;

  App(const ControlPlaneConfig& config, const Drivers& drivers);
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // Listens to the feed, opens the mesh's log, then each cluster's, and serves each as soon as it can.
  // `started` runs once all are served, or with the first error that no waiting mends (a conflict with
  // another cluster, a wrong schema). While SQL is out of reach it keeps trying.
  void Start(absl::AnyInvocable<void(absl::Status)> started);

  // Takes no more requests, finishes those it has, and has the bus send what is said; then `done`.
  void Drain(absl::AnyInvocable<void()> done);

  // Those that it serves, in the configuration's order.
  const std::vector<std::unique_ptr<ClusterService>>& clusters() const { return clusters_; }
  // The first one.
  ClusterService* cluster() { return clusters_.front().get(); }
  Mirrors* mirrors() { return &mirrors_; }
  Writer* mesh_writer() { return &mesh_writer_; }
  SyncServer* sync() { return &sync_; }
  Publisher* publisher() { return &publisher_; }
  const SnapshotCache& snapshots() const { return snapshots_; }
  const HeadWatch& heads() const { return heads_; }

  bool connected() const { return connected_; }
  // Whether the heads of all served clusters were read from SQL within the last seconds.
  bool SqlUp() const;
  // Why it cannot be trusted with requests, for its operator; empty: it can.
  std::vector<std::string> NotReady() const;
  const LeaseKeeper& leases() const { return leases_; }

 private:
  void ListenToFeed();
  void FlushFeed();
  void OpenMesh();
  void StartClusters();
  void OnServing(ClusterService* cluster, const absl::Status& status);
  void OnHeads(const v1::Heads& heads);
  void HandleRestore(ClusterMirror* mirror, uint64_t lost, Follower::Done done);

  const Drivers drivers_;
  const absl::Duration sql_patience_;  // between two heads
  Mirrors mirrors_;
  HeadWatch heads_;
  Publisher publisher_;
  Writer mesh_writer_;
  LeaseKeeper leases_;
  SnapshotCache snapshots_;
  SyncServer sync_;
  LogKeeper mesh_log_;
  StartSteps start_;
  std::vector<std::unique_ptr<ClusterService>> clusters_;
  bool connected_ = false;
  bool listening_ = false;  // the subscription to the feed stands, or the bus was waited for long enough
  size_t serving_ = 0;      // clusters
  Alive alive_;
};

}  // namespace trivium
