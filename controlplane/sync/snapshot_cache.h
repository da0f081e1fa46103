// Snapshots cut for those who are too far behind: each is shared by all who ask within a few seconds, served
// in chunks, and forgotten some time after its last use. Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/id128.h"
#include "base/random.h"
#include "replica/replica.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class SnapshotCache {
 public:
  struct Options {
    absl::Duration share_for = absl::Seconds(3);  // how old a snapshot may be that a new asker gets
    absl::Duration keep_for = absl::Seconds(30);  // after its last use
    size_t max_bytes = 512 * 1024 * 1024;         // of all chunks together; the oldest go first
  };

  SnapshotCache(std::string instance, Clock* clock, Random* random, Options options);

  // Cuts the replica at its present revision, or gives the last cut if that is fresh enough.
  absl::StatusOr<v1::SnapshotOpen> Open(const Replica& replica);
  // kNotFound if it has expired.
  absl::StatusOr<std::string> Chunk(const Id128& id, uint32_t index);

  size_t size() const { return snapshots_.size(); }

 private:
  struct Cut {
    v1::SnapshotOpen open;
    std::vector<std::string> chunks;
    absl::Duration made;
    absl::Duration used;
  };
  void Expire();

  const std::string instance_;
  Clock* const clock_;
  Random* const random_;
  const Options options_;
  std::map<Id128, Cut> snapshots_;
  absl::flat_hash_map<std::string, Id128> latest_;  // by cluster
};

}  // namespace trivium
