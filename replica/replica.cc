#include "replica/replica.h"

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

namespace trivium {
namespace {

bool SameHead(const v1::Head& a, const v1::Head& b) {
  return a.cluster() == b.cluster() && a.epoch() == b.epoch() && a.revision() == b.revision() &&
         a.batch() == b.batch() && a.digest() == b.digest();
}

}  // namespace

Replica::Replica(std::string cluster, Mirror::Filter keep_whole)
    : cluster_(std::move(cluster)), mirror_(std::move(keep_whole)) {}

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

Replica::Outcome Replica::Apply(const Batch& batch) {
  const Outcome outcome = Judge(batch);
  if (outcome != Outcome::kApplied) return outcome;

  std::vector<std::pair<ObjectKey, std::optional<Mirror::Stored>>> undo;
  undo.reserve(batch.changes.changes_size());
  for (const v1::Change& change : batch.changes.changes()) {
    ObjectKey key = KeyOf(change);
    const Mirror::Stored* before = mirror_.FindStored(key.kind, key.key);
    undo.emplace_back(key, before == nullptr ? std::nullopt : std::make_optional(*before));
    if (change.op() == v1::Change::DELETE) {
      mirror_.Delete(key);
    } else {
      mirror_.Upsert(std::make_shared<const v1::Object>(change.object()), batch.revision);
    }
  }
  if (mirror_.digest() != batch.digest) {
    for (auto it = undo.rbegin(); it != undo.rend(); ++it) {
      if (it->second.has_value()) {
        mirror_.Restore(it->first, *std::move(it->second));
      } else {
        mirror_.Delete(it->first);
      }
    }
    corrupt_ = true;
    return Outcome::kCorrupt;
  }
  position_.revision = batch.revision;
  position_.batch = batch.batch;
  recent_.push_back(position_);
  if (recent_.size() > kRecent) recent_.pop_front();
  return outcome;
}

absl::Status Replica::LoadSnapshot(const std::vector<v1::Snapshot>& parts) {
  const std::string what = absl::StrCat("snapshot of ", cluster_);
  if (parts.empty()) return absl::DataLossError(absl::StrCat(what, " without any chunk"));
  const v1::Head& head = parts[0].head();
  if (head.cluster() != cluster_ || head.epoch() == 0) {
    return absl::DataLossError(absl::StrCat(what, " says cluster \"", head.cluster(), "\", epoch ",
                                            head.epoch(), "; want cluster \"", cluster_, "\", epoch > 0"));
  }
  const absl::StatusOr<Id128> batch = Id128::FromBytes(head.batch());
  const absl::StatusOr<Id128> digest = Id128::FromBytes(head.digest());
  if (!batch.ok() || !digest.ok()) {
    return absl::DataLossError(absl::StrCat(what, " with a malformed batch id or digest"));
  }
  const Position place{head.epoch(), head.revision(), *batch};
  if (place.epoch < position_.epoch) {
    return absl::FailedPreconditionError(
        absl::StrCat(what, " is of epoch ", place.epoch, ", held is ", position_.epoch));
  }
  if (!corrupt_ && place.epoch == position_.epoch && place.revision < position_.revision) {
    // Only what is known to be another history may take its place: a revision from before what this replica
    // remembers is most likely an older state of its own.
    const Position* held = FindRecent(place.revision);
    if (held == nullptr || held->batch == place.batch) {
      return absl::FailedPreconditionError(
          absl::StrCat(what, " is at revision ", place.revision, ", held is ", position_.revision));
    }
  }

  Mirror fresh = mirror_.Empty();
  size_t objects = 0;
  for (const v1::Snapshot& part : parts) {
    if (!SameHead(part.head(), head)) {
      return absl::DataLossError(absl::StrCat(what, ": its chunks have different heads"));
    }
    for (const v1::SnapshotObject& object : part.objects()) {
      if (object.revision() == 0 || object.revision() > head.revision()) {
        return absl::DataLossError(absl::StrCat(what, " at revision ", head.revision(),
                                                " holds an object of revision ", object.revision()));
      }
      ++objects;
      if (!object.has_object()) {
        if (object.key().empty() || fresh.KeepsWhole(object.kind())) {
          return absl::DataLossError(absl::StrCat(what, " holds ", KindName(object.kind()), " \"",
                                                  object.key(), "\" by its key alone"));
        }
        fresh.Restore({object.kind(), object.key()}, {object.revision(), nullptr});
        continue;
      }
      fresh.Upsert(std::make_shared<const v1::Object>(object.object()), object.revision());
    }
  }
  if (fresh.size() != objects) return absl::DataLossError(absl::StrCat(what, " holds an object twice"));
  if (fresh.digest() != *digest) {
    return absl::DataLossError(absl::StrCat(what, " at revision ", head.revision(), ": its ", objects,
                                            " objects do not have the head's digest"));
  }
  mirror_ = std::move(fresh);
  position_ = place;
  recent_.assign(1, place);
  corrupt_ = false;
  return absl::OkStatus();
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
