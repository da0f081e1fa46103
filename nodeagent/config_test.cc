#include "nodeagent/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_replace.h"

namespace trivium {
namespace {

using testing::HasSubstr;

constexpr char kGood[] = R"(
cluster: aws-euw2
cluster_id: 1
node: n1
zone: eu-west-2a
address_space: 3
underlay: {device: eth0, addresses: [192.168.60.11, "2001:db8::1"]}
pod_cidrs: [10.1.1.0/24, "fd00:1:1::/64"]
inner_addresses: [10.1.1.1, "fd00:1:1::1"]
state_dir: state
socket: /run/trivium/agent.sock
pin_root: /sys/fs/bpf/trivium
overlay: {device: trivium0, port: 8473}
maps: {ipcache: 2048, policy: 4096, conntrack: 8192}
nats: {servers: ["tls://127.0.0.1:4222"], ca: ca.crt, cert: x.crt, key: x.key}
policy_audit_mode: true
log_level: debug
log_format: json
metrics: {listen: "0.0.0.0:1234"}
)";

TEST(AgentConfig, ReadsEverything) {
  const absl::StatusOr<AgentConfig> config = AgentConfig::Parse(kGood, "/etc/trivium/agent.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->cluster, "aws-euw2");
  EXPECT_EQ(config->Principal(), "aws-euw2:node:n1");
  EXPECT_EQ(config->address_space, 3u);
  ASSERT_EQ(config->underlay_addresses.size(), 2u);
  EXPECT_EQ(config->underlay_addresses[0].size(), 4u);
  EXPECT_EQ(config->underlay_addresses[1].size(), 16u);
  EXPECT_EQ(config->pod_cidrs[0].length(), 24u);
  EXPECT_EQ(config->inner_addresses.size(), 2u);
  EXPECT_EQ(config->state_dir, "/etc/trivium/state");
  EXPECT_EQ(config->overlay_port, 8473u);
  EXPECT_EQ(config->maps.policy, 4096u);
  EXPECT_EQ(config->nats.key, "/etc/trivium/x.key");
  EXPECT_TRUE(config->policy_audit_mode);
  EXPECT_EQ(config->log_level, "debug");
  EXPECT_EQ(config->log_format, "json");
  EXPECT_EQ(config->metrics.ToString(), "0.0.0.0:1234");
}

TEST(AgentConfig, MostIsOptional) {
  const absl::StatusOr<AgentConfig> config = AgentConfig::Parse(R"(
cluster: a
cluster_id: 7
node: n
underlay: {device: eth0, addresses: [10.0.0.1]}
pod_cidrs: [10.1.1.0/24]
nats: {servers: ["nats://h:1"]}
)",
                                                                "a.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->socket, "/run/trivium/agent.sock");
  EXPECT_EQ(config->metrics.ToString(), "127.0.0.1:9461");
  EXPECT_EQ(config->overlay_device, "trivium0");
  EXPECT_EQ(config->maps.ipcache, 524288u);
}

TEST(AgentConfig, ErrorsNameFileAndKey) {
  const auto refused = [](const std::string& from, const std::string& to, const std::string& key) {
    const std::string text = absl::StrReplaceAll(kGood, {{from, to}});
    ASSERT_NE(text, kGood) << from;
    const absl::StatusOr<AgentConfig> config = AgentConfig::Parse(text, "agent.yaml");
    EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << to;
    EXPECT_THAT(std::string(config.status().message()), HasSubstr("agent.yaml"));
    EXPECT_THAT(std::string(config.status().message()), HasSubstr(key));
  };
  refused("zone:", "zoen:", "zoen");
  refused("cluster: aws-euw2", "cluster: aws.euw2", "cluster");
  refused("cluster: aws-euw2", "cluster: _mesh", "cluster");
  refused("cluster_id: 1", "cluster_id: 0", "cluster_id");
  refused("node: n1", "node: 'n 1'", "node");
  refused("192.168.60.11,", "192.168.60.300,", "addresses");
  refused("device: eth0", "device: averyverylongname", "device");
  refused("10.1.1.0/24", "10.1.1.0", "pod_cidrs");
  refused("port: 8473", "port: 70000", "port");
  refused("ipcache: 2048", "ipcache: 10", "ipcache");
  refused(", key: x.key", "", "ca, cert and key");
  refused("servers: [\"tls://127.0.0.1:4222\"]", "servers: []", "servers");
}

}  // namespace
}  // namespace trivium
