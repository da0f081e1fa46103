// The agent's pipeline replaces policies in the kernel's maps while packets are judged by them: no packet
// ever sees a mixture of two policies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "nodeagent/desired/pipeline.h"
#include "policy/labels.h"
#include "policy/parse.h"
#include "schema/object.h"
#include "tests/bpf/packet_case.h"

namespace trivium {
namespace {

constexpr int kReplacements = 1000;

// Pod a of this node and pod r of cluster gcp, as the agent writes them.
class PolicyReplacementTest : public testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<PacketTester>> tester = PacketTester::Create();
    ASSERT_TRUE(tester.ok()) << tester.status();
    tester_ = *std::move(tester);
    Pipeline::Options options;
    options.cluster = "aws";
    options.cluster_id = 1;
    options.node = "n1";
    // Far longer than a program runs; the rule sets that were replaced go while the test still runs.
    options.grace = absl::Milliseconds(50);
    pipeline_ = std::make_unique<Pipeline>(options, RealClock());
    ASSERT_TRUE(pipeline_->Adopt(&tester_->maps()).ok());

    v1::Object gcp;
    gcp.mutable_cluster()->set_name("gcp");
    gcp.mutable_cluster()->set_id(2);
    *gcp.mutable_cluster()->add_pod_cidrs() = *policy::ParseCidr("10.2.0.0/16");
    Tell(kMeshClusterId, v1::KIND_CLUSTER, "gcp", gcp);
    v1::Object node;
    node.mutable_node()->set_name("g7");
    node.mutable_node()->set_number(7);
    node.mutable_node()->add_addresses(kUnderlay7);
    Tell(2, v1::KIND_NODE, "g7", node);
    Identity(1, kIdA, "aws", "web");
    Identity(2, kIdR, "gcp", "client");
    Endpoint(2, Id128{2, 2}, 7, kIdR, kR4);
    Endpoint(1, Id128{1, 1}, 1, kIdA, kA4);
    Pipeline::LocalEndpoint local;
    local.uid = Id128{1, 1};
    local.number = pipeline_->NewEndpointNumber();
    local.ifindex = PacketTester::kIfindex;
    local.ips = {kA4};
    local.pod_mac = std::string("\x02\xaa\0\0\0\x01", 6);
    local.host_mac = std::string("\x02\xbb\0\0\0\x01", 6);
    pipeline_->SetLocalEndpoint(local);
  }

  void Tell(uint32_t cluster, v1::Kind kind, const std::string& key, const v1::Object& object) {
    ObjectChange change;
    change.kind = kind;
    change.key = key;
    change.after = std::make_shared<v1::Object>(object);
    change.revision = ++revision_;
    pipeline_->OnObject(cluster, change);
  }
  void Identity(uint32_t cluster, uint32_t number, const std::string& name, const std::string& app) {
    policy::PodLabels pod;
    pod.cluster = name;
    pod.ns = "shop";
    pod.namespace_labels = {{policy::kMetadataName, "shop"}};
    pod.labels = {{"app", app}};
    v1::Object object;
    object.mutable_identity()->set_id(number);
    for (const v1::Label& label : policy::IdentityLabels(pod))
      *object.mutable_identity()->add_labels() = label;
    Tell(cluster, v1::KIND_IDENTITY, std::to_string(number), object);
  }
  void Endpoint(uint32_t cluster, const Id128& uid, uint32_t node, uint32_t identity, const std::string& ip) {
    v1::Object object;
    object.mutable_endpoint()->mutable_meta()->set_uid(uid.ToBytes());
    object.mutable_endpoint()->set_node(node);
    object.mutable_endpoint()->set_identity(identity);
    object.mutable_endpoint()->add_addresses()->set_ip(ip);
    Tell(cluster, v1::KIND_ENDPOINT, uid.ToHex(), object);
  }
  // The policy on pod a, with these rules of ingress and egress.
  static v1::Object Policy(const std::string& rules) {
    policy::ParseContext context;
    context.file = "test.yaml";
    context.cluster = "aws";
    const auto parsed = policy::ParseManifests(
        "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: web, namespace: shop}\n"
        "spec:\n  endpointSelector: {matchLabels: {app: web}}\n" +
            rules,
        context);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    return parsed.ok() ? (*parsed)[0].object : v1::Object();
  }
  void Enforce(const v1::Object& policy) {
    Tell(1, v1::KIND_POLICY, "CiliumNetworkPolicy/shop/web", policy);
    const FlushReport report = pipeline_->Flush(&tester_->maps());
    if (!report.complete) ++incomplete_;
  }

