#include "nodeagent/report/map_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "nodeagent/compile/keys.h"
#include "policy/cidr.h"

namespace trivium {
namespace {

std::string IpText(const uint8_t* addr, uint8_t family) {
  const std::string ip(reinterpret_cast<const char*>(addr), family == 4 ? 4 : 16);
  const std::string text = policy::CidrText(policy::HostPrefix(ip));
  return text.substr(0, text.find('/'));
}

std::string MacText(const uint8_t* mac) {
  return absl::StrJoin(std::vector<uint8_t>(mac, mac + 6), ":", [](std::string* out, uint8_t byte) {
    absl::StrAppend(out, absl::Hex(byte, absl::kZeroPad2));
  });
}

std::string IpcacheText(const ipcache_value& v) {
  return absl::StrCat("identity ", v.identity, " cluster ", v.cluster, " node ", v.node,
                      v.flags & IPCACHE_UNKNOWN ? " unknown" : "", v.flags & IPCACHE_NODE ? " is-node" : "");
}

std::string VerdictKeyText(const policy_verdict_key& k) {
  std::string out = absl::StrCat("rule set ", k.rule_set, " class ", k.class_id);
  if (k.prefixlen > POLICY_VERDICT_STATIC_BITS) absl::StrAppend(&out, " protocol ", k.protocol);
  if (k.prefixlen > POLICY_VERDICT_STATIC_BITS + 8) {
    absl::StrAppend(&out, " port ", k.port[0] << 8 | k.port[1], "/",
                    k.prefixlen - POLICY_VERDICT_STATIC_BITS - 8);
  }
  return out;
}

}  // namespace

std::string KeyText(MapId map, absl::string_view key) {
  switch (map) {
    case MapId::kIpcache: {
      const auto k = FromBytes<ipcache_key>(key);
      return absl::StrCat(IpText(k.addr, k.family), " space ", k.space);
    }
    case MapId::kIpcacheLpm: {
      const auto k = FromBytes<ipcache_lpm_key>(key);
      return absl::StrCat(policy::CidrText(CidrOf(k)), " space ", k.space);
    }
    case MapId::kNodes: {
      const auto k = FromBytes<node_key>(key);
      return absl::StrCat("cluster ", k.cluster, " node ", k.node);
    }
    case MapId::kUnderlay: {
      const auto k = FromBytes<underlay_key>(key);
      return IpText(k.addr, k.family);
    }
    case MapId::kKnown:
      return absl::StrCat("identity ", FromBytes<known_key>(key).identity);
    case MapId::kPolicyClass: {
      const auto k = FromBytes<policy_class_key>(key);
      return absl::StrCat("rule set ", k.rule_set, " identity ", k.identity);
    }
    case MapId::kPolicyVerdict:
      return VerdictKeyText(FromBytes<policy_verdict_key>(key));
    case MapId::kEndpointPolicy: {
      const auto k = FromBytes<endpoint_policy_key>(key);
      return absl::StrCat("endpoint ", k.endpoint, k.direction == DIRECTION_INGRESS ? " ingress" : " egress");
    }
    case MapId::kEndpoints: {
      const auto k = FromBytes<endpoint_key>(key);
      return IpText(k.addr, k.family);
    }
    case MapId::kVector:
      return absl::StrCat("cluster ", FromBytes<vector_key>(key).cluster);
  }
  return "";
}

std::string ValueText(MapId map, absl::string_view value) {
  switch (map) {
    case MapId::kIpcache:
    case MapId::kIpcacheLpm:
      return IpcacheText(FromBytes<ipcache_value>(value));
    case MapId::kNodes: {
      const auto v = FromBytes<node_value>(value);
      return absl::StrCat(IpText(v.underlay4, 4), " ", IpText(v.underlay6, 6), " mtu ", v.mtu);
    }
    case MapId::kUnderlay: {
      const auto v = FromBytes<underlay_value>(value);
      return absl::StrCat("cluster ", v.cluster, " node ", v.node);
    }
    case MapId::kKnown:
      return absl::StrCat("cluster ", FromBytes<known_value>(value).cluster);
    case MapId::kPolicyClass:
      return absl::StrCat("class ", FromBytes<policy_class_value>(value).class_id);
    case MapId::kPolicyVerdict:
      return FromBytes<policy_verdict_value>(value).action == POLICY_ALLOW ? "allow" : "deny";
    case MapId::kEndpointPolicy: {
      const auto v = FromBytes<endpoint_policy_value>(value);
      return absl::StrCat("rule set ", v.rule_set, v.flags & ENDPOINT_POLICY_AUDIT ? " audit" : "");
    }
    case MapId::kEndpoints: {
      const auto v = FromBytes<endpoint_value>(value);
      return absl::StrCat("endpoint ", v.endpoint, " device ", v.ifindex, " identity ", v.identity, " pod ",
                          MacText(v.pod_mac), " host ", MacText(v.host_mac));
    }
    case MapId::kVector: {
      const auto v = FromBytes<vector_value>(value);
      return absl::StrCat(
          "epoch ", v.epoch, " revision ", v.revision, " batch ",
          absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(v.batch), 16)));
    }
  }
  return "";
}

std::string RuleText(MapId map, absl::string_view value, const Pipeline& pipeline) {
  if (map != MapId::kPolicyVerdict) return "";
  const Cookies::Origin* origin = pipeline.FindCookie(FromBytes<policy_verdict_value>(value).cookie);
  if (origin == nullptr) return "";
  return absl::StrCat(origin->policy, " ", origin->rule, " of revision ", origin->revision);
}

std::string RecordText(MapId map, absl::string_view key, absl::string_view value, const Pipeline& pipeline) {
  const std::string rule = RuleText(map, value, pipeline);
  return absl::StrCat(KeyText(map, key), " -> ", ValueText(map, value), rule.empty() ? "" : " by ", rule);
}

absl::StatusOr<v1::MapsResult> DumpMaps(MapIo* io, const Pipeline& pipeline, const std::string& name,
                                        uint32_t limit) {
  v1::MapsResult result;
  std::string names;
  for (int i = 0; i < kMapCount; ++i) {
    const MapId id = static_cast<MapId>(i);
    absl::StrAppend(&names, i == 0 ? "" : ", ", MapName(id));
    if (!name.empty() && name != MapName(id)) continue;
    TRIVIUM_ASSIGN_OR_RETURN(const MapRecords records, io->ReadAll(id));
    v1::MapsResult::Map* map = result.add_maps();
    map->set_name(std::string(MapName(id)));
    map->set_entries(records.count());
    map->set_capacity(io->Info(id).capacity);
    for (size_t r = 0; r < std::min<size_t>(records.count(), limit); ++r) {
      map->add_lines(RecordText(id, records.key(r), records.value(r), pipeline));
    }
    std::sort(map->mutable_lines()->begin(), map->mutable_lines()->end());
  }
  if (result.maps().empty()) {
    return absl::NotFoundError(absl::StrCat("no map \"", name, "\"; there are ", names));
  }
  return result;
}

}  // namespace trivium
