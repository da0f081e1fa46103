// What an administrator sees, and may: the admin_* views as trivium_reader, over a store's writes. size: one
// view after the other, each with a small world of its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "controlplane/db/sql_state.h"
#include "tests/db/sql_world.h"

namespace trivium {
namespace {

using testing::HasSubstr;

v1::Change NodeChange(const std::string& name, uint32_t number) {
  v1::Object object;
  v1::Node* node = object.mutable_node();
  node->set_name(name);
  node->set_number(number);
  node->add_addresses(std::string("\xc0\xa8\x3c\x0b", 4));
  v1::Cidr* cidr = node->add_pod_cidrs();
  cidr->set_address(std::string("\x0a\x01\x01\x00", 4));
  cidr->set_length(24);
  return UpsertOf(object);
}

v1::Change IdentityChange(uint32_t id, const std::string& app) {
  v1::Object object;
  object.mutable_identity()->set_id(id);
  v1::Label* label = object.mutable_identity()->add_labels();
  label->set_key("k8s:app");
  label->set_value(app);
  v1::NamedPort* port = object.mutable_identity()->add_named_ports();
  port->set_name("http");
  port->set_protocol(v1::PROTOCOL_TCP);
  port->set_port(8080);
  return UpsertOf(object);
}

v1::Change EndpointChange(uint64_t uid, uint32_t identity, const std::vector<std::string>& ips,
                          uint32_t space = 0) {
  v1::Object object;
  v1::Endpoint* endpoint = object.mutable_endpoint();
  endpoint->mutable_meta()->set_uid(Id128{0, uid}.ToBytes());
  endpoint->set_namespace_("shop");
  endpoint->set_name(absl::StrCat("pod-", uid));
  endpoint->set_node(1);
  endpoint->set_identity(identity);
  for (const std::string& ip : ips) {
    v1::EndpointAddress* address = endpoint->add_addresses();
    address->set_space(space);
    address->set_ip(ip);
  }
  return UpsertOf(object);
}

v1::Change EndpointGone(uint64_t uid) { return DeleteOf({v1::KIND_ENDPOINT, EndpointKey(Id128{0, uid})}); }

const std::string kIpA("\x0a\x01\x01\x02", 4);
const std::string kIpB("\x0a\x01\x01\x03", 4);

class AdminViews : public testing::Test {
 protected:
  AdminViews() : history_(kCluster, *client_->OpenCluster(kCluster), 1) {}

  void Commit(std::vector<v1::Change> changes) {
    const absl::Status committed = client_->Commit(history_.Next(std::move(changes)));
    ASSERT_TRUE(committed.ok()) << committed;
  }
  // One value as the reader sees it.
  std::string See(const std::string& column, const std::string& rest) {
    auto connection = Connection::Open(reader_.hosts[0], reader_);
    if (!connection.ok()) return connection.status().ToString();
    auto results =
        (*connection)->Run(Pipeline().AddText(absl::StrCat("SELECT (", column, ")::TEXT FROM ", rest)));
    if (!results.ok()) return results.status().ToString();
    const SqlResult& rows = results->front();
    if (rows.rows() != 1) return absl::StrCat("<", rows.rows(), " rows>");
    return rows.IsNull(0, 0) ? "<null>" : rows.Bytes(0, 0);
  }
  absl::Status AsReader(const std::string& sql) {
    auto connection = Connection::Open(reader_.hosts[0], reader_);
    if (!connection.ok()) return connection.status();
    return (*connection)->Run(Pipeline().AddText(sql)).status();
  }
  v1::AgentStatus Report(const std::string& node, uint64_t sequence, uint64_t enforced) {
    v1::AgentStatus status;
    status.set_node(node);
    status.set_version("0.1.0");
    status.set_start_ms(1'700'000'000'000);
    status.set_time_ms(1'700'000'001'000);
    status.set_sequence(sequence);
    status.set_endpoints(4);
    v1::AppliedCluster* applied = status.add_applied();
    applied->set_cluster(kCluster.name);
    applied->set_epoch(1);
    applied->set_received(enforced);
    applied->set_enforced(enforced);
    applied->set_batch(Id128{1, 2}.ToBytes());
    return status;
  }