  // Replaces a by b and b by a in a thread of its own, often enough and as long as it takes for many packets
  // to meet it, and calls `packet` meanwhile; how often it was called.
  template <typename Packet>
  int Hammer(const v1::Object& a, const v1::Object& b, Packet packet) {
    Enforce(a);
    std::atomic<bool> done = false;
    std::atomic<int> packets = 0;
    std::thread writer([&] {
      for (int i = 0; i < kReplacements || packets < kReplacements / 4; ++i) Enforce(i % 2 == 0 ? b : a);
      done = true;
    });
    while (!done) packet(packets++);
    writer.join();
    EXPECT_EQ(incomplete_, 0);
    return packets;
  }
  // The reason for which a packet is dropped, 0 if it passes.
  int In(const PacketSpec& packet) { return Judged(tester_->ToPod(Frame(packet), MarkOf(kIdR))); }
  int Out(const PacketSpec& packet) { return Judged(tester_->FromPod(Frame(packet))); }
  static int Judged(const absl::StatusOr<RunResult>& result) {
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->reason() : -1;
  }
  static PacketSpec New(PacketSpec packet, int n) {
    packet.source_port = static_cast<uint16_t>(1024 + n % 60000);
    return packet;
  }

  std::unique_ptr<PacketTester> tester_;
  std::unique_ptr<Pipeline> pipeline_;
  uint64_t revision_ = 0;
  std::atomic<int> incomplete_ = 0;
};

// In one, the client is the first class and its port stands alone; in the other it is the third, and its port
// is one of a range that another rule cuts.
const char kAllowOne[] = R"(
  ingress:
  - fromEndpoints: [{matchLabels: {app: client, io.cilium.k8s.policy.cluster: gcp}}]
    toPorts: [{ports: [{port: "80", protocol: TCP}]}]
  egress:
  - toEndpoints: [{matchLabels: {app: client, io.cilium.k8s.policy.cluster: gcp}}]
    toPorts: [{ports: [{port: "443", protocol: TCP}]}]
)";
const char kAllowTwo[] = R"(
  ingress:
  - fromEntities: [remote-node]
  - fromEndpoints: [{matchLabels: {app: web}}]
    toPorts: [{ports: [{port: "9000", protocol: TCP}]}]
  - fromEndpoints: [{matchExpressions: [{key: io.cilium.k8s.policy.cluster, operator: In, values: [gcp]}]}]
    toPorts: [{ports: [{port: "64", endPort: 127, protocol: TCP}]}]
  ingressDeny:
  - fromEndpoints: [{matchExpressions: [{key: io.cilium.k8s.policy.cluster, operator: In, values: [gcp]}]}]
    toPorts: [{ports: [{port: "82", protocol: TCP}]}]
  egress:
  - toEntities: [world]
  - toEndpoints: [{matchExpressions: [{key: io.cilium.k8s.policy.cluster, operator: In, values: [gcp]}]}]
)";
// Classes of one with the verdicts of the other would let the client in on port 80: in each the first class
// is another peer, and what the first class may do differs.
const char kDenyOne[] = R"(
  ingress:
  - fromEndpoints: [{matchLabels: {app: client, io.cilium.k8s.policy.cluster: gcp}}]
    toPorts: [{ports: [{port: "81", protocol: TCP}]}]
  - fromEndpoints: [{matchLabels: {app: web}}]
    toPorts: [{ports: [{port: "80", protocol: TCP}]}]
  egress:
  - toEndpoints: [{matchLabels: {app: web}}]
)";
const char kDenyTwo[] = R"(
  ingress:
  - fromEndpoints: [{matchLabels: {app: web}}]
    toPorts: [{ports: [{port: "80", protocol: TCP}]}]
  - fromEntities: [host, remote-node, world]
  egress:
  - toEntities: [host, remote-node, world]
)";

