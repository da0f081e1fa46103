#include "replica/replica.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace trivium {

Replica::Replica(std::string cluster, Mirror::Filter keep_whole, Mirror::Endpoints endpoints)
    : cluster_(std::move(cluster)), mirror_(std::move(keep_whole), endpoints) {}

const Position* Replica::FindRecent(uint64_t revision) const {
  // Revisions in recent_ are consecutive.
  if (recent_.empty() || revision < recent_.front().revision || revision > recent_.back().revision) {
    return nullptr;
  }
  return &recent_[revision - recent_.front().revision];
}

// The part of the rule that batches and beacons share. kApplied: the held revision itself, same batch.
Replica::Outcome Replica::JudgePlace(uint64_t epoch, uint64_t revision, Id128 batch) const {
  if (corrupt_) return Outcome::kCorrupt;
  if (epoch == 0 || epoch < position_.epoch) return Outcome::kIgnored;
  if (epoch > position_.epoch) return Outcome::kNewerEpoch;
  if (revision > position_.revision) return Outcome::kGap;
  const Position* held = FindRecent(revision);
  if (held != nullptr && held->batch != batch) return Outcome::kFork;
  return revision == position_.revision ? Outcome::kApplied : Outcome::kIgnored;
}

Replica::Outcome Replica::Judge(const Batch& batch) const {
  if (batch.cluster != cluster_) return Outcome::kIgnored;
  const Outcome place = JudgePlace(batch.epoch, batch.revision, batch.batch);
  if (place == Outcome::kApplied) return Outcome::kIgnored;  // held already
  if (place != Outcome::kGap || batch.revision != position_.revision + 1) return place;
  return batch.prev_batch == position_.batch ? Outcome::kApplied : Outcome::kFork;
}

Replica::Outcome Replica::JudgeHead(const v1::Head& head) const {
  const absl::StatusOr<Id128> batch = Id128::FromBytes(head.batch());
  const absl::StatusOr<Id128> digest = Id128::FromBytes(head.digest());
  if (head.cluster() != cluster_ || !batch.ok() || !digest.ok()) return Outcome::kIgnored;
  const Outcome place = JudgePlace(head.epoch(), head.revision(), *batch);
  if (place == Outcome::kApplied && *digest != mirror_.digest()) return Outcome::kCorrupt;
  return place;
}

Replica::Outcome Replica::Apply(const Batch& batch, std::vector<Before>* before) {
  const Outcome outcome = Judge(batch);
  if (outcome != Outcome::kApplied) return outcome;

  std::vector<Before> undo;
  undo.reserve(batch.changes.changes_size());
  for (const v1::Change& change : batch.changes.changes()) {
    ObjectKey key = KeyOf(change);
    Mirror::Held held = mirror_.Hold(key);
    if (change.op() == v1::Change::DELETE) {
      mirror_.Delete(key);
    } else {
      mirror_.Upsert(change.object(), batch.revision);
    }
    undo.push_back({std::move(key), std::move(held)});
  }
  if (mirror_.digest() != batch.digest) {
    for (auto it = undo.rbegin(); it != undo.rend(); ++it) mirror_.PutBack(it->key, std::move(it->held));
    corrupt_ = true;
    return Outcome::kCorrupt;
  }
  position_.revision = batch.revision;
  position_.batch = batch.batch;
  recent_.push_back(position_);
  if (recent_.size() > kRecent) recent_.pop_front();
  if (before != nullptr) *before = std::move(undo);
  return outcome;
}

absl::Status Replica::CheckLoad(const SnapshotLoad& load) const {
  const std::string what = absl::StrCat("snapshot of ", cluster_);
  const v1::Head& head = load.head_;
  if (!load.begun_) return load.Check();
  if (head.epoch() < position_.epoch) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, " is of epoch ", head.epoch(), ", held is ", position_.epoch));
  }
  if (!corrupt_ && head.epoch() == position_.epoch && head.revision() < position_.revision) {
    // Only what is known to be another history may take its place: a revision from before what this replica
    // remembers is most likely an older state of its own.
    const Position* held = FindRecent(head.revision());
    if (held == nullptr || held->batch == load.batch_) {
      return absl::FailedPreconditionError(
          absl::StrCat(what, " is at revision ", head.revision(), ", held is ", position_.revision));
    }
  }
  return load.Check();
}

absl::Status Replica::Load(SnapshotLoad load, Mirror* before) {
  TRIVIUM_RETURN_IF_ERROR(CheckLoad(load));
  std::swap(mirror_, load.mirror_);
  if (before != nullptr) *before = std::move(load.mirror_);
  position_ = Position{load.head_.epoch(), load.head_.revision(), load.batch_};
  recent_.assign(1, position_);
  corrupt_ = false;
  return absl::OkStatus();
}

absl::Status Replica::LoadSnapshot(const std::vector<v1::Snapshot>& parts) {
  SnapshotLoad load = BeginLoad();
  for (const v1::Snapshot& part : parts) TRIVIUM_RETURN_IF_ERROR(load.Add(part));
  return Load(std::move(load));
}

v1::Snapshot Replica::ToSnapshot() const {
  v1::Snapshot snapshot;
  *snapshot.mutable_head() = head();
  snapshot.mutable_objects()->Reserve(static_cast<int>(mirror_.size()));
  for (int kind = v1::Kind_MIN; kind <= v1::Kind_MAX; ++kind) {
    for (const auto& [key, stored] : mirror_.All(static_cast<v1::Kind>(kind))) {
      v1::SnapshotObject* object = snapshot.add_objects();
      object->set_revision(stored.revision);
      if (stored.object != nullptr) {
        *object->mutable_object() = *stored.object;
      } else {
        object->set_kind(static_cast<v1::Kind>(kind));
        object->set_key(key);
      }
    }
  }
  mirror_.endpoint_records().ForEach([&snapshot](const EndpointRecord& record) {
    v1::SnapshotObject* object = snapshot.add_objects();
    object->set_revision(record.revision);
    ToEndpoint(record, object->mutable_object()->mutable_endpoint());
  });
  return snapshot;
}

v1::Head Replica::head() const {
  v1::Head head;
  head.set_cluster(cluster_);
  head.set_epoch(position_.epoch);
  head.set_revision(position_.revision);
  head.set_batch(position_.batch.ToBytes());
  head.set_digest(mirror_.digest().ToBytes());
  return head;
}

}  // namespace trivium
