#include "cli/mesh/mesh_init.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_replace.h"
#include "cli/mesh/mesh_spec.h"
#include "cli/mesh/nats_config.h"
#include "cli/mesh/pki.h"

namespace trivium::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kSpec[] = R"(
mesh: demo
regions: [{name: eu, home: 1}]
sql: {hosts: ["127.0.0.1:5432"]}
clusters:
- name: aws
  id: 1
  region: eu
  pod_cidrs: [10.1.0.0/16]
  nats:
    hubs: [{host: 127.0.0.1, port: 4222, cluster_port: 4223, gateway_port: 4224}]
    edges: [{host: 127.0.0.1, port: 4232, cluster_port: 4233, gateway_port: 4234, monitor_port: 8222}]
  control_planes: [aws-cp1]
  nodes:
  - {name: n1, underlay: {device: eth0, addresses: [192.168.60.11]}, pod_cidrs: [10.1.1.0/24]}
  operators: [admin]
)";

class MeshInitTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("trivium-mesh-init-" + std::to_string(getpid()));
    ASSERT_TRUE(RealFiles()->MakeFolders(folder_).ok());
    ASSERT_TRUE(RealFiles()->WriteAtomically(folder_ + "/mesh.yaml", kSpec).ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  absl::StatusOr<MeshInitResult> Init() {
    return MeshInit({folder_ + "/mesh.yaml", folder_ + "/out", RealFiles(), RealClock()});
  }
  std::string Read(const std::string& name) { return *RealFiles()->Read(folder_ + "/out/" + name); }

  std::string folder_;
};

TEST_F(MeshInitTest, MakesEverythingAndKeepsItTheSecondTime) {
  const auto first = Init();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->certificates_made, 10);  // 2 servers with two each, 3 principals, 3 for SQL
  EXPECT_THAT(first->contexts, ElementsAre("aws"));
  const std::string ca = Read("ca.crt"), key = Read("aws-node-n1.key");
  const auto perms = std::filesystem::status(folder_ + "/out/ca.key").permissions();
  EXPECT_EQ(perms & std::filesystem::perms::group_read, std::filesystem::perms::none);
  const auto second = Init();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->certificates_made, 0);
  EXPECT_EQ(Read("ca.crt"), ca);
  EXPECT_EQ(Read("aws-node-n1.key"), key);
}

TEST_F(MeshInitTest, AgentsListEdgesAndControlPlanesHubs) {
  ASSERT_TRUE(Init().ok());
  EXPECT_THAT(Read("agent/aws-n1.yaml"), HasSubstr("tls://127.0.0.1:4232"));
  EXPECT_THAT(Read("agent/aws-n1.yaml"), Not(HasSubstr("4222")));
  EXPECT_THAT(Read("controlplane/aws-cp1.yaml"), HasSubstr("tls://127.0.0.1:4222"));
}

TEST_F(MeshInitTest, MakesWhatIsNewAndRenewsWhatIsWrong) {
  ASSERT_TRUE(Init().ok());
  const std::string n1 = Read("aws-node-n1.crt"), hub = Read("nats/aws-hub1.crt"), ca = Read("ca.crt");
  std::string spec = kSpec;
  const std::string node =
      "  - {name: n1, underlay: {device: eth0, addresses: [192.168.60.11]}, pod_cidrs: [10.1.1.0/24]}\n";
  ASSERT_NE(spec.find(node), std::string::npos);
  std::string second = node;
  second.replace(second.find("n1"), 2, "n2");
  spec.insert(spec.find(node), second);
  spec.replace(spec.find("127.0.0.1, port: 4222"), 9, "127.0.0.9");
  ASSERT_TRUE(RealFiles()->WriteAtomically(folder_ + "/mesh.yaml", spec).ok());
  const auto again = Init();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->certificates_made, 3);  // the node's, and the hub's two for its new address
  EXPECT_EQ(Read("aws-node-n1.crt"), n1);
  EXPECT_EQ(Read("ca.crt"), ca);
  EXPECT_NE(Read("nats/aws-hub1.crt"), hub);
  // Somebody else's certificate under a principal's name is replaced.
  ASSERT_TRUE(RealFiles()->WriteAtomically(folder_ + "/out/aws-node-n1.crt", Read("aws-node-n2.crt")).ok());
  ASSERT_TRUE(RealFiles()->WriteAtomically(folder_ + "/out/aws-node-n1.key", Read("aws-node-n2.key")).ok());
  EXPECT_EQ(Init()->certificates_made, 1);
}

