// One cluster's log as it reaches this node: applies the agent rule, keeps the durable copy in step, and
// fetches what is missing. Not thread-safe: everything runs on the executor.
//
// Losses are repaired like this: a hole waits a moment for reordered neighbours, then one request (jittered,
// one in flight) asks for the log after what is held; the answer is batches, or the way to a snapshot.
// Batches that arrive meanwhile wait in a bounded buffer. Failed requests are repeated with backoff.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/backoff.h"
#include "base/executor.h"
#include "base/file_sync.h"
#include "base/random.h"
#include "bus/bus.h"
#include "nodeagent/desired/pipeline.h"
#include "nodeagent/inbox/snapshot_fetch.h"
#include "nodeagent/inbox/sync_gate.h"
#include "nodeagent/mirror/cluster_copy.h"
#include "replica/replica.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class ClusterFeed;

// Whoever wants to know what becomes of the mirrors.
class FeedListener {
 public:
  virtual ~FeedListener() = default;
  // The mirror has moved on, and the durable copy with it: one call for each object that is not the same as
  // before, then OnMoved. Endpoints come as records alone.
  virtual void OnObject(ClusterFeed* feed, const ObjectChange& change) = 0;
  virtual void OnEndpoint(ClusterFeed* feed, const EndpointRecord* before, const EndpointRecord* after) = 0;
  virtual void OnMoved(ClusterFeed* feed) = 0;
  // synced() or problem() has changed.
  virtual void OnState(ClusterFeed* feed) = 0;
};

class ClusterFeed {
 public:
  struct Options {
    std::string cluster;
    uint32_t cluster_id = 0;
    std::string principal;  // of this agent
    std::string folder;     // of durable copies
    Mirror::Filter keep_whole;
  };
  struct Deps {  // none is owned
    Executor* executor = nullptr;
    Bus* bus = nullptr;
    Files* files = nullptr;
    FileSync* file_sync = nullptr;
    Random* random = nullptr;
    FeedListener* listener = nullptr;
  };

  struct Counters {
    uint64_t applied = 0;
    uint64_t ignored = 0;
    uint64_t gaps = 0;
    uint64_t syncs = 0;
    uint64_t snapshots = 0;
    uint64_t refused = 0;     // messages that are no batches
    uint64_t head_epoch = 0;  // of the newest head that somebody told
    uint64_t head_revision = 0;
    int64_t newest_change_us = 0;  // when the last applied change was accepted, Unix microseconds
  };

  ClusterFeed(Options options, Deps deps, SyncGate* gate);
  ~ClusterFeed();
  ClusterFeed(const ClusterFeed&) = delete;
  ClusterFeed& operator=(const ClusterFeed&) = delete;

  // Brings the mirror to the durable copy and reports every object as a change. An unusable copy is logged
  // and counts as none.
  void Load();

  void OnEnvelope(absl::string_view payload);
  void OnHead(const v1::Head& head);
  // Asks for what is missing even if nothing seems to be: after (re)connecting.
  void Resync();
  // Lets the durable copy reach the medium, in its own time; false if it is there already, or on its way.
  bool SyncCopy();
  // Forgets the mirror and removes the copy; every object is reported as deleted.
  absl::Status Clear();

  const std::string& cluster() const { return options_.cluster; }
  uint32_t cluster_id() const { return options_.cluster_id; }
  const Replica& replica() const { return replica_; }
  // It has been at a head that some control plane told since this object was made.
  bool synced() const { return synced_; }
  // Why it does not go on; empty if it does.
  const std::string& problem() const { return problem_; }
  const Counters& counters() const { return counters_; }

 private:
  static constexpr size_t kMaxBuffered = 1024;

  // Applies it if the rule allows: durable copy, mirror, report. kApplied and a failed append: kGap.
  Replica::Outcome Take(const Batch& batch);
  void OnBatch(Batch batch);
  void DrainBuffer();
  void ReportAll(const Mirror& before, const Mirror& after, uint64_t revision);
  void Report(const Replica::Before& before);
  void WaitForNeighbours();
  void StartSync(bool snapshot);
  // With a place at the gate, as soon as there is one.
  void EnterSync();
  // The same after a moment, which differs from agent to agent.
  void EnterSyncSoon();
  void SendSync();
  void OnSyncReply(absl::StatusOr<std::string> bytes);
  void Fetch(const v1::SnapshotOpen& open);
  void LoadSnapshot(SnapshotFetch::Result fetched);
  void RetrySync(absl::string_view why);
  void FinishSync();
  void OnCopySynced(const std::string& path, const absl::Status& status);
  void SetSynced();
  void SetProblem(std::string problem);
  // Runs it unless this is destroyed first.
  Executor::TimerId After(absl::Duration delay, std::function<void()> task);

  const Options options_;
  const Deps deps_;
  SyncGate* const gate_;
  Replica replica_;
  ClusterCopy copy_;
  Backoff backoff_;
  Counters counters_;
  bool synced_ = false;
  bool stopped_ = false;  // the log needs a newer reader
  std::string problem_;
  size_t copy_syncs_ = 0;  // files of the durable copy on their way to the medium
  bool copy_sync_failed_ = false;
  bool copy_sync_problem_ = false;  // the last time that all were through

  std::map<uint64_t, Batch> buffer_;  // by revision, of the held epoch, beyond a hole
  bool waiting_ = false;              // for reordered neighbours
  bool syncing_ = false;              // a request, a chunk or a retry is under way
  bool want_snapshot_ = false;
  bool again_ = false;  // asked for while under way
  Executor::TimerId retry_ = Executor::kNoTimer;
  SyncGate::Place place_;
  absl::Duration patience_;  // with one request
  std::unique_ptr<SnapshotFetch> fetch_;

  Alive alive_;
};

}  // namespace trivium
