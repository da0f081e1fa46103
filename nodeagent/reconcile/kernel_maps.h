// Desired and actual content of every map that the agent writes, one DeltaMap each. Not thread-safe.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "bpf/abi/types.h"
#include "nodeagent/delta/delta_map.h"
#include "nodeagent/reconcile/map_io.h"

namespace trivium {

// Whose claim an address's entry is (desired/address_table.h).
struct ClaimNote {
  uint64_t owner = 0;
  uint64_t revision = 0;
};
using IpcacheMap = DeltaMap<ipcache_key, ipcache_value, ClaimNote>;
using IpcacheLpmMap = DeltaMap<ipcache_lpm_key, ipcache_value>;
using NodesMap = DeltaMap<node_key, node_value>;
using UnderlayMap = DeltaMap<underlay_key, underlay_value>;
using KnownMap = DeltaMap<known_key, known_value>;
using PolicyClassMap = DeltaMap<policy_class_key, policy_class_value>;
using PolicyVerdictMap = DeltaMap<policy_verdict_key, policy_verdict_value>;
using EndpointPolicyMap = DeltaMap<endpoint_policy_key, endpoint_policy_value>;
using EndpointsMap = DeltaMap<endpoint_key, endpoint_value>;
using VectorMap = DeltaMap<vector_key, vector_value>;

struct KernelMaps {
  IpcacheMap ipcache;
  IpcacheLpmMap lpm;
  NodesMap nodes;
  UnderlayMap underlay;
  KnownMap known;
  PolicyClassMap classes;
  PolicyVerdictMap verdicts;
  EndpointPolicyMap endpoint_policy;
  EndpointsMap endpoints;
  VectorMap vector;

  // Reads what the kernel holds. Before anything is wanted.
  absl::Status ReadAll(MapIo* io);
  // Makes every failed key pending again.
  void Retry();
  // Entries in the kernel, as far as this agent knows.
  size_t ActualSize(MapId map) const;
  // Compares the kernel's content, read anew, with what is wanted: one line per difference, at most `limit`.
  // Entries of rule sets that are on their way out are no difference.
  absl::StatusOr<std::vector<std::string>> Audit(MapIo* io, size_t limit) const;
};

}  // namespace trivium
