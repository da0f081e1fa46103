#include "tests/flow/map_judge.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nodeagent/compile/keys.h"
#include "nodeagent/delta/pod.h"
#include "policy/cidr.h"

namespace trivium {
namespace {

template <typename V, typename K>
std::optional<V> Find(const FakeMapIo& maps, MapId map, const K& key) {
  const auto& content = maps.content(map);
  const auto it = content.find(std::string(Bytes(key)));
  if (it == content.end()) return std::nullopt;
  return FromBytes<V>(it->second);
}

std::optional<endpoint_policy_value> PolicyOf(const FakeMapIo& maps, uint32_t endpoint, uint32_t direction) {
  endpoint_policy_key key{};
  key.endpoint = endpoint;
  key.direction = direction;
  return Find<endpoint_policy_value>(maps, MapId::kEndpointPolicy, key);
}

uint32_t ClassOf(const FakeMapIo& maps, uint32_t rule_set, uint32_t identity) {
  policy_class_key key{};
  key.rule_set = rule_set;
  key.identity = identity;
  const auto found = Find<policy_class_value>(maps, MapId::kPolicyClass, key);
  return found.has_value() ? found->class_id : 0;
}

bool PrefixMatches(const uint8_t* prefix, const uint8_t* address, uint32_t bits) {
  for (uint32_t bit = 0; bit < bits; ++bit) {
    const uint8_t mask = static_cast<uint8_t>(0x80 >> bit % 8);
    if ((prefix[bit / 8] & mask) != (address[bit / 8] & mask)) return false;
  }
  return true;
}

}  // namespace

uint32_t IdentityOf(const FakeMapIo& maps, const std::string& ip, uint32_t space) {
  const ipcache_key key = IpcacheKey(space, ip);
  if (const auto exact = Find<ipcache_value>(maps, MapId::kIpcache, key)) {
    return exact->flags & IPCACHE_UNKNOWN ? 0 : exact->identity;
  }
  std::optional<ipcache_value> best;
  uint32_t longest = 0;
  for (const auto& [k, v] : maps.content(MapId::kIpcacheLpm)) {
    const auto prefix = FromBytes<ipcache_lpm_key>(k);
    if (prefix.space != space || prefix.family != key.family) continue;
    if (!PrefixMatches(prefix.addr, key.addr, prefix.prefixlen - IPCACHE_LPM_STATIC_BITS)) continue;
    if (best.has_value() && prefix.prefixlen < longest) continue;
    longest = prefix.prefixlen;
    best = FromBytes<ipcache_value>(v);
  }
  if (!best.has_value()) return IDENTITY_WORLD;
  return best->flags & IPCACHE_UNKNOWN ? 0 : best->identity;
}

MapVerdict Judge(const FakeMapIo& maps, const JudgedFlow& flow, uint32_t space) {
  const auto endpoint = Find<endpoint_value>(maps, MapId::kEndpoints, EndpointMapKey(space, flow.local));
  if (!endpoint.has_value()) return MapVerdict::kNoEndpoint;
  const auto policy = PolicyOf(maps, endpoint->endpoint, flow.direction);
  if (!policy.has_value()) return MapVerdict::kClosed;
  const uint32_t identity = IdentityOf(maps, flow.remote, space);
  if (identity == 0) return MapVerdict::kUnknownPod;
  known_key known{};
  known.identity = identity;
  if (!Find<known_value>(maps, MapId::kKnown, known).has_value()) return MapVerdict::kUnknownIdentity;
  const uint32_t class_id = ClassOf(maps, policy->rule_set, identity);
  std::optional<policy_verdict_value> best;
  uint32_t longest = 0;
  for (const auto& [k, v] : maps.content(MapId::kPolicyVerdict)) {
    const auto key = FromBytes<policy_verdict_key>(k);
    if (key.rule_set != policy->rule_set || key.class_id != class_id) continue;
    const uint8_t have[3] = {key.protocol, key.port[0], key.port[1]};
    const uint8_t want[3] = {flow.protocol, static_cast<uint8_t>(flow.port >> 8),
                             static_cast<uint8_t>(flow.port)};
    if (!PrefixMatches(have, want, key.prefixlen - POLICY_VERDICT_STATIC_BITS)) continue;
    if (best.has_value() && key.prefixlen < longest) continue;
    longest = key.prefixlen;
    best = FromBytes<policy_verdict_value>(v);
  }
  return best.has_value() && best->action == POLICY_ALLOW ? MapVerdict::kAllow : MapVerdict::kDeny;
}

std::vector<std::string> Meaning(const FakeMapIo& maps) {
  std::vector<std::string> lines;
  // CIDR identities are named by their prefixes.
  std::map<uint32_t, std::string> names;
  for (const auto& [k, v] : maps.content(MapId::kIpcacheLpm)) {
    const auto key = FromBytes<ipcache_lpm_key>(k);
    const auto value = FromBytes<ipcache_value>(v);
    const std::string prefix = absl::StrCat(policy::CidrText(CidrOf(key)), " space ", key.space);
    if (value.identity >= IDENTITY_FIRST_LOCAL) names[value.identity] = prefix;
    lines.push_back(absl::StrCat("lpm ", prefix, " flags ", value.flags, " cluster ", value.cluster,
                                 value.identity >= IDENTITY_FIRST_LOCAL ? " cidr" : ""));
  }
  auto name_of = [&](uint32_t identity) {
    return names.contains(identity) ? names[identity] : absl::StrCat(identity);
  };
  std::set<uint32_t> known;
  for (const auto& [k, v] : maps.content(MapId::kKnown)) {
    const uint32_t identity = FromBytes<known_key>(k).identity;
    known.insert(identity);
    lines.push_back(
        absl::StrCat("known ", name_of(identity), " cluster ", FromBytes<known_value>(v).cluster));
  }
  for (const MapId map : {MapId::kIpcache, MapId::kNodes, MapId::kUnderlay, MapId::kEndpoints}) {
    for (const auto& [k, v] : maps.content(map)) {
      lines.push_back(
          absl::StrCat(MapName(map), " ", absl::BytesToHexString(k), " ", absl::BytesToHexString(v)));
    }
  }
  std::map<std::pair<uint32_t, uint32_t>, std::vector<std::string>> verdicts;  // of a rule set's class
  for (const auto& [k, v] : maps.content(MapId::kPolicyVerdict)) {
    const auto key = FromBytes<policy_verdict_key>(k);
    verdicts[{key.rule_set, key.class_id}].push_back(absl::StrCat(key.prefixlen, ":", key.protocol, ":",
                                                                  key.port[0] << 8 | key.port[1], ":",
                                                                  FromBytes<policy_verdict_value>(v).action));
  }
  for (auto& [rule_set_class, list] : verdicts) std::sort(list.begin(), list.end());
  std::map<uint32_t, std::vector<std::string>> users;
  for (const auto& [k, v] : maps.content(MapId::kEndpointPolicy)) {
    const auto key = FromBytes<endpoint_policy_key>(k);
    const uint32_t rule_set = FromBytes<endpoint_policy_value>(v).rule_set;
    users[rule_set].push_back(absl::StrCat(key.endpoint, "/", key.direction));
    for (const uint32_t identity : known) {
      lines.push_back(
          absl::StrCat("endpoint ", key.endpoint, " direction ", key.direction, " peer ", name_of(identity),
                       ": ", absl::StrJoin(verdicts[{rule_set, ClassOf(maps, rule_set, identity)}], " ")));
    }
  }
  for (auto& [rule_set, list] : users) {
    std::sort(list.begin(), list.end());
    lines.push_back(absl::StrCat("one rule set: ", absl::StrJoin(list, " ")));
  }
  // Nothing may be left of rule sets that nobody is judged by.
  std::set<uint32_t> left;
  for (const auto& [k, v] : maps.content(MapId::kPolicyClass))
    left.insert(FromBytes<policy_class_key>(k).rule_set);
  for (const auto& [k, v] : maps.content(MapId::kPolicyVerdict))
    left.insert(FromBytes<policy_verdict_key>(k).rule_set);
  for (const uint32_t rule_set : left) {
    if (!users.contains(rule_set)) lines.push_back("a rule set that nobody uses");
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace trivium
