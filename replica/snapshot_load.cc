#include "replica/snapshot_load.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "schema/codec.h"
#include "schema/snapshot_reader.h"

namespace trivium {
namespace {

bool SameHead(const v1::Head& a, const v1::Head& b) {
  return a.cluster() == b.cluster() && a.epoch() == b.epoch() && a.revision() == b.revision() &&
         a.batch() == b.batch() && a.digest() == b.digest();
}

}  // namespace

SnapshotLoad::SnapshotLoad(std::string cluster, const Mirror& mirror)
    : cluster_(std::move(cluster)), what_(absl::StrCat("snapshot of ", cluster_)), mirror_(mirror.Empty()) {}

absl::Status SnapshotLoad::TakeHead(const v1::Head& head) {
  if (begun_) {
    if (SameHead(head, head_)) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(what_, ": its chunks have different heads"));
  }
  if (head.cluster() != cluster_ || head.epoch() == 0) {
    return absl::DataLossError(absl::StrCat(what_, " says cluster \"", head.cluster(), "\", epoch ",
                                            head.epoch(), "; want cluster \"", cluster_, "\", epoch > 0"));
  }
  const absl::StatusOr<Id128> batch = Id128::FromBytes(head.batch());
  const absl::StatusOr<Id128> digest = Id128::FromBytes(head.digest());
  if (!batch.ok() || !digest.ok()) {
    return absl::DataLossError(absl::StrCat(what_, " with a malformed batch id or digest"));
  }
  head_ = head;
  batch_ = *batch;
  digest_ = *digest;
  begun_ = true;
  return absl::OkStatus();
}

absl::Status SnapshotLoad::CheckRevision(uint64_t revision) const {
  if (revision > 0 && revision <= head_.revision()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(what_, " at revision ", head_.revision(), " holds an object of revision ", revision));
}

absl::Status SnapshotLoad::AddKey(v1::Kind kind, absl::string_view key, uint64_t revision) {
  if (key.empty() || mirror_.KeepsWhole(kind) || mirror_.KeepsRecords(kind)) {
    return absl::DataLossError(
        absl::StrCat(what_, " holds ", KindName(kind), " \"", key, "\" by its key alone"));
  }
  mirror_.Restore({kind, std::string(key)}, {revision, nullptr});
  return absl::OkStatus();
}

absl::Status SnapshotLoad::Add(absl::string_view chunk) {
  v1::Head head;
  bool headed = false;
  const auto take_head = [&] { return std::exchange(headed, true) ? absl::OkStatus() : TakeHead(head); };
  const auto take = [&](const SnapshotItem& item) -> absl::Status {
    TRIVIUM_RETURN_IF_ERROR(take_head());
    TRIVIUM_RETURN_IF_ERROR(CheckRevision(item.revision));
    ++objects_;
    if (item.object.empty()) return AddKey(item.kind, item.key, item.revision);
    if (mirror_.KeepsRecords(item.kind)) {
      if (const auto record = ParseRecord(item.body, item.revision)) {
        mirror_.Upsert(*record);
        return absl::OkStatus();
      }
    }
    auto object = std::make_shared<v1::Object>();
    if (!object->ParseFromArray(item.object.data(), static_cast<int>(item.object.size()))) {
      return absl::DataLossError(absl::StrCat(what_, " holds a malformed ", KindName(item.kind)));
    }
    mirror_.Upsert(Mirror::ObjectPtr(std::move(object)), item.revision);
    return absl::OkStatus();
  };
  TRIVIUM_RETURN_IF_ERROR(ReadSnapshotChunk(chunk, &head, take));
  return take_head();
}

absl::Status SnapshotLoad::Add(const v1::Snapshot& part) {
  TRIVIUM_RETURN_IF_ERROR(TakeHead(part.head()));
  for (const v1::SnapshotObject& object : part.objects()) {
    TRIVIUM_RETURN_IF_ERROR(CheckRevision(object.revision()));
    ++objects_;
    if (object.has_object()) {
      mirror_.Upsert(object.object(), object.revision());
    } else {
      TRIVIUM_RETURN_IF_ERROR(AddKey(object.kind(), object.key(), object.revision()));
    }
  }
  return absl::OkStatus();
}

absl::Status SnapshotLoad::Check() const {
  if (!begun_) return absl::DataLossError(absl::StrCat(what_, " without any chunk"));
  if (mirror_.size() != objects_) return absl::DataLossError(absl::StrCat(what_, " holds an object twice"));
  if (mirror_.digest() != digest_) {
    return absl::DataLossError(absl::StrCat(what_, " at revision ", head_.revision(), ": its ", objects_,
                                            " objects do not have the head's digest"));
  }
  return absl::OkStatus();
}

}  // namespace trivium
