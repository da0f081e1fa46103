// Every cluster of the mesh, mirrored: the mesh's own log, the clusters that it names, and for each the
// follower that keeps it at its head. Takes the feed and the beacons. Belongs to one executor; not
// thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bus/bus.h"
#include "controlplane/store/store.h"
#include "controlplane/sync/cluster_mirror.h"
#include "controlplane/sync/follower.h"

namespace trivium {

class Mirrors {
 public:
  struct Entry {
    std::unique_ptr<ClusterMirror> mirror;
    std::unique_ptr<Follower> follower;
  };

  // `written` are the clusters that this control plane writes, each named once; they, and the mesh's log, are
  // there from the start. No pointer is owned.
  Mirrors(const std::vector<ClusterRef>& written, Store* store, Executor* executor, Random* random,
          Follower::Options options);

  ClusterMirror* mesh() { return mesh_->mirror.get(); }
  Follower* mesh_follower() { return mesh_->follower.get(); }

  // Null if the mesh has no such cluster.
  Entry* Find(const std::string& cluster);
  const std::map<std::string, std::unique_ptr<Entry>>& all() const { return entries_; }
  // The numbers of all home regions, the mesh's own 0 included.
  std::set<uint32_t> Homes() const;
  // How many nodes all clusters have together: to so many agents goes every batch.
  size_t Nodes() const;
  // Of a region that the mesh knows; 0 if it does not.
  std::string RegionOf(const std::string& cluster) const;

  // A message of trivium.v1.feed.*: a batch, or heads.
  void OnFeed(const Message& message);
  void OnHeads(const v1::Heads& heads);

  // Called with every beacon that comes over the bus, before its heads are looked at.
  void ObserveBeacons(std::function<void(const v1::Heads&)> observer) { on_beacon_ = std::move(observer); }

  // Called when a log turns out to have been restored from a backup: Follower::OnRestore. At once for the
  // clusters that this control plane writes and for the mesh; for others if nobody else begins a new epoch.
  using RestoreHandler = std::function<void(ClusterMirror* mirror, uint64_t lost, Follower::Done done)>;
  void OnRestore(RestoreHandler handler) { on_restore_ = std::move(handler); }

  // Messages that were no batch, or of another cluster than their subject says.
  uint64_t malformed() const { return malformed_; }

 private:
  static constexpr int kLeaveToOthers = 6;  // findings; with the follower's pauses between them, some seconds

  static constexpr size_t kEchoes = 8;  // of the latest batches of a log

  Entry* Add(const ClusterRef& ref, bool with_index);
  bool IsEcho(const Message& message);
  // Mirrors the clusters that the mesh's log names.
  void AddNewClusters();

  Store* const store_;
  Executor* const executor_;
  Random* const random_;
  const Follower::Options options_;
  std::map<std::string, std::unique_ptr<Entry>> entries_;
  Entry* mesh_ = nullptr;
  std::function<void(const v1::Heads&)> on_beacon_;
  RestoreHandler on_restore_;
  uint64_t malformed_ = 0;
};

}  // namespace trivium