TEST_F(MeshInitTest, RenewsAMonthBeforeTheEnd) {
  class Later final : public Clock {
   public:
    explicit Later(absl::Duration by) : by_(by) {}
    absl::Time Now() const override { return absl::Now() + by_; }
    absl::Duration Monotonic() const override { return by_; }

   private:
    const absl::Duration by_;
  };
  ASSERT_TRUE(Init().ok());
  Later soon(absl::Hours(24 * 330)), late(absl::Hours(24 * 340));
  MeshInitOptions options{folder_ + "/mesh.yaml", folder_ + "/out", RealFiles(), &soon};
  EXPECT_EQ(MeshInit(options)->certificates_made, 0);
  options.clock = &late;
  EXPECT_EQ(MeshInit(options)->certificates_made, 10);
}

TEST_F(MeshInitTest, HalfAnAuthorityIsRefused) {
  ASSERT_TRUE(Init().ok());
  ASSERT_TRUE(RealFiles()->Remove(folder_ + "/out/ca.key").ok());
  EXPECT_THAT(std::string(Init().status().message()), HasSubstr("only one of ca.crt and ca.key"));
}

TEST_F(MeshInitTest, SaysHowDaemonsAreWatchedIfTheSpecDoes) {
  ASSERT_TRUE(Init().ok());
  EXPECT_THAT(Read("controlplane/aws-cp1.yaml"), Not(HasSubstr("metrics")));
  ASSERT_TRUE(RealFiles()
                  ->WriteAtomically(folder_ + "/mesh.yaml",
                                    std::string(kSpec) +
                                        "log_format: json\n"
                                        "metrics: {controlplane: \"127.0.0.1:0\", agent: off}\n")
                  .ok());
  ASSERT_TRUE(Init().ok());
  EXPECT_THAT(Read("controlplane/aws-cp1.yaml"), HasSubstr("metrics:\n  listen: 127.0.0.1:0\n"));
  EXPECT_THAT(Read("controlplane/aws-cp1.yaml"), HasSubstr("log_format: json"));
  EXPECT_THAT(Read("agent/aws-n1.yaml"), HasSubstr("metrics:\n  listen: off\n"));
}

TEST(NatsConfig, ANodeMayActForItselfAlone) {
  const auto mesh = ParseMeshSpec(kSpec, "mesh.yaml");
  ASSERT_TRUE(mesh.ok()) << mesh.status();
  const ClusterSpec& aws = mesh->clusters[0];
  const std::string config = NatsServerConfig(*mesh, aws, aws.edges[0], "/etc/trivium");
  EXPECT_THAT(config, HasSubstr("verify_and_map: true"));
  EXPECT_THAT(config,
              HasSubstr("{user: \"trivium:aws:node:n1\", permissions: {\n"
                        "        publish: {allow: [\"trivium.v1.rpc.*.aws:node:n1.sync\", "
                        "\"trivium.v1.rpc._chunk.*.aws:node:n1\", \"trivium.v1.rpc.aws.aws:node:n1.api.*\", "
                        "\"trivium.v1.agent.aws.n1.status\", \"trivium.v1.flow.aws.n1\"]}\n"
                        "        subscribe: {allow: [\"trivium.v1.feed.*\", \"_INBOX.aws:node:n1.>\"]}}}"));
  EXPECT_THAT(config, HasSubstr("reject_unknown_cluster: true"));
  EXPECT_THAT(config, Not(HasSubstr("aws:cp:")));
  EXPECT_THAT(NatsServerConfig(*mesh, aws, aws.hubs[0], "/etc/trivium"), Not(HasSubstr("aws:node:")));
}

