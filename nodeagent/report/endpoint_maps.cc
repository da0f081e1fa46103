#include "nodeagent/report/endpoint_maps.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "nodeagent/compile/keys.h"
#include "nodeagent/report/map_text.h"

namespace trivium {
namespace {

// Entries in the order of maps and keys.
class Collector {
 public:
  Collector(MapIo* io, const Pipeline& pipeline) : io_(io), pipeline_(pipeline) {}

  // Both sides of those entries of a map that `concerns` (key).
  template <typename Delta, typename Concerns>
  absl::Status Add(MapId map, const Delta& wanted, const Concerns& concerns) {
    using K = typename Delta::Key;
    using V = typename Delta::Value;
    std::map<std::string, v1::EndpointMapsResult::Entry> entries;
    const auto entry = [&](absl::string_view key, absl::string_view value) {
      v1::EndpointMapsResult::Entry& one = entries[std::string(key)];
      one.set_map(std::string(MapName(map)));
      one.set_key(KeyText(map, key));
      if (std::string rule = RuleText(map, value, pipeline_); !rule.empty()) one.set_rule(std::move(rule));
      return &one;
    };
    for (const auto& [key, value] : wanted.desired()) {
      if (concerns(key)) entry(Bytes(key), Bytes(value))->set_desired(ValueText(map, Bytes(value)));
    }
    TRIVIUM_ASSIGN_OR_RETURN(const MapRecords records, io_->ReadAll(map));
    for (size_t i = 0; i < records.count(); ++i) {
      if (!concerns(FromBytes<K>(records.key(i)))) continue;
      v1::EndpointMapsResult::Entry* one = entry(records.key(i), records.value(i));
      one->set_kernel(ValueText(map, records.value(i)));
      // Two rules may say the same: that is a difference too.
      const V* want = wanted.Desired(FromBytes<K>(records.key(i)));
      if (want != nullptr && !SameBytes(*want, FromBytes<V>(records.value(i))) &&
          one->kernel() == one->desired()) {
        one->set_kernel(one->kernel() + " by another rule");
      }
    }
    for (auto& [key, one] : entries) entries_.push_back(std::move(one));
    return absl::OkStatus();
  }

  std::vector<v1::EndpointMapsResult::Entry> Take() { return std::move(entries_); }

 private:
  MapIo* const io_;
  const Pipeline& pipeline_;
  std::vector<v1::EndpointMapsResult::Entry> entries_;
};

}  // namespace

absl::StatusOr<v1::EndpointMapsResult> EndpointMaps(MapIo* io, const Pipeline& pipeline, uint32_t space,
                                                    const v1::LocalEndpoint& endpoint, uint32_t limit) {
  const KernelMaps& maps = pipeline.maps();
  std::set<std::string> addresses, ipcache;
  for (const std::string& ip : endpoint.ips()) {
    addresses.insert(std::string(Bytes(EndpointMapKey(space, ip))));
    ipcache.insert(std::string(Bytes(IpcacheKey(space, ip))));
  }
  // Those it should have and those it has.
  std::set<uint32_t> rule_sets = {endpoint.ingress_rule_set(), endpoint.egress_rule_set()};
  for (const auto& [key, value] : maps.endpoint_policy.desired()) {
    if (key.endpoint == endpoint.number()) rule_sets.insert(value.rule_set);
  }
  rule_sets.erase(0);

  Collector collector(io, pipeline);
  TRIVIUM_RETURN_IF_ERROR(collector.Add(MapId::kEndpoints, maps.endpoints, [&](const endpoint_key& key) {
    return addresses.contains(std::string(Bytes(key)));
  }));
  TRIVIUM_RETURN_IF_ERROR(collector.Add(MapId::kIpcache, maps.ipcache, [&](const ipcache_key& key) {
    return ipcache.contains(std::string(Bytes(key)));
  }));
  TRIVIUM_RETURN_IF_ERROR(
      collector.Add(MapId::kEndpointPolicy, maps.endpoint_policy,
                    [&](const endpoint_policy_key& key) { return key.endpoint == endpoint.number(); }));
  TRIVIUM_RETURN_IF_ERROR(
      collector.Add(MapId::kPolicyVerdict, maps.verdicts,
                    [&](const policy_verdict_key& key) { return rule_sets.contains(key.rule_set); }));
  TRIVIUM_RETURN_IF_ERROR(collector.Add(MapId::kPolicyClass, maps.classes, [&](const policy_class_key& key) {
    return rule_sets.contains(key.rule_set);
  }));

  std::vector<v1::EndpointMapsResult::Entry> entries = collector.Take();
  const auto differs = [](const v1::EndpointMapsResult::Entry& entry) {
    return entry.desired() != entry.kernel();
  };
  std::stable_partition(entries.begin(), entries.end(), differs);
  v1::EndpointMapsResult result;
  *result.mutable_endpoint() = endpoint;
  result.set_total(static_cast<uint32_t>(entries.size()));
  result.set_differences(static_cast<uint32_t>(std::count_if(entries.begin(), entries.end(), differs)));
  for (size_t i = 0; i < std::min<size_t>(limit, entries.size()); ++i)
    *result.add_entries() = std::move(entries[i]);
  return result;
}

}  // namespace trivium
