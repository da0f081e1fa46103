// A small world for packet tests, written into a PacketTester's maps as the agent would. This node is node 1
// of cluster 1; node 2 of it and node 7 of cluster 2 are remote. Every pod starts with rule sets that allow
// all.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "tests/bpf/packet_tester.h"

namespace trivium {

// Pods a and b are here (endpoints 1 and 2), n on node 2 of our cluster, r in cluster 2.
inline constexpr uint32_t kIdA = 1001, kIdB = 1002, kIdN = 1003, kIdR = 2001;
inline constexpr uint32_t kIdCidr = IDENTITY_FIRST_LOCAL + 1;  // 198.51.100.0/24, 2001:db8:5::/48
inline const std::string kA4 = Ip("10.1.1.11"), kA6 = Ip("fd00:1:1::11");
inline const std::string kB4 = Ip("10.1.1.12"), kB6 = Ip("fd00:1:1::12");
inline const std::string kN4 = Ip("10.1.2.11"), kN6 = Ip("fd00:1:2::11");
inline const std::string kR4 = Ip("10.2.1.21"), kR6 = Ip("fd00:2:1::21");
inline const std::string kHost4 = Ip("10.1.1.1"), kHost6 = Ip("fd00:1:1::1");              // inner, ours
inline const std::string kRemoteHost4 = Ip("10.2.1.1"), kRemoteHost6 = Ip("fd00:2:1::1");  // inner, node 7's
inline const std::string kWorld4 = Ip("192.0.2.7"), kWorld6 = Ip("2001:db8:9::7");
inline const std::string kCidr4 = Ip("198.51.100.5"), kCidr6 = Ip("2001:db8:5::5");
inline const std::string kUnheard4 = Ip("10.2.9.9"), kUnheard6 = Ip("fd00:2:9::9");  // in cluster 2's network
inline const std::string kUnderlay2 = Ip("192.168.60.12"), kUnderlay7 = Ip("192.168.70.21");
inline const std::string kUnderlay2v6 = Ip("fd99::12"), kUnderlay7v6 = Ip("fd99:7::21");

// Rule sets by endpoint and direction.
inline constexpr uint32_t RuleSetOf(uint32_t endpoint, uint32_t direction) {
  return endpoint * 10 + direction;
}

ipcache_key IpcacheKeyOf(const std::string& ip);
endpoint_key EndpointKeyOf(const std::string& ip);
underlay_key UnderlayKeyOf(const std::string& ip);
ipcache_lpm_key PrefixKeyOf(const std::string& ip, int length);
node_value NodeOf(const std::string& ipv4, const std::string& ipv6);

// Verdict prefixes: all protocols; one protocol; one protocol and the first `bits` bits of a port.
policy_verdict_key AnyVerdict(uint32_t rule_set, uint32_t class_id = 0);
policy_verdict_key ProtocolVerdict(uint32_t rule_set, uint8_t protocol, uint32_t class_id = 0);
policy_verdict_key PortVerdict(uint32_t rule_set, uint8_t protocol, uint16_t port, int bits = 16,
                               uint32_t class_id = 0);

class World {
 public:
  explicit World(PacketTester* tester) : World(&tester->maps()) {}
  explicit World(MapIo* maps) : maps_(maps) {}

  // All of the above. The rest writes one entry each.
  absl::Status Fill();

  absl::Status Endpoint(const std::string& ip, uint32_t endpoint, uint32_t identity,
                        uint32_t ifindex = PacketTester::kIfindex);
  absl::Status Endpoint(const std::string& ip, const endpoint_value& value);
  absl::Status Address(const std::string& ip, uint32_t identity, uint32_t cluster, uint32_t node,
                       uint32_t flags = 0);
  absl::Status Prefix(const std::string& ip, int length, uint32_t identity, uint32_t cluster, uint32_t flags);
  absl::Status Node(uint32_t cluster, uint32_t node, const std::string& ipv4, const std::string& ipv6);
  absl::Status Underlay(const std::string& ip, uint32_t cluster, uint32_t node);
  absl::Status Known(uint32_t identity, uint32_t cluster);
  absl::Status NotKnown(uint32_t identity);
  // Swaps the endpoint's rule set.
  absl::Status Policy(uint32_t endpoint, uint32_t direction, uint32_t rule_set, uint32_t flags = 0);
  absl::Status Closed(uint32_t endpoint, uint32_t direction);
  absl::Status Class(uint32_t rule_set, uint32_t identity, uint32_t class_id);
  absl::Status Verdict(const policy_verdict_key& key, policy_action action, uint32_t cookie = 0);

 private:
  template <typename Key, typename Value>
  absl::Status Put(MapId map, const Key& key, const Value& value);
  template <typename Key>
  absl::Status Remove(MapId map, const Key& key);

  MapIo* const maps_;
};

}  // namespace trivium