  const ClusterRef kCluster{"aws-euw2", 1, 1};
  SqlWorld world_;
  const SqlServerOptions reader_ = world_.As("trivium_reader");
  std::unique_ptr<StoreClient> client_ = world_.Open();
  RandomHistory history_;
};

TEST_F(AdminViews, ShowClustersNodesAndEndpoints) {
  const ClusterRef mesh{kMeshCluster, 0, 0};
  RandomHistory mesh_history(mesh, *client_->OpenCluster(mesh), 2);
  v1::Object cluster;
  cluster.mutable_cluster()->set_name(kCluster.name);
  cluster.mutable_cluster()->set_id(1);
  cluster.mutable_cluster()->set_region("eu-west-2");
  v1::Cidr* cidr = cluster.mutable_cluster()->add_pod_cidrs();
  cidr->set_address(std::string("\x0a\x01\x00\x00", 4));
  cidr->set_length(16);
  ASSERT_TRUE(client_->Commit(mesh_history.Next({UpsertOf(cluster)})).ok());
  Commit({NodeChange("n1", 1), IdentityChange(300, "db"), EndpointChange(1, 300, {kIpA})});

  const std::string of = " WHERE cluster = 'aws-euw2'";
  EXPECT_EQ(See("region || ' ' || pod_cidrs::TEXT", "admin_clusters" + of), "eu-west-2 {10.1.0.0/16}");
  EXPECT_EQ(See("revision || ' ' || nodes || ' ' || endpoints || ' ' || identities || ' ' || policies",
                "admin_clusters" + of),
            "1 1 1 1 0");
  EXPECT_EQ(See("now() - last_commit_at < INTERVAL '1 hour'", "admin_clusters" + of), "true");
  EXPECT_EQ(
      See("node || ' ' || addresses::TEXT || ' ' || pod_cidrs::TEXT || ' ' || alive || ' ' || endpoints",
          "admin_nodes" + of),
      "n1 {192.168.60.11} {10.1.1.0/24} true 1");
  EXPECT_EQ(See("namespace || ' ' || name || ' ' || node || ' ' || addresses::TEXT || ' ' || labels || ' ' "
                "|| named_ports",
                "admin_endpoints" + of),
            "shop pod-1 n1 {10.1.1.2} k8s:app=db http=TCP/8080");
  EXPECT_EQ(See("identity || ' ' || endpoints", "admin_identities" + of), "300 1");

  v1::Object down;
  down.mutable_liveness()->set_cluster(kCluster.name);
  down.mutable_liveness()->set_node("n1");
  Commit({UpsertOf(down)});
  EXPECT_EQ(See("alive", "admin_nodes" + of), "false");
}

TEST_F(AdminViews, ShowCidrGroups) {
  v1::Object object;
  v1::CidrGroup* group = object.mutable_cidr_group();
  group->mutable_meta()->set_generation(2);
  group->set_name("partners");
  v1::Cidr* cidr = group->add_cidrs();
  cidr->set_address(std::string("\xc0\x00\x02\x00", 4));
  cidr->set_length(24);
  Commit({UpsertOf(object)});
  EXPECT_EQ(See("cluster || ' ' || name || ' ' || cidrs::TEXT || ' ' || generation || ' ' || revision",
                "admin_cidr_groups"),
            "aws-euw2 partners {192.0.2.0/24} 2 1");
  Commit({DeleteOf({v1::KIND_CIDR_GROUP, "partners"})});
  EXPECT_EQ(See("name", "admin_cidr_groups"), "<0 rows>");
}

TEST_F(AdminViews, ShowWhoChangedWhatWhenAndFromWhere) {
  v1::Object object;
  v1::Policy* policy = object.mutable_policy();
  policy->set_kind("NetworkPolicy");
  policy->set_namespace_("shop");
  policy->set_name("db");
  v1::PolicyBlock* block = policy->add_blocks();
  block->set_default_deny_ingress(true);
  block->add_rules();
  const ObjectKey key = KeyOf(object);
  CommitRequest request = history_.Next({UpsertOf(object), NodeChange("n1", 1), NodeChange("n2", 2)});
  request.manifests = {{key, "kind: NetworkPolicy"}};
  request.audit = {{"aws-euw2:ctl:ann", "triviumctl/0.1", Id128{3, 4}, "apply", v1::KIND_POLICY, key.key,
                    "kind: NetworkPolicy", 1'700'000'000'123'456}};
  ASSERT_TRUE(client_->Commit(request).ok());
  EXPECT_EQ(See("who || '|' || program || '|' || verb || '|' || kind || '|' || key || '|' || manifest",
                "admin_changes"),
            "aws-euw2:ctl:ann|triviumctl/0.1|apply|policy|NetworkPolicy/shop/db|kind: NetworkPolicy");
  EXPECT_EQ(See("EXTRACT(EPOCH FROM changed_at)", "admin_changes"), "1700000000.123456");
  EXPECT_EQ(See("revision || ' ' || changes", "admin_commits"), "1 3");
  EXPECT_EQ(See("ingress_rules || ' ' || default_deny_ingress || ' ' || manifest || ' ' || nodes_enforcing "
                "|| '/' || nodes",
                "admin_policies"),
            "1 true kind: NetworkPolicy 0/2");
  ASSERT_TRUE(client_->WriteAgents(kCluster, {Report("n1", 1, 1), Report("n2", 1, 0)}).ok());
  EXPECT_EQ(See("nodes_enforcing || '/' || nodes", "admin_policies"), "1/2");
}

TEST_F(AdminViews, ShowHowFarAgentsAreBehind) {
  Commit({NodeChange("n1", 1), NodeChange("n2", 2)});
  Commit({IdentityChange(300, "db")});
  Commit({IdentityChange(301, "web")});
  const std::string n1 = "admin_agents WHERE node = 'n1'";
  EXPECT_EQ(See("seen_at", n1), "<null>") << "registered, never heard of";
  ASSERT_TRUE(client_->WriteAgents(kCluster, {Report("n1", 2, 1), Report("n2", 1, 3)}).ok());
  EXPECT_EQ(See("follows || ' ' || enforced || ' of ' || head_revision || ' lag ' || lag_revisions", n1),
            "aws-euw2 1 of 3 lag 2");
  EXPECT_EQ(See("lag_seconds BETWEEN 0 AND 600 AND silent_seconds BETWEEN 0 AND 600", n1), "true");
  EXPECT_EQ(See("lag_revisions || ' ' || lag_seconds", "admin_agents WHERE node = 'n2'"), "0 0");
  // The lag in seconds is the age of the oldest commit that is not enforced.
  MustRun(world_.As("postgres"),
          "UPDATE change_log SET created_at = now() - INTERVAL '90 seconds' WHERE revision = 2");
  EXPECT_EQ(See("lag_seconds BETWEEN 89 AND 100", n1), "true");
  // An older report changes nothing, whatever it says; a restarted agent counts anew.
  ASSERT_TRUE(client_->WriteAgents(kCluster, {Report("n1", 1, 3)}).ok());
  EXPECT_EQ(See("enforced", n1), "1");
  v1::AgentStatus restarted = Report("n1", 1, 2);
  restarted.set_start_ms(restarted.start_ms() + 1);
  restarted.mutable_applied(0)->set_problem("map full");
  v1::DropCount* drop = restarted.add_drops();
  drop->set_reason(3);
  drop->set_name("policy");
  drop->set_packets(42);
  ASSERT_TRUE(client_->WriteAgents(kCluster, {Report("n1", 3, 1), restarted, Report("n1", 4, 1)}).ok());
  EXPECT_EQ(See("enforced || ' ' || problem", n1), "2 map full");
  EXPECT_EQ(See("node || ' ' || reason || ' ' || name || ' ' || packets", "admin_drops"), "n1 3 policy 42");
  // Policies that it does not enforce, until it does.
  v1::AgentStatus full = restarted;
  full.set_sequence(5);
  v1::NotEnforcedPolicy* policy = full.add_not_enforced();
  policy->set_cluster(kCluster.name);
  policy->set_kind("NetworkPolicy");
  policy->set_namespace_("shop");
  policy->set_name("db");
  policy->set_reason("map policy_verdict is full");
  policy->set_since_ms(1'700'000'000'250);
  policy->set_endpoints(3);
  full.set_not_enforced_total(120);
  ASSERT_TRUE(client_->WriteAgents(kCluster, {full}).ok());
  EXPECT_EQ(See("node || '|' || kind || '|' || namespace || '/' || name || '|' || reason || '|' || endpoints "
                "|| '|' || "
                "policies_of_node || '|' || EXTRACT(EPOCH FROM since)",
                "admin_policies_not_enforced"),
            "n1|NetworkPolicy|shop/db|map policy_verdict is full|3|120|1700000000.250000");
  full.set_sequence(6);
  full.clear_not_enforced();
  full.set_not_enforced_total(0);
  ASSERT_TRUE(client_->WriteAgents(kCluster, {full}).ok());
  EXPECT_EQ(See("count(*)", "admin_policies_not_enforced"), "0");
  // A cluster that it no longer follows is gone.
  v1::AgentStatus none = restarted;
  none.set_sequence(9);
  none.clear_applied();
  ASSERT_TRUE(client_->WriteAgents(kCluster, {none}).ok());
  EXPECT_EQ(See("follows", n1), "<null>");
  // And a node that is deleted takes its reports with it.
  Commit({DeleteOf({v1::KIND_NODE, "n2"})});
  EXPECT_EQ(world_.Value("SELECT count(*)::TEXT FROM agents"), "1");
  EXPECT_EQ(world_.Value("SELECT count(*)::TEXT FROM agent_positions"), "0");
}

TEST_F(AdminViews, ShowWhereAPolicyIsNotEnforcedAndWhoLags) {
  v1::Object object;
  object.mutable_policy()->set_kind("NetworkPolicy");
  object.mutable_policy()->set_namespace_("shop");
  object.mutable_policy()->set_name("db");
  Commit({NodeChange("n1", 1), NodeChange("n2", 2), NodeChange("n3", 3)});
  Commit({UpsertOf(object)});
  const auto why = [this](const std::string& node) {
    return See("enforced || '|' || COALESCE(reason, 'none')",
               "admin_policy_enforcement WHERE node = '" + node + "'");
  };
  ASSERT_TRUE(client_->WriteAgents(kCluster, {Report("n1", 1, 2), Report("n2", 1, 1)}).ok());
  EXPECT_EQ(why("n1"), "true|none");
  EXPECT_EQ(why("n2"), "false|its agent is behind");
  EXPECT_EQ(why("n3"), "false|its agent has not reported yet");
  EXPECT_EQ(See("nodes || ' ' || nodes_unheard || ' ' || nodes_behind || ' ' || max_lag_revisions || ' ' || "
                "slowest_node",
                "admin_lag WHERE follows = 'aws-euw2'"),
            "3 1 1 1 n2");
  v1::AgentStatus full = Report("n1", 2, 2);
  v1::NotEnforcedPolicy* policy = full.add_not_enforced();
  policy->set_kind("NetworkPolicy");
  policy->set_namespace_("shop");
  policy->set_name("db");
  policy->set_reason("map policy_verdict is full");
  v1::MapFill* map = full.add_maps();
  map->set_name("policy_verdict");
  map->set_entries(199);
  map->set_capacity(200);
  v1::AgentStatus stuck = Report("n2", 2, 1);
  stuck.mutable_applied(0)->set_problem("map full");
  v1::AgentStatus other = Report("n3", 1, 2);
  other.mutable_applied(0)->set_epoch(9);
  ASSERT_TRUE(client_->WriteAgents(kCluster, {full, stuck, other}).ok());
  EXPECT_EQ(why("n1"), "false|map policy_verdict is full");
  EXPECT_EQ(why("n2"), "false|map full");
  EXPECT_EQ(why("n3"), "false|its agent is in another epoch");
  EXPECT_EQ(See("node || ' ' || map || ' ' || entries || '/' || capacity || ' ' || percent", "admin_maps"),
            "n1 policy_verdict 199/200 99");
}

TEST_F(AdminViews, ShowOverlappingCidrs) {
  const auto cidr = [](const std::string& address, uint32_t length) {
    v1::Cidr made;
    made.set_address(address);
    made.set_length(length);
    return made;
  };
  const ClusterRef mesh{kMeshCluster, 0, 0};
  RandomHistory mesh_history(mesh, *client_->OpenCluster(mesh), 2);
  v1::Object aws, gcp;
  aws.mutable_cluster()->set_name(kCluster.name);
  aws.mutable_cluster()->set_id(1);
  *aws.mutable_cluster()->add_pod_cidrs() = cidr(std::string("\x0a\x01\x00\x00", 4), 16);
  gcp.mutable_cluster()->set_name("gcp-euw2");
  gcp.mutable_cluster()->set_id(2);
  gcp.mutable_cluster()->set_address_space(7);
  *gcp.mutable_cluster()->add_pod_cidrs() = cidr(std::string("\x0a\x00\x00\x00", 4), 8);
  ASSERT_TRUE(client_->Commit(mesh_history.Next({UpsertOf(aws), UpsertOf(gcp)})).ok());
  // NodeChange gives both nodes the same prefix and address.
  v1::Object group;
  group.mutable_cidr_group()->set_name("partners");
  *group.mutable_cidr_group()->add_cidrs() = cidr(std::string("\xc0\x00\x02\x00", 4), 24);
  Commit({NodeChange("n1", 1), NodeChange("n2", 2), UpsertOf(group)});
  const auto all = [this] {
    return world_.Value(
        "SELECT string_agg(what || ' ' || name || ' ' || prefix || ' ~ ' || other_what || ' ' || other_name "
        "|| "
        "' ' || "
        "other_prefix || ': ' || consequence, '; ' ORDER BY what, name, other_name) FROM "
        "admin_overlapping_cidrs");
  };
  const std::string nodes =
      "pods of node n1 10.1.1.0/24 ~ pods of node n2 10.1.1.0/24: addresses are ambiguous";
  const std::string clusters =
      "pods of cluster aws-euw2 10.1.0.0/16 ~ pods of cluster gcp-euw2 10.0.0.0/8: kept apart by address "
      "spaces";
  EXPECT_EQ(all(), clusters + "; " + nodes);
  *group.mutable_cidr_group()->mutable_cidrs(0) = cidr(std::string("\x0a\x01\x02\x00", 4), 24);
  v1::Change inside = NodeChange("n2", 2);
  inside.mutable_object()->mutable_node()->set_addresses(0, std::string("\x0a\x01\x00\x09", 4));
  inside.mutable_object()->mutable_node()->clear_pod_cidrs();
  Commit({inside, UpsertOf(group)});
  EXPECT_EQ(
      all(),
      "CIDR group partners 10.1.2.0/24 ~ pods of cluster aws-euw2 10.1.0.0/16: the group never selects those "
      "pods; CIDR group partners 10.1.2.0/24 ~ pods of cluster gcp-euw2 10.0.0.0/8: the group never selects "
      "those pods; address of node n2 10.1.0.9/32 ~ pods of cluster aws-euw2 10.1.0.0/16: pods take the node "
      "for a pod; " +
          clusters);
}

TEST_F(AdminViews, ShowReachabilityByName) {
  Commit({NodeChange("n1", 1), IdentityChange(300, "db"), EndpointChange(1, 300, {kIpA})});
  const ClusterRef gcp{"gcp-euw2", 2, 2};
  RandomHistory other(gcp, *client_->OpenCluster(gcp), 2);
  ASSERT_TRUE(client_->Commit(other.Next({IdentityChange(900, "web")})).ok());
  ASSERT_TRUE(client_->OpenReachability(kCluster).ok());
  ReachabilityWrite write;
  write.state.positions = {{kCluster.name, 1, 1}, {gcp.name, 1, 1}};
  write.state.complete = true;
  write.state.rows = 4;
  write.state.writer = "cp1";
  write.replaced = {300};
  ReachabilityRow web;
  web.identity = 300;
  web.peer = 900;
  web.peer_home = 2;
  web.peer_cluster_id = 2;
  web.ingress = true;
  web.protocols = kTcpBit;
  web.first_port = 80;
  web.last_port = 90;
  web.allowed = true;
  web.policy = "NetworkPolicy/shop/db";
  web.origin = "spec.ingress[0]";
  ReachabilityRow host;
  host.identity = 300;
  host.peer = 1;
  host.protocols = kEveryProtocol;
  host.last_port = 65535;
  host.origin = "built-in";
  ReachabilityRow prefix;
  prefix.identity = 300;
  prefix.prefix = "192.0.2.0/24";
  prefix.protocols = kUdpBit + kIcmpBit;
  prefix.last_port = 65535;
  write.rows = {web, host, prefix};
  write.selections = {{300, "NetworkPolicy", "shop", "db", true, false}};
  ASSERT_TRUE(client_->WriteReachability(kCluster, write).ok());

  const auto row = [this](const std::string& where) {
    return See(
        "concat_ws('|', cluster, identity, labels, direction, peer_kind, peer_cluster, peer_identity, peer, "
        "protocol, first_port, last_port, verdict, rule_kind, rule_namespace, rule_name, rule_origin, epoch, "
        "revision)",
        "admin_reachability WHERE " + where);
  };
  EXPECT_EQ(row("peer_identity = 900"),
            "aws-euw2|300|k8s:app=db|ingress|identity|gcp-euw2|900|k8s:app=web|TCP|80|90|allowed|"
            "NetworkPolicy|shop|"
            "db|spec.ingress[0]|1|1");
  EXPECT_EQ(row("peer_kind = 'entity'"),
            "aws-euw2|300|k8s:app=db|egress|entity|1|host|ANY|0|65535|denied|built-in|1|1");
  // Protocols that share a range are rows of their own; ICMP has types.
  EXPECT_EQ(See("string_agg(concat_ws(':', peer, protocol, last_port), ' ' ORDER BY protocol)",
                "admin_reachability WHERE peer_kind = 'cidr'"),
            "192.0.2.0/24:ICMP:255 192.0.2.0/24:UDP:65535");
  EXPECT_EQ(See("now() - computed_at < INTERVAL '1 hour'", "admin_reachability WHERE peer_identity = 900"),
            "true");
  EXPECT_EQ(See("concat_ws('|', kind, namespace, name, closes_ingress, closes_egress, identity, labels, "
                "endpoint_namespace, endpoint, node, revision)",
                "admin_policy_selections"),
            "NetworkPolicy|shop|db|t|f|300|k8s:app=db|shop|pod-1|n1|1");
  EXPECT_EQ(
      See("concat_ws('|', epoch, revision, head_epoch, head_revision, complete, rows, problem, computed_by)",
          "admin_reachability_state WHERE follows = 'gcp-euw2'"),
      "1|1|1|1|t|4|cp1");
}

TEST_F(AdminViews, CountIdentityReferencesWithTheirEndpoints) {
  auto refs = [this] {
    return world_.Value("SELECT string_agg(id || '=' || refs, ' ' ORDER BY id) FROM identities");
  };
  Commit({IdentityChange(300, "db"), IdentityChange(301, "web"), EndpointChange(1, 300, {}),
          EndpointChange(2, 300, {})});
  EXPECT_EQ(refs(), "300=2 301=0");
  Commit({EndpointChange(1, 301, {}), EndpointChange(3, 301, {})});
  EXPECT_EQ(refs(), "300=1 301=2");
  Commit({EndpointChange(1, 301, {})});
  EXPECT_EQ(refs(), "300=1 301=2") << "written again, counted once";
  Commit({IdentityChange(301, "web")});
  EXPECT_EQ(refs(), "300=1 301=2") << "an upsert of the identity keeps its count";
  Commit({EndpointGone(2), EndpointGone(3), EndpointGone(9)});
  EXPECT_EQ(refs(), "300=0 301=1");
  Commit({EndpointChange(4, 300, {}), EndpointGone(4), EndpointGone(1)});
  EXPECT_EQ(refs(), "300=0 301=0");
}

TEST_F(AdminViews, AnAddressBelongsToTheLastWhoClaimedIt) {
  auto owners = [this] {
    return world_.Value(
        "SELECT string_agg(space || ':' || host(ip) || '=' || right(endpoint::TEXT, 1), ' ' ORDER BY space, "
        "ip) "
        "FROM addresses");
  };
  Commit({EndpointChange(1, 300, {kIpA, kIpB}), EndpointChange(2, 300, {kIpA}, 7)});
  EXPECT_EQ(owners(), "0:10.1.1.2=1 0:10.1.1.3=1 7:10.1.1.2=2") << "spaces do not meet";
  Commit({EndpointChange(3, 300, {kIpA})});
  EXPECT_EQ(owners(), "0:10.1.1.2=3 0:10.1.1.3=1 7:10.1.1.2=2");
  Commit({EndpointGone(1)});
  EXPECT_EQ(owners(), "0:10.1.1.2=3 7:10.1.1.2=2") << "the old owner's late delete";
  Commit({EndpointChange(4, 300, {kIpA}), EndpointGone(3)});
  EXPECT_EQ(owners(), "0:10.1.1.2=4 7:10.1.1.2=2") << "handed over in one batch";
  Commit({EndpointChange(6, 300, {kIpA}), EndpointChange(5, 300, {kIpA})});
  EXPECT_EQ(owners(), "0:10.1.1.2=5 7:10.1.1.2=2") << "the batch's order decides, not the uid's";
  Commit({EndpointChange(5, 300, {kIpB})});
  EXPECT_EQ(owners(), "0:10.1.1.3=5 7:10.1.1.2=2") << "what it no longer claims";
}

TEST_F(AdminViews, OneLabelSetHasOneIdentity) {
  Commit({IdentityChange(300, "db")});
  const absl::Status twice = client_->Commit(history_.Next({IdentityChange(301, "db")}));
  EXPECT_EQ(twice.code(), absl::StatusCode::kAlreadyExists) << twice;
  EXPECT_EQ(client_->ReadHead(kCluster)->revision, 1u) << "nothing of that batch is there";
}

TEST_F(AdminViews, RefuseWhatNoRowCanHold) {
  const StoredHead head = *client_->ReadHead(kCluster);
  auto refused = [&](v1::Change change) {
    RandomHistory history(kCluster, head, 1);
    return client_->Commit(history.Next({std::move(change)}));
  };
  const absl::Status address = refused(EndpointChange(1, 300, {std::string("\x0a", 1)}));
  EXPECT_EQ(address.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(address.message()), HasSubstr("address of 1 bytes"));
  EXPECT_EQ(refused(UpsertOf(NamespaceObject(std::string("a\0b", 3)))).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refused(DeleteOf({v1::KIND_POLICY, "no-slashes"})).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refused(DeleteOf({v1::KIND_ENDPOINT, "nothex"})).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refused(v1::Change()).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(client_->ReadHead(kCluster)->revision, 0u);
}

TEST_F(AdminViews, AreAllThatTheReaderMayDo) {
  Commit({NodeChange("n1", 1)});
  for (const char* view : {"admin_clusters",
                           "admin_nodes",
                           "admin_endpoints",
                           "admin_identities",
                           "admin_policies",
                           "admin_agents",
                           "admin_changes",
                           "admin_commits",
                           "admin_drops",
                           "admin_liveness",
                           "admin_identity_audit",
                           "admin_retired_identities",
                           "admin_policies_not_enforced",
                           "admin_reachability",
                           "admin_reachability_state",
                           "admin_policy_selections",
                           "admin_lag",
                           "admin_policy_enforcement",
                           "admin_maps",
                           "admin_cidrs",
                           "admin_overlapping_cidrs",
                           "admin_cidr_groups"}) {
    EXPECT_TRUE(AsReader(absl::StrCat("SELECT * FROM ", view)).ok()) << view;
  }
  // No other relation, of whatever kind and schema, and no right but SELECT.
  EXPECT_EQ(world_.Value("SELECT string_agg(c.oid::regclass::TEXT, ' ') FROM pg_class c "
                         "JOIN pg_namespace n ON n.oid = c.relnamespace "
                         "WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE "
                         "'pg_toast%' AND c.relkind IN ('r', 'v', 'm', 'p', 'f') "
                         "AND (c.relname NOT LIKE 'admin\\_%' OR c.relkind <> 'v') "
                         "AND has_table_privilege('trivium_reader', c.oid, 'SELECT')"),
            "<null>");
  EXPECT_EQ(world_.Value("SELECT string_agg(c.relname::TEXT, ' ') FROM pg_class c "
                         "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public' "
                         "AND c.relkind IN ('r', 'v') AND has_table_privilege('trivium_reader', c.oid, "
                         "'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')"),
            "<null>");
  EXPECT_EQ(world_.Value("SELECT has_schema_privilege('trivium_reader', 'public', 'CREATE')::TEXT"), "false");
  // And not for long.
  EXPECT_EQ(
      See("(SELECT reset_val FROM pg_settings WHERE name = 'statement_timeout')", "admin_clusters LIMIT 1"),
      "30000");
  const SqlResult tables = MustRun(world_.As("postgres"),
                                   "SELECT table_name::TEXT FROM information_schema.tables "
                                   "WHERE table_schema = 'public' AND table_type = 'BASE TABLE'");
  ASSERT_GT(tables.rows(), 20);
  for (int i = 0; i < tables.rows(); ++i) {
    const std::string table = tables.Bytes(i, 0);
    EXPECT_EQ(SqlStateOf(AsReader(absl::StrCat("SELECT 1 FROM ", table))), "42501") << table;
    EXPECT_FALSE(AsReader(absl::StrCat("DELETE FROM ", table)).ok()) << table;
  }
  EXPECT_FALSE(AsReader("DELETE FROM admin_nodes").ok());
  // Even if it takes the read-only setting off.
  for (const char* sql : {"UPDATE cluster_rev SET epoch = 9", "DELETE FROM admin_nodes",
                          "CREATE TABLE mine (x INT8)", "DROP VIEW admin_nodes"}) {
    auto connection = Connection::Open(reader_.hosts[0], reader_);
    ASSERT_TRUE(connection.ok());
    const absl::Status done =
        (*connection)
            ->Run(Pipeline().AddText("SET default_transaction_read_only = off").AddText(sql))
            .status();
    EXPECT_FALSE(done.ok()) << sql;
  }
  EXPECT_EQ(client_->ReadHead(kCluster)->revision, 1u);
}

TEST_F(AdminViews, AHoleInTheLogIsFound) {
  for (int i = 0; i < 4; ++i) Commit({NodeChange("n1", 1)});
  MustRun(world_.As("postgres"), "DELETE FROM change_log WHERE revision = 2");
  EXPECT_EQ(client_->ReadLog(kCluster, 0).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(client_->ReadLog(kCluster, 2)->size(), 2u);
  MustRun(world_.As("postgres"), "DELETE FROM change_log WHERE revision > 2");
  EXPECT_EQ(client_->ReadLog(kCluster, 2).status().code(), absl::StatusCode::kDataLoss);
  MustRun(world_.As("postgres"), "UPDATE nodes SET revision = 1");
  EXPECT_EQ(client_->ReadSnapshot(kCluster).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(AdminViews, AWrongSchemaIsRefusedBeforeAnythingRuns) {
  MustRun(world_.As("postgres"),
          "INSERT INTO schema_migrations (number, name, checksum) VALUES (9999, '9999_future', 'x')");
  std::unique_ptr<StoreClient> late = world_.Open();
  const absl::Status refused = late->ReadHead(kCluster).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("newer than this program"));
}

TEST(TlsConnection, WantsBothCertificates) {
  PostgresServer server({.tls = true});
  SqlWorld world(&server);
  std::unique_ptr<StoreClient> client = world.Open();
  EXPECT_TRUE(client->OpenCluster({"aws", 1, 1}).ok());

  SqlServerOptions plain = world.options();
  plain.tls = false;
  EXPECT_FALSE(Connection::Open(plain.hosts[0], plain).ok());
  SqlServerOptions others = world.options();
  others.cert = server.tls_folder() + "/trivium_reader.crt";
  others.key = server.tls_folder() + "/trivium_reader.key";
  EXPECT_FALSE(Connection::Open(others.hosts[0], others).ok()) << "the certificate's name is the role's";
  SqlServerOptions wrong_ca = world.options();
  wrong_ca.ca = server.tls_folder() + "/server.crt";
  EXPECT_FALSE(Connection::Open(wrong_ca.hosts[0], wrong_ca).ok());
  EXPECT_FALSE(Connection::Open({"localhost", server.port()}, world.options()).ok())
      << "the server's certificate names 127.0.0.1 alone";
}

TEST(Hosts, ALocalOneIsTriedBeforeAFarOne) {
  SqlWorld world;
  SqlStore::Options options = StoreOn(world.options());
  options.pool.threads = 1;
  options.pool.server.far_hosts = {{"127.0.0.1", "1"}};
  std::unique_ptr<StoreClient> client;
  SqlStore* store = world.Open(options, &client);
  ASSERT_TRUE(client->OpenCluster({"aws", 1, 1}).ok());
  EXPECT_EQ(store->counters().connects, 1u);
  // And the far one when no local one answers.
  std::swap(options.pool.server.hosts, options.pool.server.far_hosts);
  store = world.Open(options, &client);
  ASSERT_TRUE(client->OpenCluster({"aws", 1, 1}).ok());
  EXPECT_EQ(store->counters().connects, 2u);
}

}  // namespace
}  // namespace trivium
