// All that the agent's pure rooms see of the kernel's maps. KernelMapIo (nodeagent/kernel/) and FakeMapIo
// (tests/support/) pass tests/contract/map_io_contract.h. Not thread-safe: used from the agent's executor
// only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trivium {

// The maps that the agent writes. Layouts: bpf/abi/.
enum class MapId {
  kIpcache,         // ipcache_key -> ipcache_value, exact
  kIpcacheLpm,      // ipcache_lpm_key -> ipcache_value
  kNodes,           // node_key -> node_value
  kUnderlay,        // underlay_key -> underlay_value: whose tunnel end an address is
  kKnown,           // known_key -> known_value
  kPolicyClass,     // policy_class_key -> policy_class_value
  kPolicyVerdict,   // policy_verdict_key -> policy_verdict_value (LPM)
  kEndpointPolicy,  // endpoint_policy_key -> endpoint_policy_value
  kEndpoints,       // endpoint_key (address) -> endpoint_value
  kVector,          // vector_key -> vector_value
};
inline constexpr int kMapCount = static_cast<int>(MapId::kVector) + 1;
absl::string_view MapName(MapId map);

// Fixed-size records, packed one after another: what a batched system call takes.
struct MapRecords {
  size_t key_size = 0;
  size_t value_size = 0;  // 0 for a list of keys
  std::vector<uint8_t> keys;
  std::vector<uint8_t> values;

  size_t count() const { return key_size == 0 ? 0 : keys.size() / key_size; }
  absl::string_view key(size_t i) const;
  absl::string_view value(size_t i) const;
  void Add(absl::string_view key, absl::string_view value = {});
};

struct MapInfo {
  size_t key_size = 0;
  size_t value_size = 0;
  size_t capacity = 0;
};

// The outcome of a batch: the records with these indexes were not done, and why (first reason). Empty: all
// done.
struct MapWriteResult {
  std::vector<size_t> failed;
  absl::Status status;  // kResourceExhausted: map full
  bool ok() const { return failed.empty(); }
};

class MapIo {
 public:
  virtual ~MapIo() = default;
  virtual MapInfo Info(MapId map) const = 0;
  // Inserts or replaces. One record's failure does not stop the others.
  [[nodiscard]] virtual MapWriteResult Update(MapId map, const MapRecords& records) = 0;
  // A key that is not there counts as done.
  [[nodiscard]] virtual MapWriteResult Delete(MapId map, const MapRecords& keys) = 0;
  virtual absl::StatusOr<MapRecords> ReadAll(MapId map) = 0;
};

}  // namespace trivium
