#include "replica/mirror.h"

#include <utility>

namespace trivium {

Mirror::Mirror(Filter keep_whole) : keep_whole_(std::move(keep_whole)) {}

Mirror::Table& Mirror::TableOf(v1::Kind kind) {
  // A kind that this build does not know shares the unspecified kind's table.
  return tables_[v1::Kind_IsValid(kind) ? kind : v1::KIND_UNSPECIFIED];
}

const Mirror::Table& Mirror::All(v1::Kind kind) const { return const_cast<Mirror*>(this)->TableOf(kind); }

void Mirror::Set(const ObjectKey& key, Stored stored) {
  const Id128 hash = KeyHash(key.kind, key.key);
  Stored& slot = TableOf(key.kind)[key.key];
  // Revisions start at 1: 0 is a slot just made.
  if (slot.revision != 0) digest_.Remove(hash, slot.revision);
  digest_.Add(hash, stored.revision);
  slot = std::move(stored);
}

void Mirror::Upsert(ObjectPtr object, uint64_t revision) {
  const ObjectKey key = KeyOf(*object);
  if (!keep_whole_(key.kind)) object.reset();
  Set(key, Stored{revision, std::move(object)});
}

void Mirror::Restore(const ObjectKey& key, Stored stored) { Set(key, std::move(stored)); }

bool Mirror::Delete(const ObjectKey& key) {
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
  size_t n = 0;
  for (const Table& table : tables_) n += table.size();
  return n;
}

}  // namespace trivium
