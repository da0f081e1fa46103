// One cluster as a control plane holds it: its replica, the last part of its log, and (for a cluster that it
// writes) the planner's index. Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "controlplane/store/store.h"
#include "controlplane/writer/cluster_index.h"
#include "replica/replica.h"

namespace trivium {

class ClusterMirror {
 public:
  // One revision of the log, as it is forwarded to those who ask.
  struct TailEntry {
    uint64_t revision = 0;
    Id128 prev_batch;
    Id128 batch;
    std::string envelope;
  };
  static constexpr size_t kMaxTailEntries = 4096;
  static constexpr size_t kMaxTailBytes = 16 * 1024 * 1024;

  ClusterMirror(ClusterRef ref, bool with_index);

  const ClusterRef& ref() const { return ref_; }
  const Replica& replica() const { return replica_; }
  const Mirror& mirror() const { return replica_.mirror(); }
  const Position& position() const { return replica_.position(); }
  // Holds a state, if perhaps an old one.
  bool loaded() const { return replica_.position().epoch != 0; }
  // Null unless made with an index. Only a Draft changes it, and takes that back.
  ClusterIndex* index() { return with_index_ ? &index_ : nullptr; }

  // As Replica::Apply; observers hear of what was applied.
  Replica::Outcome Apply(const Batch& batch);
  // As Replica::LoadSnapshot. Empties the tail.
  absl::Status Load(const std::vector<v1::Snapshot>& parts);
  // Puts batches that the state already contains before the tail, oldest first: what is not consecutive with
  // what is there is left out.
  void PrependTail(const std::vector<Batch>& batches);

  // Consecutive revisions up to the present one.
  const std::deque<TailEntry>& tail() const { return tail_; }

  // Called after each change of state; `batch` is null after a snapshot. For the mirror's whole life.
  void Observe(std::function<void(const Batch* batch)> observer);

 private:
  void NoteIdentity(const Batch& batch, const v1::Change& change, const v1::Object* before);
  void TrimTail();
  void Tell(const Batch* batch);

  const ClusterRef ref_;
  const bool with_index_;
  Replica replica_;
  ClusterIndex index_;
  std::deque<TailEntry> tail_;
  size_t tail_bytes_ = 0;
  std::vector<std::function<void(const Batch*)>> observers_;
};

}  // namespace trivium
