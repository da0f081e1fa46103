// One cluster's log as it reaches this node: applies the agent rule, keeps the durable copy in step, and
// fetches what is missing. Not thread-safe: everything runs on the executor.
//
// Losses are repaired like this: a hole waits a moment for reordered neighbours, then one request (jittered,
// one in flight) asks for the log after what is held; the answer is batches, or the way to a snapshot whose
// chunks are fetched one by one. Batches that arrive meanwhile wait in a bounded buffer. Failed requests are
// repeated with backoff.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/executor.h"
#include "base/files.h"
#include "base/random.h"
#include "bus/bus.h"
#include "nodeagent/desired/pipeline.h"
#include "nodeagent/mirror/cluster_copy.h"
#include "replica/replica.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

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
    Random* random = nullptr;
  };
  // The mirror has moved on by these changes, and the durable copy with it.
  using OnChange = std::function<void(ClusterFeed*, const std::vector<ObjectChange>&)>;
  // synced() or problem() has changed.
  using OnState = std::function<void(ClusterFeed*)>;

  struct Counters {
    uint64_t applied = 0;
    uint64_t ignored = 0;
    uint64_t gaps = 0;
    uint64_t syncs = 0;
    uint64_t snapshots = 0;
    uint64_t refused = 0;  // messages that are no batches
  };

  ClusterFeed(Options options, Deps deps, OnChange on_change, OnState on_state);
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
  // Lets the durable copy reach the medium.
  void SyncCopy();
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
  static constexpr int kChunkAttempts = 3;

  // Applies it if the rule allows: durable copy, mirror, report. kApplied and a failed append: kGap.
  Replica::Outcome Take(const Batch& batch);
  void OnBatch(Batch batch);
  void DrainBuffer();
  void ReportAll(const Mirror& before, const Mirror& after, uint64_t revision);
  void WaitForNeighbours();
  void StartSync(bool snapshot);
  void SendSync();
  void OnSyncReply(absl::StatusOr<std::string> bytes);
  void FetchChunk();
  void OnChunk(absl::StatusOr<std::string> bytes);
  void LoadSnapshot();
  void RetrySync(absl::string_view why);
  void FinishSync();
  void SetSynced();
  void SetProblem(std::string problem);
  // Runs it unless this is destroyed first.
  void After(absl::Duration delay, std::function<void()> task);

  const Options options_;
  const Deps deps_;
  const OnChange on_change_;
  const OnState on_state_;
  Replica replica_;
  ClusterCopy copy_;
  Backoff backoff_;
  Counters counters_;
  bool synced_ = false;
  bool stopped_ = false;  // the log needs a newer reader
  std::string problem_;
  bool sync_failed_ = false;  // of the durable copy, the last time

  std::map<uint64_t, Batch> buffer_;  // by revision, of the held epoch, beyond a hole
  bool waiting_ = false;              // for reordered neighbours
  bool syncing_ = false;              // a request, a chunk or a retry is under way
  bool want_snapshot_ = false;
  bool again_ = false;  // asked for while under way

  v1::SnapshotOpen open_;
  std::vector<v1::Snapshot> parts_;
  int chunk_failures_ = 0;

  Alive alive_;
};

}  // namespace trivium