TEST_F(PolicyReplacementTest, BothAllowNothingIsDropped) {
  const PacketSpec in = From(kR4, kA4),
                   out = With(From(kA4, kR4), [](PacketSpec&p) { p.destination_port = 443; });
  const PacketSpec kept = With(in, [](PacketSpec& p) { p.source_port = 999; });
  std::map<int, int> reasons;
  Enforce(Policy(kAllowOne));
  ASSERT_EQ(In(kept), 0);
  const PacketSpec data = With(kept, [](PacketSpec& p) { p.tcp_flags = kAck; });
  const int packets = Hammer(Policy(kAllowOne), Policy(kAllowTwo), [&](int n) {
    ++reasons[In(New(in, n))];
    ++reasons[Out(New(out, n))];
    ++reasons[In(data)];
    ++reasons[Out(kept.Reply())];
  });
  EXPECT_THAT(reasons, testing::ElementsAre(testing::Pair(0, 4 * packets)));
  // The rest of the policies is what each says.
  Enforce(Policy(kAllowOne));
  EXPECT_EQ(In(With(From(kR4, kA4), [](PacketSpec& p) { p.destination_port = 90; })), DROP_POLICY_DENIED);
  Enforce(Policy(kAllowTwo));
  EXPECT_EQ(In(With(From(kR4, kA4), [](PacketSpec& p) { p.destination_port = 90; })), 0);
  EXPECT_EQ(In(With(From(kR4, kA4), [](PacketSpec& p) { p.destination_port = 82; })), DROP_POLICY_DENY_RULE);
}

TEST_F(PolicyReplacementTest, BothDenyNothingPasses) {
  const PacketSpec in = From(kR4, kA4), out = From(kA4, kR4);
  const PacketSpec kept = With(in, [](PacketSpec& p) { p.source_port = 999; });
  // A flow that was allowed once, and that both forbid.
  Enforce(Policy(kAllowOne));
  ASSERT_EQ(In(kept), 0);
  const PacketSpec data = With(kept, [](PacketSpec& p) { p.tcp_flags = kAck; });
  std::map<bool, int> passed;
  const int packets = Hammer(Policy(kDenyOne), Policy(kDenyTwo), [&](int n) {
    ++passed[In(New(in, n)) == 0];
    ++passed[Out(New(out, n)) == 0];
    ++passed[In(data) == 0];
    ++passed[Out(kept.Reply()) == 0];
  });
  EXPECT_THAT(passed, testing::ElementsAre(testing::Pair(false, 4 * packets)));
}

// Teeth: what does not replace rule sets as a whole is seen.
TEST_F(PolicyReplacementTest, AReplacementInPlaceIsSeen) {
  Enforce(Policy(kAllowOne));
  MapIo& maps = tester_->maps();
  const absl::StatusOr<MapRecords> verdicts = maps.ReadAll(MapId::kPolicyVerdict);
  ASSERT_TRUE(verdicts.ok());
  MapRecords keys = *verdicts;
  keys.value_size = 0;
  keys.values.clear();
  std::atomic<bool> seen = false;
  std::atomic<int> failures = 0;
  std::thread writer([&] {
    for (int i = 0; i < 100000 && !seen; ++i) {
      failures += !maps.Delete(MapId::kPolicyVerdict, keys).ok();
      failures += !maps.Update(MapId::kPolicyVerdict, *verdicts).ok();
    }
    seen = true;
  });
  int dropped = 0;
  for (int n = 0; !seen; ++n) {
    dropped += In(New(From(kR4, kA4), n)) != 0;
    if (dropped > 0) seen = true;
  }
  writer.join();
  EXPECT_EQ(failures, 0);
  EXPECT_GT(dropped, 0);
}

}  // namespace
}  // namespace trivium