// aws and gcp, whose control plane serves both.
std::string SharedSpec() {
  std::string text = kSpec;
  const std::string cluster = text.substr(text.find("- name: aws"));
  return text + absl::StrReplaceAll(cluster, {{"name: aws", "name: gcp"},
                                              {"id: 1", "id: 2"},
                                              {"10.1.", "10.2."},
                                              {"127.0.0.1", "127.0.0.2"}});
}

TEST(NatsConfig, AControlPlaneOfSeveralClustersIsOneUserWithTheRightsOfEach) {
  const auto mesh = ParseMeshSpec(SharedSpec(), "mesh.yaml");
  ASSERT_TRUE(mesh.ok()) << mesh.status();
  const ClusterSpec& aws = mesh->clusters[0];
  const ClusterSpec& gcp = mesh->clusters[1];
  const std::string config = NatsServerConfig(*mesh, aws, aws.hubs[0], "/etc/trivium");
  EXPECT_THAT(config, HasSubstr("{user: \"trivium:aws:cp:aws-cp1\""));
  for (const char* right :
       {"\"trivium.v1.feed.aws\"", "\"trivium.v1.feed.gcp\"", "\"trivium.v1.rpc.aws.aws:cp:aws-cp1.api.*\"",
        "\"trivium.v1.rpc.gcp.gcp:cp:aws-cp1.api.*\"", "\"trivium.v1.rpc.gcp.*.api.*\"",
        "\"trivium.v1.agent.gcp.*.status\""}) {
    EXPECT_THAT(config, HasSubstr(right));
  }
  EXPECT_THAT(NatsServerConfig(*mesh, gcp, gcp.hubs[0], "/etc/trivium"), Not(HasSubstr(":cp:")))
      << "it connects to the first cluster's servers alone";
}

TEST_F(MeshInitTest, AControlPlaneOfSeveralClustersHasOneFile) {
  ASSERT_TRUE(RealFiles()->WriteAtomically(folder_ + "/mesh.yaml", SharedSpec()).ok());
  const auto made = Init();
  ASSERT_TRUE(made.ok()) << made.status();
  const std::string config = Read("controlplane/aws-cp1.yaml");
  EXPECT_THAT(config, HasSubstr("clusters:\n  - cluster: aws\n"));
  EXPECT_THAT(config, HasSubstr("  - cluster: gcp\n    cluster_id: 2\n"));
  EXPECT_THAT(config, HasSubstr("aws-cp-aws-cp1.crt"));
  EXPECT_FALSE(RealFiles()->Read(folder_ + "/out/gcp-cp-aws-cp1.crt").ok());
}

TEST(MeshSpec, ErrorsNameTheLineAndTheKey) {
  auto error = [](const std::string& from, const std::string& to) {
    std::string text = kSpec;
    text.replace(text.find(from), from.size(), to);
    return std::string(ParseMeshSpec(text, "mesh.yaml").status().message());
  };
  EXPECT_THAT(error("mesh: demo", "mesh: demo\nmetrics: {agent: everywhere}"), HasSubstr("metrics.agent"));
  EXPECT_THAT(error("region: eu\n", "region: us\n"),
              HasSubstr("mesh.yaml:8: clusters[0].region \"us\" is not among"));
  EXPECT_THAT(error("name: n1", "name: n.1"), HasSubstr("nodes[0].name \"n.1\""));
  EXPECT_THAT(error("port: 4222", "port: 99999"), HasSubstr("port must be a number from 1 to 65535"));
  EXPECT_THAT(error("operators:", "oprators:"), HasSubstr("unknown key clusters[0].oprators"));
  EXPECT_THAT(error("127.0.0.1:5432", "localhost"), HasSubstr("want HOST:PORT"));
  EXPECT_THAT(error("[aws-cp1]", "[aws-cp1, aws-cp1]"), HasSubstr("holds \"aws-cp1\" twice"));
}

constexpr char kEvents[] = R"(
  events:
    host: 127.0.0.1
    port: 4300
    store_dir: /var/lib/trivium-events
    mesh: true
    relays: [aws-relay1]
    subscribers:
    - {name: audit}
    - {name: dns, kinds: [endpoint]}
    - {name: audit, cluster: _mesh}
)";

