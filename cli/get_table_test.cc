#include "cli/get_table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/table.h"
#include "cli/text.h"

namespace trivium::cli {
namespace {

void Require(v1::Selector* selector, const std::string& key, v1::Requirement::Operator op,
             const std::vector<std::string>& values) {
  v1::Requirement* requirement = selector->add_requirements();
  requirement->set_key(key);
  requirement->set_operator_(op);
  for (const std::string& value : values) requirement->add_values(value);
}

v1::GetResult::Item Policy(const std::string& ns, const std::string& name, const std::string& app) {
  v1::GetResult::Item item;
  item.mutable_object()->set_revision(17);
  v1::Policy& policy = *item.mutable_object()->mutable_object()->mutable_policy();
  policy.mutable_meta()->set_uid(std::string(16, '\x11'));
  policy.mutable_meta()->set_generation(2);
  policy.set_kind("NetworkPolicy");
  policy.set_namespace_(ns);
  policy.set_name(name);
  v1::PolicyBlock& block = *policy.add_blocks();
  block.set_default_deny_ingress(true);
  block.add_rules();
  Require(block.mutable_subject(), "k8s:io.kubernetes.pod.namespace", v1::Requirement::IN, {ns});
  Require(block.mutable_subject(), "k8s:io.cilium.k8s.policy.cluster", v1::Requirement::IN, {"aws"});
  if (!app.empty()) Require(block.mutable_subject(), "k8s:app", v1::Requirement::IN, {app});
  return item;
}

v1::GetResult::Item Endpoint(const std::string& name, uint32_t node, uint32_t identity) {
  v1::GetResult::Item item;
  item.mutable_object()->set_revision(9);
  v1::Endpoint& endpoint = *item.mutable_object()->mutable_object()->mutable_endpoint();
  endpoint.mutable_meta()->set_uid(std::string(16, '\x22'));
  endpoint.set_namespace_("shop");
  endpoint.set_name(name);
  endpoint.set_node(node);
  endpoint.set_identity(identity);
  endpoint.add_addresses()->set_ip(std::string("\x0a\x01\x01\x05", 4));
  endpoint.add_addresses()->set_ip(std::string("\xfd\x00\x00\x01\x00\x01\0\0\0\0\0\0\0\0\0\x05", 16));
  return item;
}

TEST(GetTableTest, PoliciesAsKubectlShowsThem) {
  const std::vector<v1::GetResult::Item> items = {Policy("shop", "db", "db"),
                                                  Policy("shop", "default-deny", "")};
  EXPECT_EQ(GetTable(**FindKind("netpol"), items, {}),
            "NAME           POD-SELECTOR   TYPES     REVISION\n"
            "db             app=db         Ingress   17\n"
            "default-deny   <none>         Ingress   17\n");
  GetView everywhere;
  everywhere.with_namespace = true;
  everywhere.wide = true;
  EXPECT_EQ(GetTable(**FindKind("netpol"), {items.data(), 1}, everywhere),
            "NAMESPACE   NAME   POD-SELECTOR   TYPES     REVISION   RULES   GENERATION   UID\n"
            "shop        db     app=db         Ingress   17         1       2            "
            "11111111-1111-1111-1111-111111111111\n");
  EXPECT_EQ(GetNames(**FindKind("netpol"), items),
            "networkpolicy.networking.k8s.io/db\nnetworkpolicy.networking.k8s.io/default-deny\n");
}

TEST(GetTableTest, CidrGroupsShowTheirPrefixes) {
  v1::GetResult::Item item;
  item.mutable_object()->set_revision(5);
  v1::CidrGroup& group = *item.mutable_object()->mutable_object()->mutable_cidr_group();
  group.mutable_meta()->set_uid(std::string(16, '\x11'));
  group.mutable_meta()->set_generation(3);
  group.set_name("partners");
  (*group.mutable_labels())["team"] = "edge";
  v1::Cidr& cidr = *group.add_cidrs();
  cidr.set_address(std::string("\x0a\x00\x00\x00", 4));
  cidr.set_length(8);
  EXPECT_EQ(GetTable(**FindKind("ccg"), {&item, 1}, {}),
            "NAME       CIDRS        REVISION\n"
            "partners   10.0.0.0/8   5\n");
  GetView wide;
  wide.wide = true;
  EXPECT_EQ(
      GetTable(**FindKind("ccg"), {&item, 1}, wide),
      "NAME       CIDRS        REVISION   LABELS      GENERATION   UID\n"
      "partners   10.0.0.0/8   5          team=edge   3            11111111-1111-1111-1111-111111111111\n");
  EXPECT_EQ(GetNames(**FindKind("ccg"), {&item, 1}), "ciliumcidrgroup.cilium.io/partners\n");
}

TEST(GetTableTest, EndpointsNameTheirNodeAndIdentity) {
  const std::vector<v1::GetResult::Item> items = {Endpoint("cart-1", 1, 256), Endpoint("cart-2", 7, 257)};
  GetView view;
  view.nodes = {{{"", 1}, "n1"}};
  EXPECT_EQ(GetTable(**FindKind("ep"), items, view),
            "NAME     NODE   IP                     IDENTITY   REVISION\n"
            "cart-1   n1     10.1.1.5,fd00:1:1::5   256        9\n"
            "cart-2   #7     10.1.1.5,fd00:1:1::5   257        9\n");
  view.wide = true;
  view.with_head = false;
  v1::Label& label = *view.identities[256].add_labels();
  label.set_key("k8s:app");
  label.set_value("cart");
  EXPECT_EQ(
      GetTable(**FindKind("ep"), {items.data(), 1}, view),
      "cart-1   n1   10.1.1.5,fd00:1:1::5   256   9   app=cart   22222222-2222-2222-2222-222222222222\n");
}

TEST(GetTableTest, NodesAndClusters) {
  v1::GetResult::Item item;
  item.mutable_object()->set_revision(3);
  v1::Node& node = *item.mutable_object()->mutable_object()->mutable_node();
  node.set_name("n1");
  node.set_number(4);
  node.add_addresses(std::string("\xc0\xa8\x3c\x0b", 4));
  node.set_zone("eu-west-2a");
  v1::Cidr& cidr = *node.add_pod_cidrs();
  cidr.set_address(std::string("\x0a\x01\x01\x00", 4));
  cidr.set_length(24);
  EXPECT_EQ(GetTable(**FindKind("node"), {&item, 1}, {}),
            "NAME   NUMBER   INTERNAL-IP     POD-CIDRS     ZONE\n"
            "n1     4        192.168.60.11   10.1.1.0/24   eu-west-2a\n");

  const v1::Cidr kept = cidr;  // the object's message goes when another kind takes its place
  v1::Cluster& cluster = *item.mutable_object()->mutable_object()->mutable_cluster();
  cluster.set_name("gcp-euw2");
  cluster.set_id(2);
  cluster.set_region("europe-west2");
  *cluster.add_pod_cidrs() = kept;
  EXPECT_EQ(GetTable(**FindKind("clusters"), {&item, 1}, {}),
            "NAME       ID   REGION         POD-CIDRS\n"
            "gcp-euw2   2    europe-west2   10.1.1.0/24\n");
}

TEST(TextTest, SelectorsReadAsKubectlWritesThem) {
  v1::Selector selector;
  Require(&selector, "k8s:app", v1::Requirement::IN, {"a", "b"});
  Require(&selector, "k8s:tier", v1::Requirement::NOT_IN, {"x"});
  Require(&selector, "k8s:x", v1::Requirement::EXISTS, {});
  Require(&selector, "k8s:y", v1::Requirement::DOES_NOT_EXIST, {});
  EXPECT_EQ(SelectorText(selector, "shop"), "app in (a,b),tier!=x,x,!y");
  EXPECT_EQ(SelectorText(v1::Selector(), "shop"), "");

  // Scopes are left out only where they say no more than the policy's own place does.
  v1::Selector wide;
  Require(&wide, "any:app", v1::Requirement::IN, {"a"});
  Require(&wide, "k8s:io.cilium.k8s.policy.cluster", v1::Requirement::IN, {"aws"});
  Require(&wide, "k8s:io.kubernetes.pod.namespace", v1::Requirement::IN, {"shop"});
  EXPECT_EQ(SelectorText(wide, "shop"), "app=a");
  EXPECT_EQ(SelectorText(wide, "stock"), "app=a,io.kubernetes.pod.namespace=shop");
  EXPECT_EQ(SelectorText(wide, ""), "app=a,io.kubernetes.pod.namespace=shop");
}

TEST(TextTest, AgesAreShort) {
  EXPECT_EQ(AgeText(absl::Seconds(-4)), "0s");
  EXPECT_EQ(AgeText(absl::Seconds(119)), "119s");
  EXPECT_EQ(AgeText(absl::Seconds(120)), "2m");
  EXPECT_EQ(AgeText(absl::Hours(3)), "3h");
  EXPECT_EQ(AgeText(absl::Hours(49)), "2d");
}

TEST(TableTest, WidthCountsCharactersNotBytes) {
  Table table({"A", "B"});
  table.AddRow({"é", "1"});
  table.AddRow({"xx", "2"});
  EXPECT_EQ(table.ToString(), "A    B\né    1\nxx   2\n");
}

}  // namespace
}  // namespace trivium::cli
