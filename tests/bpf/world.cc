#include "tests/bpf/world.h"

#include "base/status.h"

namespace trivium {
namespace {

template <typename Key>
Key AddressKey(const std::string& ip) {
  Key key = {};
  key.family = ip.size() == 4 ? 4 : 6;
  std::memcpy(key.addr, ip.data(), ip.size());
  return key;
}

template <typename T>
absl::string_view Bytes(const T& value) {
  return absl::string_view(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace

template <typename Key, typename Value>
absl::Status World::Put(MapId map, const Key& key, const Value& value) {
  MapRecords records = {.key_size = sizeof(Key), .value_size = sizeof(Value)};
  records.Add(Bytes(key), Bytes(value));
  return maps_->Update(map, records).status;
}

template <typename Key>
absl::Status World::Remove(MapId map, const Key& key) {
  MapRecords keys = {.key_size = sizeof(Key)};
  keys.Add(Bytes(key));
  return maps_->Delete(map, keys).status;
}

ipcache_key IpcacheKeyOf(const std::string& ip) { return AddressKey<ipcache_key>(ip); }
endpoint_key EndpointKeyOf(const std::string& ip) { return AddressKey<endpoint_key>(ip); }
underlay_key UnderlayKeyOf(const std::string& ip) { return AddressKey<underlay_key>(ip); }
ipcache_lpm_key PrefixKeyOf(const std::string& ip, int length) {
  ipcache_lpm_key key = AddressKey<ipcache_lpm_key>(ip);
  key.prefixlen = IPCACHE_LPM_STATIC_BITS + length;
  return key;
}
node_value NodeOf(const std::string& ipv4, const std::string& ipv6) {
  node_value value = {};
  std::memcpy(value.underlay4, ipv4.data(), ipv4.size());
  std::memcpy(value.underlay6, ipv6.data(), ipv6.size());
  return value;
}

policy_verdict_key AnyVerdict(uint32_t rule_set, uint32_t class_id) {
  return {.prefixlen = POLICY_VERDICT_STATIC_BITS, .rule_set = rule_set, .class_id = class_id};
}
policy_verdict_key ProtocolVerdict(uint32_t rule_set, uint8_t protocol, uint32_t class_id) {
  policy_verdict_key key = AnyVerdict(rule_set, class_id);
  key.prefixlen += 8;
  key.protocol = protocol;
  return key;
}
policy_verdict_key PortVerdict(uint32_t rule_set, uint8_t protocol, uint16_t port, int bits,
                               uint32_t class_id) {
  policy_verdict_key key = ProtocolVerdict(rule_set, protocol, class_id);
  key.prefixlen += bits;
  key.port[0] = static_cast<uint8_t>(port >> 8);
  key.port[1] = static_cast<uint8_t>(port);
  return key;
}

absl::Status World::Endpoint(const std::string& ip, uint32_t endpoint, uint32_t identity, uint32_t ifindex) {
  endpoint_value value = {.endpoint = endpoint, .ifindex = ifindex, .identity = identity};
  const uint8_t pod[6] = {0x02, 0xaa, 0, 0, 0, static_cast<uint8_t>(endpoint)};
  const uint8_t host[6] = {0x02, 0xbb, 0, 0, 0, static_cast<uint8_t>(endpoint)};
  std::memcpy(value.pod_mac, pod, 6);
  std::memcpy(value.host_mac, host, 6);
  return Endpoint(ip, value);
}
absl::Status World::Endpoint(const std::string& ip, const endpoint_value& value) {
  return Put(MapId::kEndpoints, EndpointKeyOf(ip), value);
}
absl::Status World::Underlay(const std::string& ip, uint32_t cluster, uint32_t node) {
  return Put(MapId::kUnderlay, UnderlayKeyOf(ip), underlay_value{cluster, node});
}
absl::Status World::Address(const std::string& ip, uint32_t identity, uint32_t cluster, uint32_t node,
                            uint32_t flags) {
  return Put(MapId::kIpcache, IpcacheKeyOf(ip),
             ipcache_value{.identity = identity, .cluster = cluster, .node = node, .flags = flags});
}
absl::Status World::Prefix(const std::string& ip, int length, uint32_t identity, uint32_t cluster,
                           uint32_t flags) {
  return Put(MapId::kIpcacheLpm, PrefixKeyOf(ip, length),
             ipcache_value{.identity = identity, .cluster = cluster, .node = 0, .flags = flags});
}
absl::Status World::Node(uint32_t cluster, uint32_t node, const std::string& ipv4, const std::string& ipv6) {
  return Put(MapId::kNodes, node_key{cluster, node}, NodeOf(ipv4, ipv6));
}
absl::Status World::Known(uint32_t identity, uint32_t cluster) {
  return Put(MapId::kKnown, known_key{identity}, known_value{cluster});
}
absl::Status World::NotKnown(uint32_t identity) { return Remove(MapId::kKnown, known_key{identity}); }
absl::Status World::Policy(uint32_t endpoint, uint32_t direction, uint32_t rule_set, uint32_t flags) {
  return Put(MapId::kEndpointPolicy, endpoint_policy_key{endpoint, direction},
             endpoint_policy_value{rule_set, flags});
}
absl::Status World::Closed(uint32_t endpoint, uint32_t direction) {
  return Remove(MapId::kEndpointPolicy, endpoint_policy_key{endpoint, direction});
}
absl::Status World::Class(uint32_t rule_set, uint32_t identity, uint32_t class_id) {
  return Put(MapId::kPolicyClass, policy_class_key{rule_set, identity}, policy_class_value{class_id});
}
absl::Status World::Verdict(const policy_verdict_key& key, policy_action action, uint32_t cookie) {
  policy_verdict_value value = {.action = static_cast<uint8_t>(action), .cookie = cookie};
  return Put(MapId::kPolicyVerdict, key, value);
}

absl::Status World::Fill() {
  for (const auto& [identity, cluster] :
       std::initializer_list<std::pair<uint32_t, uint32_t>>{{IDENTITY_HOST, 0},
                                                            {IDENTITY_WORLD, 0},
                                                            {IDENTITY_INIT, 0},
                                                            {IDENTITY_REMOTE_NODE, 0},
                                                            {kIdCidr, 0},
                                                            {kIdA, 1},
                                                            {kIdB, 1},
                                                            {kIdN, 1},
                                                            {kIdR, 2}}) {
    TRIVIUM_RETURN_IF_ERROR(Known(identity, cluster));
  }
  for (const uint32_t endpoint : {1u, 2u}) {
    for (const uint32_t direction : {DIRECTION_INGRESS, DIRECTION_EGRESS}) {
      TRIVIUM_RETURN_IF_ERROR(Policy(endpoint, direction, RuleSetOf(endpoint, direction)));
      TRIVIUM_RETURN_IF_ERROR(Verdict(AnyVerdict(RuleSetOf(endpoint, direction)), POLICY_ALLOW, 7));
    }
  }
  for (const auto& [ip, endpoint, identity] : {std::tuple(kA4, 1u, kIdA), std::tuple(kA6, 1u, kIdA),
                                               std::tuple(kB4, 2u, kIdB), std::tuple(kB6, 2u, kIdB)}) {
    TRIVIUM_RETURN_IF_ERROR(Endpoint(ip, endpoint, identity));
    TRIVIUM_RETURN_IF_ERROR(Address(ip, identity, 1, 1));
  }
  for (const std::string& ip : {kN4, kN6}) TRIVIUM_RETURN_IF_ERROR(Address(ip, kIdN, 1, 2));
  for (const std::string& ip : {kR4, kR6}) TRIVIUM_RETURN_IF_ERROR(Address(ip, kIdR, 2, 7));
  for (const std::string& ip : {kHost4, kHost6}) {
    TRIVIUM_RETURN_IF_ERROR(Address(ip, IDENTITY_HOST, 1, 1, IPCACHE_NODE));
  }
  for (const std::string& ip : {kRemoteHost4, kRemoteHost6, kUnderlay7, kUnderlay7v6}) {
    TRIVIUM_RETURN_IF_ERROR(Address(ip, IDENTITY_REMOTE_NODE, 2, 7, IPCACHE_NODE));
  }
  TRIVIUM_RETURN_IF_ERROR(Prefix(Ip("10.1.0.0"), 16, 0, 1, IPCACHE_UNKNOWN));
  TRIVIUM_RETURN_IF_ERROR(Prefix(Ip("10.2.0.0"), 16, 0, 2, IPCACHE_UNKNOWN));
  TRIVIUM_RETURN_IF_ERROR(Prefix(Ip("fd00:1::"), 32, 0, 1, IPCACHE_UNKNOWN));
  TRIVIUM_RETURN_IF_ERROR(Prefix(Ip("fd00:2::"), 32, 0, 2, IPCACHE_UNKNOWN));
  TRIVIUM_RETURN_IF_ERROR(Prefix(Ip("198.51.100.0"), 24, kIdCidr, 0, 0));
  TRIVIUM_RETURN_IF_ERROR(Prefix(Ip("2001:db8:5::"), 48, kIdCidr, 0, 0));
  TRIVIUM_RETURN_IF_ERROR(Node(1, 2, kUnderlay2, kUnderlay2v6));
  TRIVIUM_RETURN_IF_ERROR(Node(2, 7, kUnderlay7, kUnderlay7v6));
  for (const std::string& ip : {kUnderlay2, kUnderlay2v6}) {
    TRIVIUM_RETURN_IF_ERROR(Underlay(ip, 1, 2));
  }
  for (const std::string& ip : {kUnderlay7, kUnderlay7v6}) {
    TRIVIUM_RETURN_IF_ERROR(Underlay(ip, 2, 7));
  }
  return absl::OkStatus();
}

}  // namespace trivium
