// Snapshots cut for those who are too far behind: each is cut once, in short turns, shared by all who ask
// within a few seconds, served in chunks as encoded as they go out, and forgotten some time after its last
// use. What it holds does not depend on who fetches how slowly: at most `max_bytes`, the oldest go first, and
// a reader whose snapshot went opens another. Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/id128.h"
#include "base/random.h"
#include "replica/replica.h"
#include "schema/snapshot_writer.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class SnapshotCache {
 public:
  struct Options {
    absl::Duration share_for = absl::Seconds(3);  // how old a snapshot may be that a new asker gets
    absl::Duration keep_for = absl::Seconds(30);  // after its last use
    size_t max_bytes = 512 * 1024 * 1024;         // of all chunks together; the oldest go first
    size_t objects_per_turn = 2000;               // encoded before others have their turn
  };
  using Opened = absl::AnyInvocable<void(absl::StatusOr<v1::SnapshotOpen>)>;

  // Nothing is owned.
  SnapshotCache(std::string instance, Executor* executor, Clock* clock, Random* random, Options options);

  // Cuts the replica, which keeps everything whole, at its present revision, or gives the last cut if that is
  // fresh enough. `opened` runs at once or later.
  void Open(const Replica& replica, Opened opened);
  // A serialized ChunkReply. kNotFound if the snapshot has expired.
  absl::StatusOr<std::shared_ptr<const std::string>> Chunk(const Id128& id, uint32_t index);

  // Finished ones.
  size_t size() const { return snapshots_.size(); }
  // Of their chunks.
  size_t bytes() const { return bytes_; }
  uint64_t cuts() const { return cuts_; }

 private:
  struct Cut {
    v1::SnapshotOpen open;
    std::vector<std::shared_ptr<const std::string>> replies;
    absl::Duration made;
    absl::Duration used;
  };
  // One that is being cut: objects are immutable, so that holding them holds the revision.
  struct Work {
    explicit Work(const v1::Head& at) : head(at), writer(at) {}
    v1::Head head;
    absl::Duration made;
    SnapshotWriter writer;
    std::vector<Mirror::Stored> objects;
    size_t next = 0;
    std::vector<Opened> waiting;
  };

  void Continue(const std::string& cluster);
  absl::StatusOr<v1::SnapshotOpen> Finish(Work* work);
  void Expire();
  void Erase(std::map<Id128, Cut>::iterator at);

  const std::string instance_;
  Executor* const executor_;
  Clock* const clock_;
  Random* const random_;
  const Options options_;
  std::map<Id128, Cut> snapshots_;
  size_t bytes_ = 0;
  uint64_t cuts_ = 0;
  absl::Duration next_expiry_;
  absl::flat_hash_map<std::string, Id128> latest_;                   // by cluster
  absl::flat_hash_map<std::string, std::unique_ptr<Work>> at_work_;  // by cluster
  Alive alive_;
};

}  // namespace trivium
