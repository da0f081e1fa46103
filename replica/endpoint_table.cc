#include "replica/endpoint_table.h"

namespace trivium {

EndpointRecord EndpointTable::Unpack(const Id128& uid, const Packed& packed) const {
  EndpointRecord record{uid, packed.revision, packed.node, packed.identity, {}};
  if (packed.size > 0) record.addresses.push_back({packed.space, packed.size, packed.ip});
  if (packed.more > 0) {
    const Others& others = others_.at(uid);
    record.addresses.insert(record.addresses.end(), others.begin(), others.end());
  }
  return record;
}

std::optional<EndpointRecord> EndpointTable::Find(const Id128& uid) const {
  const auto* entry = packed_.find(uid);
  if (entry == nullptr) return std::nullopt;
  return Unpack(uid, entry->second);
}

uint64_t EndpointTable::RevisionOf(const Id128& uid) const {
  const auto* entry = packed_.find(uid);
  return entry == nullptr ? 0 : entry->second.revision;
}

uint64_t EndpointTable::Set(const EndpointRecord& record) {
  Packed& packed = packed_[record.uid];
  const uint64_t before = packed.revision;
  if (packed.more > 0) others_.erase(record.uid);
  packed = {};
  packed.revision = record.revision;
  packed.node = record.node;
  packed.identity = record.identity;
  if (!record.addresses.empty()) {
    const EndpointRecord::Address& first = record.addresses.front();
    packed.space = first.space;
    packed.ip = first.bytes;
    packed.size = first.size;
  }
  if (record.addresses.size() > 1) {
    packed.more = 1;
    others_[record.uid] = Others(record.addresses.begin() + 1, record.addresses.end());
  }
  return before;
}

uint64_t EndpointTable::Erase(const Id128& uid) {
  const auto* entry = packed_.find(uid);
  if (entry == nullptr) return 0;
  const uint64_t before = entry->second.revision;
  if (entry->second.more > 0) others_.erase(uid);
  packed_.erase(uid);
  return before;
}

void EndpointTable::ForEach(absl::FunctionRef<void(const EndpointRecord&)> each) const {
  for (const auto& [uid, packed] : packed_) each(Unpack(uid, packed));
}

}  // namespace trivium