TEST_F(MeshInitTest, AClustersEventsHaveAServerRelaysAndSubscribers) {
  ASSERT_TRUE(RealFiles()->WriteAtomically(folder_ + "/mesh.yaml", std::string(kSpec) + kEvents).ok());
  const auto made = Init();
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->certificates_made, 14);  // the server, a relay, two subscribers
  const std::string server = Read("nats/aws-events.conf");
  EXPECT_THAT(server, HasSubstr("jetstream {\n  store_dir: \"/var/lib/trivium-events\""));
  EXPECT_THAT(server, Not(HasSubstr("cluster {")));
  EXPECT_THAT(server, Not(HasSubstr("gateway {")));
  EXPECT_THAT(server,
              HasSubstr("publish: {allow: [\"$JS.API.CONSUMER.MSG.NEXT.TRIVIUM-EV-aws.dns:endpoint\", "
                        "\"$JS.API.CONSUMER.MSG.NEXT.TRIVIUM-EV-aws.dns:_log\", "
                        "\"$JS.ACK.TRIVIUM-EV-aws.dns:endpoint.>\", "
                        "\"$JS.ACK.TRIVIUM-EV-aws.dns:_log.>\"]}"));
  const std::string relay = Read("relay/aws-relay1.yaml");
  EXPECT_THAT(relay, HasSubstr("- cluster: aws\n    cluster_id: 1\n    home: 1\n  - cluster: _mesh\n"));
  EXPECT_THAT(relay, HasSubstr("aws-relay-aws-relay1.crt"));
  const std::string dns = Read("subscriber/aws-dns.yaml");
  EXPECT_THAT(dns, HasSubstr("consumer: dns:endpoint"));
  EXPECT_THAT(dns, HasSubstr("consumer: dns:_log"));
  EXPECT_THAT(Read("subscriber/aws-audit.yaml"), HasSubstr("stream: TRIVIUM-EV-_mesh"));
  // Neither has any business on the servers of the mesh.
  for (const char* other : {"nats/aws-hub1.conf", "nats/aws-edge1.conf"}) {
    EXPECT_THAT(Read(other), Not(HasSubstr(":sub:")));
    EXPECT_THAT(Read(other), Not(HasSubstr(":relay:")));
  }
}

TEST(MeshSpec, ErrorsInEventsNameTheLineAndTheKey) {
  auto error = [](const std::string& from, const std::string& to) {
    std::string text = std::string(kSpec) + kEvents;
    text.replace(text.find(from), from.size(), to);
    return std::string(ParseMeshSpec(text, "mesh.yaml").status().message());
  };
  EXPECT_THAT(error("kinds: [endpoint]", "kinds: [pod]"), HasSubstr("there are: region, cluster"));
  EXPECT_THAT(error("cluster: _mesh", "cluster: gcp"), HasSubstr("holds the events of aws and _mesh"));
  EXPECT_THAT(error("mesh: true", "mesh: false"), HasSubstr("holds the events of aws"));
  EXPECT_THAT(error("mesh: true", "mesh: perhaps"), HasSubstr("want true or false"));
  EXPECT_THAT(error("name: dns", "name: audit"), HasSubstr("\"audit\" is there twice"));
  EXPECT_THAT(error("name: dns", "name: \"d:s\""), HasSubstr("d:s"));
  EXPECT_THAT(error("relays: [aws-relay1]", "max_bytes: 10000000000\n    relays: [r]"),
              HasSubstr("max_store_bytes"));
  EXPECT_THAT(error("store_dir:", "stores:"), HasSubstr("events.stores"));
}

TEST(Pki, AForeignKeyDoesNotMakeAnAuthority) {
  const auto one = CertificateAuthority::Create("one", RealClock()->Now(), absl::Hours(1));
  const auto two = CertificateAuthority::Create("two", RealClock()->Now(), absl::Hours(1));
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_TRUE(CertificateAuthority::Load(one->pem()).ok());
  EXPECT_FALSE(CertificateAuthority::Load({one->pem().certificate, two->pem().key}).ok());
  EXPECT_FALSE(CertificateAuthority::Load({"rubbish", "rubbish"}).ok());
}

}  // namespace
}  // namespace trivium::cli
