#include "tests/support/fake_map_io.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "bpf/abi/types.h"

namespace trivium {
namespace {

template <typename K, typename V>
MapInfo InfoOf(size_t capacity) {
  return MapInfo{sizeof(K), sizeof(V), capacity};
}

MapInfo InfoOf(MapId map, size_t capacity) {
  switch (map) {
    case MapId::kIpcache:
      return InfoOf<ipcache_key, ipcache_value>(capacity);
    case MapId::kIpcacheLpm:
      return InfoOf<ipcache_lpm_key, ipcache_value>(capacity);
    case MapId::kNodes:
      return InfoOf<node_key, node_value>(capacity);
    case MapId::kUnderlay:
      return InfoOf<underlay_key, underlay_value>(capacity);
    case MapId::kKnown:
      return InfoOf<known_key, known_value>(capacity);
    case MapId::kPolicyClass:
      return InfoOf<policy_class_key, policy_class_value>(capacity);
    case MapId::kPolicyVerdict:
      return InfoOf<policy_verdict_key, policy_verdict_value>(capacity);
    case MapId::kEndpointPolicy:
      return InfoOf<endpoint_policy_key, endpoint_policy_value>(capacity);
    case MapId::kEndpoints:
      return InfoOf<endpoint_key, endpoint_value>(capacity);
    case MapId::kVector:
      return InfoOf<vector_key, vector_value>(capacity);
  }
  return {};
}

MapWriteResult AllFailed(size_t count, absl::Status status) {
  MapWriteResult result;
  for (size_t i = 0; i < count; ++i) result.failed.push_back(i);
  if (count > 0) result.status = std::move(status);
  return result;
}

}  // namespace

FakeMapIo::FakeMapIo(size_t capacity) {
  for (int i = 0; i < kMapCount; ++i) maps_.push_back({InfoOf(static_cast<MapId>(i), capacity), {}});
}

MapInfo FakeMapIo::Info(MapId map) const { return Of(map).info; }

bool FakeMapIo::Live() {
  if (!dies_after_.has_value()) return true;
  if (*dies_after_ == 0) return false;
  if (--*dies_after_ == 0) {
    // This record is the last that counts.
    if (on_death_ != nullptr) std::exchange(on_death_, nullptr)();
  }
  return true;
}

void FakeMapIo::DieAfter(size_t records, std::function<void()> on_death) {
  dies_after_ = records;
  on_death_ = std::move(on_death);
}

MapWriteResult FakeMapIo::Update(MapId map, const MapRecords& records) {
  Map& m = Of(map);
  if (records.key_size != m.info.key_size || records.value_size != m.info.value_size) {
    return AllFailed(records.count(), absl::InvalidArgumentError(
                                          absl::StrCat("map ", MapName(map), ": records of another size")));
  }
  MapWriteResult result;
  for (size_t i = 0; i < records.count(); ++i) {
    const Write write{map, false, std::string(records.key(i)), std::string(records.value(i))};
    absl::Status status;
    if (fault_ != nullptr && fault_(write)) {
      status = absl::InternalError(absl::StrCat("map ", MapName(map), ": a fault of the test"));
    } else if (!m.content.contains(write.key) && m.content.size() >= m.info.capacity) {
      status = absl::ResourceExhaustedError(absl::StrCat("map ", MapName(map), " is full"));
      if (on_full_ != nullptr) on_full_(map);
    } else if (!Live()) {
      status = absl::UnavailableError("dead");
    }
    if (!status.ok()) {
      result.failed.push_back(i);
      if (result.status.ok()) result.status = status;
      continue;
    }
    m.content[write.key] = write.value;
    journal_.push_back(write);
    if (observer_ != nullptr) observer_(write);
  }
  return result;
}

MapWriteResult FakeMapIo::Delete(MapId map, const MapRecords& keys) {
  Map& m = Of(map);
  if (keys.key_size != m.info.key_size) {
    return AllFailed(keys.count(), absl::InvalidArgumentError(
                                       absl::StrCat("map ", MapName(map), ": keys of another size")));
  }
  MapWriteResult result;
  for (size_t i = 0; i < keys.count(); ++i) {
    const Write write{map, true, std::string(keys.key(i)), ""};
    absl::Status status;
    if (fault_ != nullptr && fault_(write)) {
      status = absl::InternalError(absl::StrCat("map ", MapName(map), ": a fault of the test"));
    } else if (!Live()) {
      status = absl::UnavailableError("dead");
    }
    if (!status.ok()) {
      result.failed.push_back(i);
      if (result.status.ok()) result.status = status;
      continue;
    }
    m.content.erase(write.key);
    journal_.push_back(write);
    if (observer_ != nullptr) observer_(write);
  }
  return result;
}

absl::StatusOr<MapRecords> FakeMapIo::ReadAll(MapId map) {
  MapRecords records{Of(map).info.key_size, Of(map).info.value_size, {}, {}};
  for (const auto& [key, value] : Of(map).content) records.Add(key, value);
  return records;
}

std::vector<FakeMapIo::Content> FakeMapIo::contents() const {
  std::vector<Content> all;
  for (const Map& map : maps_) all.push_back(map.content);
  return all;
}

}  // namespace trivium
