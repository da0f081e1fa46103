#include "schema/snapshot_reader.h"

#include "base/status.h"
#include "schema/codec.h"
#include "schema/compression.h"
#include "schema/wire.h"

namespace trivium {
namespace {

bool ReadItem(absl::string_view message, SnapshotItem* item) {
  const bool whole = wire::Walk(
      message,
      [item](uint32_t tag, absl::string_view value) {
        if (tag == wire::Bytes(v1::SnapshotObject::kObjectFieldNumber)) item->object = value;
        if (tag == wire::Bytes(v1::SnapshotObject::kKeyFieldNumber)) item->key = value;
        return true;
      },
      [item](uint32_t tag, uint64_t value) {
        if (tag == wire::Number(v1::SnapshotObject::kRevisionFieldNumber)) item->revision = value;
        if (tag == wire::Number(v1::SnapshotObject::kKindFieldNumber)) {
          item->kind = static_cast<v1::Kind>(value);
        }
        return true;
      });
  if (!whole || item->object.empty()) return whole;
  // The oneof's field numbers are the kinds' numbers.
  return wire::Walk(
      item->object,
      [item](uint32_t tag, absl::string_view value) {
        item->kind = static_cast<v1::Kind>(wire::FieldOf(tag));
        item->body = value;
        return true;
      },
      [](uint32_t, uint64_t) { return true; });
}

}  // namespace

absl::Status ReadSnapshotChunk(absl::string_view chunk, v1::Head* head,
                               absl::FunctionRef<absl::Status(const SnapshotItem&)> each) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string plain, Decompress(chunk, kMaxChunkPlainBytes));
  absl::Status status;
  // The head comes first, as its field number is the lowest.
  const bool whole = wire::Walk(
      plain,
      [&](uint32_t tag, absl::string_view value) {
        if (tag == wire::Bytes(v1::Snapshot::kHeadFieldNumber)) {
          return head->ParseFromArray(value.data(), static_cast<int>(value.size()));
        }
        if (tag != wire::Bytes(v1::Snapshot::kObjectsFieldNumber)) return true;
        SnapshotItem item;
        if (!ReadItem(value, &item)) return false;
        status = each(item);
        return status.ok();
      },
      [](uint32_t, uint64_t) { return true; });
  TRIVIUM_RETURN_IF_ERROR(status);
  return whole ? absl::OkStatus() : absl::DataLossError("not a snapshot chunk");
}

}  // namespace trivium
