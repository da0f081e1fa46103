#include "replica/mirror.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"

namespace trivium {

Mirror::Mirror(Filter keep_whole, Endpoints endpoints)
    : keep_whole_(std::move(keep_whole)), endpoint_form_(endpoints) {}

Mirror::Table& Mirror::TableOf(v1::Kind kind) {
  // A kind that this build does not know shares the unspecified kind's table.
  return tables_[v1::Kind_IsValid(kind) ? kind : v1::KIND_UNSPECIFIED];
}

const Mirror::Table& Mirror::All(v1::Kind kind) const { return const_cast<Mirror*>(this)->TableOf(kind); }

std::optional<Id128> Mirror::RecordKey(const ObjectKey& key) const {
  if (!KeepsRecords(key.kind)) return std::nullopt;
  // Other spellings of a uid are other keys.
  if (key.key.size() != 32 || std::any_of(key.key.begin(), key.key.end(), absl::ascii_isupper)) {
    return std::nullopt;
  }
  const absl::StatusOr<Id128> uid = Id128::FromHex(key.key);
  return uid.ok() ? std::optional<Id128>(*uid) : std::nullopt;
}

void Mirror::Set(const ObjectKey& key, Stored stored) {
  const Id128 hash = KeyHash(key.kind, key.key);
  Stored& slot = TableOf(key.kind)[key.key];
  // Revisions start at 1: 0 is a slot just made.
  if (slot.revision != 0) digest_.Remove(hash, slot.revision);
  digest_.Add(hash, stored.revision);
  slot = std::move(stored);
}

void Mirror::Upsert(const EndpointRecord& record) {
  const Id128 hash = EndpointKeyHash(record.uid);
  const uint64_t before = endpoints_.Set(record);
  if (before != 0) digest_.Remove(hash, before);
  digest_.Add(hash, record.revision);
}

void Mirror::Upsert(const v1::Object& object, uint64_t revision) {
  const v1::Kind kind = KindOf(object);
  if (KeepsRecords(kind)) {
    if (const auto record = RecordOf(object.endpoint(), revision)) return Upsert(*record);
  }
  // An endpoint without a proper uid has no record: it stays what it is.
  const bool whole = KeepsWhole(kind) || KeepsRecords(kind);
  Set(KeyOf(object), {revision, whole ? std::make_shared<const v1::Object>(object) : nullptr});
}

void Mirror::Upsert(ObjectPtr object, uint64_t revision) {
  const v1::Kind kind = KindOf(*object);
  if (!KeepsWhole(kind)) return Upsert(*object, revision);
  const ObjectKey key = KeyOf(*object);
  Set(key, Stored{revision, std::move(object)});
}

void Mirror::Restore(const ObjectKey& key, Stored stored) { Set(key, std::move(stored)); }

Mirror::Held Mirror::Hold(const ObjectKey& key) const {
  Held held;
  if (const auto uid = RecordKey(key)) {
    held.record = endpoints_.Find(*uid);
  } else if (const Stored* stored = FindStored(key.kind, key.key)) {
    held.stored = *stored;
  }
  return held;
}

void Mirror::PutBack(const ObjectKey& key, Held held) {
  if (held.record.has_value()) {
    Upsert(*held.record);
  } else if (held.stored.has_value()) {
    Restore(key, *std::move(held.stored));
  } else {
    Delete(key);
  }
}

bool Mirror::Delete(const ObjectKey& key) {
  if (const auto uid = RecordKey(key)) {
    const uint64_t before = endpoints_.Erase(*uid);
    if (before != 0) digest_.Remove(EndpointKeyHash(*uid), before);
    return before != 0;
  }
  Table& table = TableOf(key.kind);
  const auto it = table.find(key.key);
  if (it == table.end()) return false;
  digest_.Remove(KeyHash(key.kind, key.key), it->second.revision);
  table.erase(it);
  return true;
}

const Mirror::Stored* Mirror::FindStored(v1::Kind kind, absl::string_view key) const {
  const Table& table = All(kind);
  const auto it = table.find(key);
  return it == table.end() ? nullptr : &it->second;
}

const v1::Object* Mirror::Find(v1::Kind kind, absl::string_view key) const {
  const Stored* stored = FindStored(kind, key);
  return stored == nullptr ? nullptr : stored->object.get();
}

size_t Mirror::size() const {
  size_t n = endpoints_.size();
  for (const Table& table : tables_) n += table.size();
  return n;
}

}  // namespace trivium
