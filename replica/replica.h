// The agent rule of DESIGN section "Revisions": applies one cluster's batches in order, and says what is
// missing. Pure: no I/O, no clock, no threads. Used by agents and control planes alike. Not thread-safe.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/id128.h"
#include "replica/mirror.h"
#include "replica/snapshot_load.h"
#include "schema/codec.h"

namespace trivium {

// What a mirror holds: the place in one cluster's history.
struct Position {
  uint64_t epoch = 0;  // 0: nothing yet
  uint64_t revision = 0;
  Id128 batch;
  friend bool operator==(const Position&, const Position&) = default;
};

class Replica {
 public:
  enum class Outcome {
    kApplied,     // the mirror is at the batch's revision now
    kIgnored,     // older than what is held, known, of an older epoch, or of another cluster
    kGap,         // batches before this one are missing: ask for the delta
    kFork,        // another history at a held revision: snapshot
    kNewerEpoch,  // snapshot; also whatever comes before the first one
    // The state after it does not have the batch's digest. The mirror stays at its last revision, and takes
    // nothing but a snapshot from now on.
    kCorrupt,
  };

  // What a key held before a batch.
  struct Before {
    ObjectKey key;
    Mirror::Held held;
  };

  explicit Replica(
      std::string cluster, Mirror::Filter keep_whole = [](v1::Kind) { return true; },
      Mirror::Endpoints endpoints = Mirror::Endpoints::kObjects);

  // Judges, and applies if the rule allows. `before`, if given and the batch was applied: what each of its
  // changes replaced, in order.
  Outcome Apply(const Batch& batch, std::vector<Before>* before = nullptr);
  // What Apply would say, without applying (kCorrupt cannot be foreseen).
  Outcome Judge(const Batch& batch) const;
  // Compares a beacon with what is held: kApplied = in step, kIgnored = the beacon is behind or malformed,
  // else as above.
  Outcome JudgeHead(const v1::Head& head) const;

  // Replaces everything. `parts` are the decoded chunks of one snapshot. kDataLoss if they do not belong
  // together or do not have their head's digest; kFailedPrecondition if they are of an older epoch, or of an
  // earlier revision that is not known to be of another history (a replica never goes back). Then nothing
  // changes.
  absl::Status LoadSnapshot(const std::vector<v1::Snapshot>& parts);
  // The same for one that came chunk by chunk.
  SnapshotLoad BeginLoad() const { return SnapshotLoad(cluster_, mirror_); }
  // `before`, if given: the mirror that it replaced.
  absl::Status Load(SnapshotLoad load, Mirror* before = nullptr);
  // What Load would say.
  absl::Status CheckLoad(const SnapshotLoad& load) const;
  // The whole state as one message: for others if every kind is kept whole, else for the keeper's own durable
  // copy (what is not kept whole stands in it by key and revision).
  v1::Snapshot ToSnapshot() const;

  const std::string& cluster() const { return cluster_; }
  const Position& position() const { return position_; }
  const Mirror& mirror() const { return mirror_; }
  // True after a kCorrupt, until a snapshot is loaded.
  bool corrupt() const { return corrupt_; }
  // What is held, as a beacon or a sync request says it. log_floor is not known here.
  v1::Head head() const;

 private:
  static constexpr size_t kRecent = 256;

  // The batch held at `revision` of this epoch, if it is recent enough to be known.
  const Position* FindRecent(uint64_t revision) const;
  Outcome JudgePlace(uint64_t epoch, uint64_t revision, Id128 batch) const;

  std::string cluster_;
  Mirror mirror_;
  Position position_;
  bool corrupt_ = false;
  std::deque<Position> recent_;  // of this epoch, ascending, the last is position_
};

}  // namespace trivium
