#include "nodeagent/reconcile/kernel_maps.h"

#include <algorithm>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nodeagent/reconcile/map_writer.h"

namespace trivium {
namespace {

// Rule sets that some endpoint is to be judged by, or that hold wanted entries: others are on their way out.
using RuleSetNumbers = absl::flat_hash_set<uint32_t>;

template <typename K>
bool IsOnItsWayOut(const K&, const RuleSetNumbers&) {
  return false;
}
bool IsOnItsWayOut(const policy_class_key& key, const RuleSetNumbers& wanted) {
  return !wanted.contains(key.rule_set);
}
bool IsOnItsWayOut(const policy_verdict_key& key, const RuleSetNumbers& wanted) {
  return !wanted.contains(key.rule_set);
}

template <typename K, typename V, typename N>
absl::Status AuditMap(MapIo* io, MapId map, const DeltaMap<K, V, N>& delta, const RuleSetNumbers& wanted,
                      size_t limit, std::vector<std::string>* out) {
  DeltaMap<K, V, N> fresh;
  TRIVIUM_RETURN_IF_ERROR(ReadActual(io, map, &fresh));
  auto differs = [&](absl::string_view what, const K& key) {
    if (out->size() < limit) {
      out->push_back(absl::StrCat(MapName(map), ": ", what, " ", absl::BytesToHexString(Bytes(key))));
    }
  };
  for (const auto& [key, value] : delta.desired()) {
    const std::optional<V> actual = fresh.Actual(key);
    if (!actual.has_value()) {
      differs("missing", key);
    } else if (!SameBytes(*actual, value)) {
      differs("wrong value of", key);
    }
  }
  for (const auto& [key, value] : fresh.extra()) {
    if (delta.Desired(key) == nullptr && !IsOnItsWayOut(key, wanted)) differs("not wanted", key);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status KernelMaps::ReadAll(MapIo* io) {
  TRIVIUM_RETURN_IF_ERROR(ReadActual(io, MapId::kIpcache, &ipcache));
  TRIVIUM_RETURN_IF_ERROR(ReadActual(io, MapId::kIpcacheLpm, &lpm));
  TRIVIUM_RETURN_IF_ERROR(ReadActual(io, MapId::kNodes, &nodes));
  TRIVIUM_RETURN_IF_ERROR(ReadActual(io, MapId::kUnderlay, &underlay));
  TRIVIUM_RETURN_IF_ERROR(ReadActual(io, MapId::kKnown, &known));
  TRIVIUM_RETURN_IF_ERROR(ReadActual(io, MapId::kPolicyClass, &classes));
  TRIVIUM_RETURN_IF_ERROR(ReadActual(io, MapId::kPolicyVerdict, &verdicts));
  TRIVIUM_RETURN_IF_ERROR(ReadActual(io, MapId::kEndpointPolicy, &endpoint_policy));
  TRIVIUM_RETURN_IF_ERROR(ReadActual(io, MapId::kEndpoints, &endpoints));
  return ReadActual(io, MapId::kVector, &vector);
}

void KernelMaps::Retry() {
  ipcache.Retry();
  lpm.Retry();
  nodes.Retry();
  underlay.Retry();
  known.Retry();
  classes.Retry();
  verdicts.Retry();
  endpoint_policy.Retry();
  endpoints.Retry();
  vector.Retry();
}

size_t KernelMaps::ActualSize(MapId map) const {
  switch (map) {
    case MapId::kIpcache:
      return ipcache.actual_size();
    case MapId::kIpcacheLpm:
      return lpm.actual_size();
    case MapId::kNodes:
      return nodes.actual_size();
    case MapId::kUnderlay:
      return underlay.actual_size();
    case MapId::kKnown:
      return known.actual_size();
    case MapId::kPolicyClass:
      return classes.actual_size();
    case MapId::kPolicyVerdict:
      return verdicts.actual_size();
    case MapId::kEndpointPolicy:
      return endpoint_policy.actual_size();
    case MapId::kEndpoints:
      return endpoints.actual_size();
    case MapId::kVector:
      return vector.actual_size();
  }
  return 0;
}

absl::StatusOr<std::vector<std::string>> KernelMaps::Audit(MapIo* io, size_t limit) const {
  std::vector<std::string> out;
  RuleSetNumbers wanted;
  for (const auto& [key, value] : endpoint_policy.desired()) wanted.insert(value.rule_set);
  for (const auto& [key, value] : classes.desired()) wanted.insert(key.rule_set);
  for (const auto& [key, value] : verdicts.desired()) wanted.insert(key.rule_set);
  TRIVIUM_RETURN_IF_ERROR(AuditMap(io, MapId::kIpcache, ipcache, wanted, limit, &out));
  TRIVIUM_RETURN_IF_ERROR(AuditMap(io, MapId::kIpcacheLpm, lpm, wanted, limit, &out));
  TRIVIUM_RETURN_IF_ERROR(AuditMap(io, MapId::kNodes, nodes, wanted, limit, &out));
  TRIVIUM_RETURN_IF_ERROR(AuditMap(io, MapId::kUnderlay, underlay, wanted, limit, &out));
  TRIVIUM_RETURN_IF_ERROR(AuditMap(io, MapId::kKnown, known, wanted, limit, &out));
  TRIVIUM_RETURN_IF_ERROR(AuditMap(io, MapId::kPolicyClass, classes, wanted, limit, &out));
  TRIVIUM_RETURN_IF_ERROR(AuditMap(io, MapId::kPolicyVerdict, verdicts, wanted, limit, &out));
  TRIVIUM_RETURN_IF_ERROR(AuditMap(io, MapId::kEndpointPolicy, endpoint_policy, wanted, limit, &out));
  TRIVIUM_RETURN_IF_ERROR(AuditMap(io, MapId::kEndpoints, endpoints, wanted, limit, &out));
  TRIVIUM_RETURN_IF_ERROR(AuditMap(io, MapId::kVector, vector, wanted, limit, &out));
  return out;
}

}  // namespace trivium
