#include "cli/describe_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/labels.h"
#include "policy/parse.h"

namespace trivium::cli {
namespace {

using ::testing::HasSubstr;

v1::Identity WebIdentity() {
  policy::PodLabels pod;
  pod.cluster = "aws";
  pod.ns = "shop";
  pod.labels = {{"app", "web"}};
  v1::Identity identity;
  identity.set_id(300);
  for (const v1::Label& label : policy::IdentityLabels(pod)) *identity.add_labels() = label;
  v1::NamedPort* port = identity.add_named_ports();
  port->set_name("http");
  port->set_port(8080);
  port->set_protocol(v1::PROTOCOL_TCP);
  return identity;
}

constexpr char kManifest[] = R"(apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop, labels: {team: red}}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress: [{fromEntities: [world], toPorts: [{ports: [{port: "443", protocol: TCP}]}]}]
  ingressDeny: [{fromCIDRSet: [{cidrGroupRef: partners}]}]
)";

v1::GetResult::Item Item(v1::Object object, uint64_t revision = 7) {
  v1::GetResult::Item item;
  *item.mutable_object()->mutable_object() = std::move(object);
  item.mutable_object()->set_revision(revision);
  return item;
}

v1::Policy WebPolicy() {
  const auto parsed = policy::ParseManifests(kManifest, policy::ParseContext{"web.yaml", "aws", "default"});
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  v1::Policy policy = parsed->front().object.policy();
  policy.mutable_meta()->set_uid(std::string(16, '\x11'));
  policy.mutable_meta()->set_generation(3);
  return policy;
}

Surroundings Around() {
  Surroundings around;
  around.cluster = "aws";
  around.now = absl::FromUnixSeconds(1000);
  around.nodes = {{1, "n1"}};
  around.identities = {{300, WebIdentity()}};
  v1::Endpoint& endpoint = around.endpoints.emplace_back();
  endpoint.set_namespace_("shop");
  endpoint.set_name("web-0");
  endpoint.set_node(1);
  endpoint.set_identity(300);
  endpoint.add_addresses()->set_ip(std::string("\x0a\x01\x00\x05", 4));
  around.policies = {WebPolicy()};
  v1::ClusterStatus& cluster = *around.status.add_clusters();
  cluster.mutable_head()->set_cluster("aws");
  cluster.mutable_head()->set_revision(9);
  v1::AgentStatus& agent = *cluster.add_agents();
  agent.set_node("n1");
  agent.set_version("0.1.0");
  agent.set_time_ms(998'000);
  agent.set_start_ms(398'000);
  agent.set_endpoints(1);
  v1::AppliedCluster& applied = *agent.add_applied();
  applied.set_cluster("aws");
  applied.set_received(9);
  applied.set_enforced(8);
  v1::MapFill& map = *agent.add_maps();
  map.set_name("ipcache");
  map.set_entries(50);
  map.set_capacity(200);
  v1::NotEnforcedPolicy& missing = *agent.add_not_enforced();
  missing.set_kind("CiliumNetworkPolicy");
  missing.set_namespace_("shop");
  missing.set_name("web");
  missing.set_reason("policy map full");
  missing.set_since_ms(940'000);
  return around;
}

std::string Describe(const std::string& kind, const v1::GetResult::Item& item,
                     const Surroundings& around = Around()) {
  const auto text = DescribeText(**FindKind(kind), item, around, Style());
  return text.ok() ? *text : std::string(text.status().message());
}

TEST(DescribeTextTest, APolicySaysWhomItSelectsWhatItAllowsAndWhoDoesNotEnforceIt) {
  v1::Object object;
  *object.mutable_policy() = WebPolicy();
  v1::GetResult::Item item = Item(object);
  item.set_manifest(kManifest);
  EXPECT_EQ(Describe("cnp", item),
            "Kind:             CiliumNetworkPolicy\n"
            "Name:             web\n"
            "Namespace:        shop\n"
            "Cluster:          aws\n"
            "Labels:           team=red\n"
            "UID:              11111111-1111-1111-1111-111111111111\n"
            "Generation:       3\n"
            "Revision:         7\n"
            "Selects:          app=web\n"
            "Ingress:          closed: what no rule allows is denied\n"
            "                  spec.ingress[0]: allow from entity world; TCP/443\n"
            "                  spec.ingressDeny[0]: deny from CIDR group partners; every port\n"
            "Egress:           left open by this policy\n"
            "Endpoints:        shop/web-0 on n1\n"
            "Not enforced:     n1, for 60s: policy map full\n");
  Surroundings well = Around();
  well.status.mutable_clusters(0)->mutable_agents(0)->clear_not_enforced();
  EXPECT_THAT(Describe("cnp", item, well), HasSubstr("Not enforced:     by none of 1 agents\n"));
}

TEST(DescribeTextTest, AnEndpointNamesThePoliciesThatSelectIt) {
  v1::Object object;
  *object.mutable_endpoint() = Around().endpoints[0];
  EXPECT_EQ(Describe("pod", Item(object)),
            "Kind:             Endpoint\n"
            "Name:             web-0\n"
            "Namespace:        shop\n"
            "Cluster:          aws\n"
            "UID:              <none>\n"
            "Generation:       0\n"
            "Revision:         7\n"
            "Node:             n1\n"
            "Addresses:        10.1.0.5\n"
            "Identity:         300\n"
            "Labels:           app=web\n"
            "Service account:  default\n"
            "Named ports:      http = 8080/TCP\n"
            "Policies:         CiliumNetworkPolicy shop/web (ingress)\n");
}

TEST(DescribeTextTest, ANodeShowsItsAgent) {
  v1::Object object;
  v1::Node& node = *object.mutable_node();
  node.set_name("n1");
  node.set_number(1);
  node.add_addresses(std::string("\xc0\xa8\x00\x01", 4));
  const std::string text = Describe("node", Item(object));
  EXPECT_THAT(text, HasSubstr("Agent:            0.1.0, heard of 2s ago, running for 10m\n"));
  EXPECT_THAT(text, HasSubstr("  aws       9          8          9      <none>\n"));
  EXPECT_THAT(text, HasSubstr("  ipcache   50        200        25%\n"));
  EXPECT_THAT(text, HasSubstr("Not enforced:     CiliumNetworkPolicy shop/web: policy map full\n"));
  node.set_name("n2");
  EXPECT_THAT(Describe("node", Item(object)), HasSubstr("never heard of by this control plane"));
}

TEST(DescribeTextTest, TheRest) {
  v1::Object object;
  *object.mutable_identity() = WebIdentity();
  EXPECT_THAT(Describe("id", Item(object)), HasSubstr("Endpoints:        shop/web-0 on n1\n"));
  object.mutable_namespace_()->set_name("shop");
  EXPECT_THAT(Describe("ns", Item(object)), HasSubstr("Policies:         CiliumNetworkPolicy shop/web\n"));
  object.mutable_cidr_group()->set_name("partners");
  EXPECT_THAT(Describe("ccg", Item(object)), HasSubstr("Used by:          CiliumNetworkPolicy shop/web\n"));
  object.mutable_cidr_group()->set_name("others");
  EXPECT_THAT(Describe("ccg", Item(object)), HasSubstr("Used by:          <none>\n"));
  object.mutable_cluster()->set_name("aws");
  EXPECT_THAT(Describe("cluster", Item(object)), HasSubstr("Head:             epoch 0, revision 9\n"));
  object.mutable_region()->set_name("eu");
  Surroundings around = Around();
  v1::Cluster& cluster = around.clusters.emplace_back();
  cluster.set_name("aws");
  cluster.set_region("eu");
  EXPECT_THAT(Describe("region", Item(object), around), HasSubstr("Clusters:         aws\n"));
  object.mutable_liveness()->set_cluster("gcp");
  EXPECT_THAT(Describe("liveness", Item(object)), HasSubstr("State:            down\n"));
}

TEST(DescribeTextTest, LongListsAreCut) {
  Surroundings around = Around();
  for (int i = 0; i < 30; ++i) around.endpoints.push_back(around.endpoints[0]);
  v1::Object object;
  *object.mutable_identity() = WebIdentity();
  EXPECT_THAT(Describe("id", Item(object), around), HasSubstr("... and 11 more\n"));
}

}  // namespace
}  // namespace trivium::cli
