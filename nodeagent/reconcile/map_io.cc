#include "nodeagent/reconcile/map_io.h"

namespace trivium {
namespace {

absl::string_view RecordAt(const std::vector<uint8_t>& bytes, size_t size, size_t i) {
  return absl::string_view(reinterpret_cast<const char*>(bytes.data()) + i * size, size);
}

}  // namespace

absl::string_view MapName(MapId map) {
  switch (map) {
    case MapId::kIpcache:
      return "ipcache";
    case MapId::kIpcacheLpm:
      return "ipcache_lpm";
    case MapId::kNodes:
      return "nodes";
    case MapId::kUnderlay:
      return "underlay";
    case MapId::kKnown:
      return "known";
    case MapId::kPolicyClass:
      return "policy_class";
    case MapId::kPolicyVerdict:
      return "policy_verdict";
    case MapId::kEndpointPolicy:
      return "endpoint_policy";
    case MapId::kEndpoints:
      return "endpoints";
    case MapId::kVector:
      return "vector";
  }
  return "unknown";
}

absl::string_view MapRecords::key(size_t i) const { return RecordAt(keys, key_size, i); }

absl::string_view MapRecords::value(size_t i) const { return RecordAt(values, value_size, i); }

void MapRecords::Add(absl::string_view key, absl::string_view value) {
  keys.insert(keys.end(), key.begin(), key.end());
  values.insert(values.end(), value.begin(), value.end());
}

}  // namespace trivium
