#include "nodeagent/compile/keys.h"

#include <cstring>

namespace trivium {
namespace {

template <typename Key>
void SetAddress(absl::string_view ip, Key* key) {
  key->family = ip.size() == 4 ? 4 : 6;
  std::memcpy(key->addr, ip.data(), ip.size());
}

}  // namespace

bool IsAddress(absl::string_view ip) { return ip.size() == 4 || ip.size() == 16; }

ipcache_key IpcacheKey(uint32_t space, absl::string_view ip) {
  ipcache_key key{};
  key.space = space;
  SetAddress(ip, &key);
  return key;
}

ipcache_lpm_key IpcacheLpmKey(uint32_t space, const v1::Cidr& cidr) {
  ipcache_lpm_key key{};
  key.prefixlen = IPCACHE_LPM_STATIC_BITS + cidr.length();
  key.space = space;
  SetAddress(cidr.address(), &key);
  return key;
}

underlay_key UnderlayKey(absl::string_view ip) {
  underlay_key key{};
  SetAddress(ip, &key);
  return key;
}

endpoint_key EndpointMapKey(uint32_t space, absl::string_view ip) {
  endpoint_key key{};
  key.space = space;
  SetAddress(ip, &key);
  return key;
}

policy_verdict_key VerdictKey(uint32_t rule_set, uint32_t class_id, const policy::VerdictEntry& entry) {
  policy_verdict_key key{};
  key.prefixlen = POLICY_VERDICT_STATIC_BITS + entry.protocol_bits + entry.port_bits;
  key.rule_set = rule_set;
  key.class_id = class_id;
  key.protocol = entry.protocol;
  key.port[0] = static_cast<uint8_t>(entry.port >> 8);
  key.port[1] = static_cast<uint8_t>(entry.port);
  return key;
}

v1::Cidr CidrOf(const ipcache_lpm_key& key) {
  v1::Cidr cidr;
  cidr.set_address(reinterpret_cast<const char*>(key.addr), key.family == 4 ? 4 : 16);
  cidr.set_length(key.prefixlen - IPCACHE_LPM_STATIC_BITS);
  return cidr;
}

}  // namespace trivium
