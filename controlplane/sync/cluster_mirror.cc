#include "controlplane/sync/cluster_mirror.h"

#include <utility>

namespace trivium {

ClusterMirror::ClusterMirror(ClusterRef ref, bool with_index)
    : ref_(std::move(ref)), with_index_(with_index), replica_(ref_.name) {}

Replica::Outcome ClusterMirror::Apply(const Batch& batch) {
  const Replica::Outcome judged = replica_.Judge(batch);
  if (judged != Replica::Outcome::kApplied) return judged;
  if (with_index_) {
    for (const v1::Change& change : batch.changes.changes()) {
      const ObjectKey key = KeyOf(change);
      if (key.kind == v1::KIND_IDENTITY) NoteIdentity(batch, change, mirror().Find(key.kind, key.key));
      index_.Replace(mirror().Find(key.kind, key.key),
                     change.op() == v1::Change::DELETE ? nullptr : &change.object());
    }
  }
  const Replica::Outcome outcome = replica_.Apply(batch);
  if (outcome != Replica::Outcome::kApplied) {
    if (with_index_) index_.Rebuild(mirror());
    return outcome;
  }
  tail_.push_back(TailEntry{batch.revision, batch.prev_batch, batch.batch, batch.envelope});
  tail_bytes_ += batch.envelope.size();
  TrimTail();
  Tell(&batch);
  return outcome;
}

void ClusterMirror::NoteIdentity(const Batch& batch, const v1::Change& change, const v1::Object* before) {
  if (change.op() != v1::Change::DELETE) {
    index_.mutable_retired()->Revive(change.object().identity().id());
  } else if (before != nullptr) {
    index_.mutable_retired()->Retire({before->identity(), batch.epoch, batch.revision});
  }
}

absl::Status ClusterMirror::Load(const std::vector<v1::Snapshot>& parts) {
  absl::Status status = replica_.LoadSnapshot(parts);
  if (!status.ok()) return status;
  if (with_index_) index_.Rebuild(mirror());
  tail_.clear();
  tail_bytes_ = 0;
  Tell(nullptr);
  return status;
}

void ClusterMirror::PrependTail(const std::vector<Batch>& batches) {
  for (auto batch = batches.rbegin(); batch != batches.rend(); ++batch) {
    const uint64_t next = tail_.empty() ? position().revision + 1 : tail_.front().revision;
    const Id128 next_prev = tail_.empty() ? position().batch : tail_.front().prev_batch;
    if (batch->epoch != position().epoch || batch->revision + 1 != next || batch->batch != next_prev)
      continue;
    tail_.push_front(TailEntry{batch->revision, batch->prev_batch, batch->batch, batch->envelope});
    tail_bytes_ += batch->envelope.size();
  }
  TrimTail();
}

void ClusterMirror::TrimTail() {
  while (!tail_.empty() && (tail_.size() > kMaxTailEntries || tail_bytes_ > kMaxTailBytes)) {
    tail_bytes_ -= tail_.front().envelope.size();
    tail_.pop_front();
  }
}

void ClusterMirror::Observe(std::function<void(const Batch*)> observer) {
  observers_.push_back(std::move(observer));
}

void ClusterMirror::Tell(const Batch* batch) {
  for (const auto& observer : observers_) observer(batch);
}

}  // namespace trivium
