#include "bench/scale/memory_map_io.h"

#include "bpf/abi/types.h"

namespace trivium::bench {
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

}  // namespace

MemoryMapIo::MemoryMapIo(size_t capacity) {
  for (int i = 0; i < kMapCount; ++i) maps_[i].info = InfoOf(static_cast<MapId>(i), capacity);
}

MapWriteResult MemoryMapIo::Update(MapId map, const MapRecords& records) {
  Map& target = Of(map);
  MapWriteResult result;
  for (size_t i = 0; i < records.count(); ++i) {
    const absl::string_view key = records.key(i);
    const auto found = target.content.find(key);
    if (found != target.content.end()) {
      found->second = std::string(records.value(i));
    } else if (target.content.size() < target.info.capacity) {
      target.content.emplace(std::string(key), std::string(records.value(i)));
    } else {
      result.failed.push_back(i);
      result.status = absl::ResourceExhaustedError("map full");
    }
  }
  return result;
}

MapWriteResult MemoryMapIo::Delete(MapId map, const MapRecords& keys) {
  for (size_t i = 0; i < keys.count(); ++i) Of(map).content.erase(keys.key(i));
  return {};
}

absl::StatusOr<MapRecords> MemoryMapIo::ReadAll(MapId map) {
  MapRecords all;
  all.key_size = Of(map).info.key_size;
  all.value_size = Of(map).info.value_size;
  for (const auto& [key, value] : Of(map).content) all.Add(key, value);
  return all;
}

}  // namespace trivium::bench
