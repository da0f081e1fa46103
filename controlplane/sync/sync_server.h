// Answers those who are behind: the log after what they hold, from memory or, if older, from SQL; or the way
// to a snapshot. Belongs to one executor; not thread-safe.
//
// Whoever is behind waits for live changes, not they for him: requests are queued and served in short turns,
// and answers leave at a bounded rate, however many ask at once. The queue is bounded: the oldest go
// unanswered when it is full, as their askers are about to ask again.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/clock.h"
#include "base/executor.h"
#include "bus/bus.h"
#include "controlplane/store/store.h"
#include "controlplane/sync/mirrors.h"
#include "controlplane/sync/snapshot_cache.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class SyncServer {
 public:
  struct Options {
    size_t max_reply_bytes = 700 * 1024;            // below the bus's limit, whatever the asker wants
    uint64_t max_log_revisions = 10'000;            // further behind than this: a snapshot is the shorter way
    absl::Duration turn = absl::Microseconds(500);  // of serving, before others have theirs
    size_t bytes_per_second = 128 << 20;            // that answers take of the connection
    size_t max_queued = 32768;                      // requests
  };
  struct Counters {
    uint64_t deltas = 0;
    uint64_t deltas_from_sql = 0;
    uint64_t snapshots = 0;
    uint64_t chunks = 0;
    uint64_t dropped = 0;  // requests that found the queue full
  };
  // The queue group of every control plane of the mesh: the bus prefers the nearest member.
  static constexpr char kQueue[] = "sync";

  // No pointer is owned.
  SyncServer(std::string instance, Mirrors* mirrors, Store* store, Bus* bus, Executor* executor,
             const Clock* clock, SnapshotCache* snapshots, Options options);

  // Subscribes; call it once the mirrors hold something worth serving.
  absl::Status Start();

  using Answer = absl::AnyInvocable<void(const v1::SyncReply&)>;
  void Sync(const std::string& cluster, const v1::SyncRequest& request, Answer answer);
  // A serialized ChunkReply.
  std::shared_ptr<const std::string> Chunk(const v1::ChunkRequest& request);

  const Counters& counters() const { return counters_; }

 private:
  struct Queued {
    bool chunk = false;
    Message message;
  };

  void Enqueue(bool chunk, Message message);
  // One turn.
  void Serve();
  void OnSync(const Message& message);
  void OnChunk(const Message& message);
  // From the tail; false if it does not reach back that far.
  bool FromTail(const ClusterMirror& mirror, const v1::SyncRequest& request, v1::SyncReply* reply);
  void FromSql(const ClusterMirror* mirror, const v1::SyncRequest& request, Answer answer);
  void Snapshot(const ClusterMirror& mirror, Answer answer);
  size_t Limit(const v1::SyncRequest& request) const;
  void Respond(const std::string& reply_to, const std::string& payload);

  const std::string instance_;
  Mirrors* const mirrors_;
  Store* const store_;
  Bus* const bus_;
  Executor* const executor_;
  const Clock* const clock_;
  SnapshotCache* const snapshots_;
  const Options options_;
  std::deque<Queued> queue_;
  bool serving_ = false;       // a turn is to come
  absl::Duration paid_until_;  // when the bytes sent so far are within the rate
  Counters counters_;
  Alive alive_;
};

}  // namespace trivium
