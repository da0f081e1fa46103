// `get`, `describe` and `-w` as whole command lines.
#include "cli/commands_fixture.h"
#include "schema/codec.h"
#include "schema/object.h"

namespace trivium::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

v1::Object Namespace(const std::string& name, const std::string& team) {
  v1::Object object;
  object.mutable_namespace_()->set_name(name);
  (*object.mutable_namespace_()->mutable_labels())["team"] = team;
  return object;
}

void Add(v1::Reply* reply, v1::Object object, uint64_t revision) {
  v1::SnapshotObject* item = reply->mutable_get()->add_items()->mutable_object();
  *item->mutable_object() = std::move(object);
  item->set_revision(revision);
  reply->mutable_get()->mutable_at()->set_epoch(1);
  reply->mutable_get()->mutable_at()->set_revision(revision);
}

v1::Change Upsert(v1::Object object) {
  v1::Change change;
  *change.mutable_object() = std::move(object);
  return change;
}

v1::Change Delete(v1::Kind kind, const std::string& key) {
  v1::Change change;
  change.set_op(v1::Change::DELETE);
  change.set_kind(kind);
  change.set_key(key);
  return change;
}

class GetTest : public CommandsTest {
 protected:
  void Feed(uint64_t revision, const std::vector<v1::Change>& changes,
            const std::string& cluster = "aws-euw2") {
    v1::Changes all;
    for (const v1::Change& change : changes) *all.add_changes() = change;
    const auto batch = EncodeBatch(cluster, 1, revision, Id128{}, Id128{}, all);
    ASSERT_TRUE(batch.ok()) << batch.status();
    bus_.stream.push_back("trivium.v1.feed." + cluster + " " + batch->envelope);
  }
  void Beacon(uint64_t revision) {
    v1::Heads heads;
    v1::Head& head = *heads.add_heads();
    head.set_cluster("aws-euw2");
    head.set_epoch(1);
    head.set_revision(revision);
    bus_.stream.push_back("trivium.v1.feed._head " + heads.SerializeAsString());
  }
};

TEST_F(GetTest, SeveralKindsStandBelowOneAnotherWithTheirNames) {
  v1::Reply namespaces;
  Add(&namespaces, Namespace("shop", "red"), 4);
  v1::Reply nodes;
  v1::Object node;
  node.mutable_node()->set_name("n1");
  Add(&nodes, node, 2);
  bus_.answers = {
      [&](const v1::Request& request) { return request.get().kind() == "Node" ? nodes : namespaces; }};
  EXPECT_EQ(Run({"get", "ns,no"}), kExitOk) << err();
  EXPECT_EQ(out(),
            "NAME             REVISION\nnamespace/shop   4\n\n"
            "NAME      NUMBER   INTERNAL-IP   POD-CIDRS   ZONE\nnode/n1   0        <none>        <none>      "
            "<none>\n");
  EXPECT_EQ(Run({"get", "ns/shop", "no/n1", "-o", "name"}), kExitOk) << err();
  EXPECT_EQ(out(), "namespace/shop\nnode/n1\n");
  EXPECT_EQ(bus_.requests.back().get().name(), "n1");
  EXPECT_EQ(Run({"get", "ns,no", "-o", "jsonpath={.items[*].kind}"}), kExitOk) << err();
  EXPECT_EQ(out(), "Namespace Node");
}

TEST_F(GetTest, LabelsSelect) {
  v1::Reply namespaces;
  Add(&namespaces, Namespace("shop", "red"), 4);
  Add(&namespaces, Namespace("bank", "blue"), 5);
  bus_.answers = {Says(namespaces)};
  EXPECT_EQ(Run({"get", "ns", "-l", "team!=red"}), kExitOk) << err();
  EXPECT_EQ(out(), "NAME   REVISION\nbank   5\n");
  EXPECT_EQ(Run({"get", "ns", "-l", "team in (green)"}), kExitOk);
  EXPECT_THAT(err(), HasSubstr("No resources found"));
  EXPECT_EQ(Run({"get", "ns", "shop", "-l", "team=red"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("leave the names out"));
  EXPECT_EQ(Run({"get", "nodes", "-l", "team=red"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("nodes have no labels"));
  EXPECT_EQ(Run({"get", "ns", "-l", "a b"}), kExitRefused);
}

TEST_F(GetTest, PoliciesAreSelectedByTheLabelsOfTheirManifests) {
  v1::Object policy;
  policy.mutable_policy()->set_kind("NetworkPolicy");
  policy.mutable_policy()->set_namespace_("shop");
  policy.mutable_policy()->set_name("db");
  v1::Reply list;
  Add(&list, policy, 3);
  v1::Reply one = list;
  one.mutable_get()->mutable_items(0)->set_manifest(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db, labels: {team: red}}\n");
  bus_.answers = {[&](const v1::Request& request) { return request.get().name().empty() ? list : one; }};
  EXPECT_EQ(Run({"get", "netpol", "-n", "shop", "-l", "team=red", "-o", "name"}), kExitOk) << err();
  EXPECT_EQ(out(), "networkpolicy.networking.k8s.io/db\n");
  EXPECT_EQ(Run({"get", "netpol", "-n", "shop", "-l", "team=blue", "-o", "name"}), kExitOk) << err();
  EXPECT_EQ(out(), "");
}

TEST_F(GetTest, EveryClusterHasItsColumn) {
  v1::Reply clusters;
  for (const char* name : {"gcp-euw2", "aws-euw2"}) {
    v1::Object cluster;
    cluster.mutable_cluster()->set_name(name);
    Add(&clusters, cluster, 1);
  }
  bus_.answers = {[&](const v1::Request& request) {
    if (request.get().kind() == "Cluster") return clusters;
    v1::Reply reply;
    Add(&reply, Namespace(request.get().cluster() == "aws-euw2" ? "shop" : "bank", "red"), 4);
    return reply;
  }};
  EXPECT_EQ(Run({"get", "ns", "--all-clusters"}), kExitOk) << err();
  EXPECT_EQ(out(), "CLUSTER    NAME   REVISION\naws-euw2   shop   4\ngcp-euw2   bank   4\n");
  EXPECT_EQ(
      Run({"get", "ns", "--all-clusters", "-o", "jsonpath={.items[*].metadata.annotations.trivium/cluster}"}),
      kExitOk);
  EXPECT_EQ(out(), "aws-euw2 gcp-euw2");
  EXPECT_EQ(Run({"get", "clusters", "--all-clusters", "-o", "name"}), kExitOk);
  EXPECT_EQ(out(), "cluster/gcp-euw2\ncluster/aws-euw2\n") << "they are asked for once";
  EXPECT_EQ(Run({"get", "ns", "--all-clusters", "--cluster", "gcp-euw2"}), kExitRefused);
}

TEST_F(GetTest, WhatIsThereIsShownAndWhatIsMissingNamed) {
  v1::Reply shop;
  Add(&shop, Namespace("shop", "red"), 4);
  bus_.answers = {[&](const v1::Request& request) -> absl::StatusOr<v1::Reply> {
    if (request.get().name() == "shop") return shop;
    v1::Reply missing;
    missing.set_code(static_cast<uint32_t>(absl::StatusCode::kNotFound));
    missing.set_message("Namespace bank does not exist");
    return missing;
  }};
  EXPECT_EQ(Run({"get", "ns", "shop", "bank"}), kExitRefused);
  EXPECT_THAT(out(), HasSubstr("shop   4"));
  EXPECT_EQ(err(), "error: Namespace bank does not exist\n");
  EXPECT_EQ(Run({"get", "ns", "bank", "--ignore-not-found"}), kExitOk);
  EXPECT_EQ(out(), "");
}

TEST_F(GetTest, DescribeAsksForWhatStandsAround) {
  v1::Reply node;
  v1::Object object;
  object.mutable_node()->set_name("n1");
  Add(&node, object, 4);
  v1::Reply status;
  status.mutable_status()->add_clusters()->mutable_head()->set_cluster("aws-euw2");
  bus_.answers = {[&](const v1::Request& request) { return request.has_status() ? status : node; }};
  EXPECT_EQ(Run({"describe", "node/n1"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("Name:             n1\n"));
  EXPECT_THAT(out(), HasSubstr("never heard of"));
  bus_.answers = {Refuses(absl::StatusCode::kNotFound, "Node n9 does not exist")};
  EXPECT_EQ(Run({"describe", "node", "n9"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("Node n9 does not exist"));
}

TEST_F(GetTest, WhatIsTooMuchForOneAnswerIsNamedInTheDescription) {
  v1::Reply ns;
  Add(&ns, Namespace("shop", "red"), 4);
  bus_.answers = {[&](const v1::Request& request) {
    if (request.get().kind() != "Endpoint") return request.get().kind() == "Namespace" ? ns : v1::Reply();
    v1::Reply refused;
    refused.set_code(static_cast<uint32_t>(absl::StatusCode::kFailedPrecondition));
    refused.set_message("too many for one answer");
    return refused;
  }};
  EXPECT_EQ(Run({"describe", "ns", "shop"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("Not known:        endpoints: too many for one answer\n"));
}

// ---- -w

TEST_F(GetTest, WatchShowsTheListAndThenEveryChangeOfTheFeed) {
  v1::Reply list;
  Add(&list, Namespace("shop", "red"), 4);
  bus_.answers = {Says(list)};
  Feed(4, {Upsert(Namespace("shop", "red"))});  // in the list already
  Feed(5, {Upsert(Namespace("bank-of-england", "blue"))});
  Feed(5, {Upsert(Namespace("other", "blue"))}, "gcp-euw2");  // not this cluster
  Feed(6, {Delete(v1::KIND_NAMESPACE, "shop"), Delete(v1::KIND_NODE, "n1")});
  EXPECT_EQ(Run({"get", "ns", "-w", "--output-watch-events", "-c", "2"}), kExitOk) << err();
  EXPECT_EQ(out(),
            "EVENT   NAME   REVISION\n"
            "ADDED   shop   4\n"
            "ADDED   bank-of-england   5\n"
            "DELETED   shop              4\n");
  EXPECT_THAT(bus_.subjects[0], "trivium.v1.feed.*") << "heard before it is listed";
  EXPECT_EQ(Run({"get", "ns", "-w", "--watch-only", "-c", "1", "-o", "name"}), kExitOk) << err();
  EXPECT_EQ(out(), "namespace/bank-of-england\n");
}

TEST_F(GetTest, AGapIsHealedByListingAnew) {
  v1::Reply before, after;
  Add(&before, Namespace("shop", "red"), 4);
  Add(&after, Namespace("shop", "red"), 4);
  Add(&after, Namespace("bank", "blue"), 6);
  bus_.answers = {Says(before), Says(after)};
  Feed(7, {Upsert(Namespace("late", "red"))});  // 5 and 6 are lost; the list holds what they said
  EXPECT_EQ(Run({"get", "ns", "-w", "-c", "1"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("\nbank   6\n"));
  EXPECT_THAT(out(), Not(HasSubstr("late")));
  EXPECT_EQ(bus_.requests.size(), 2u);
}

TEST_F(GetTest, BeaconsTellOfALostEnd) {
  v1::Reply before, after;
  Add(&before, Namespace("shop", "red"), 4);
  Add(&after, Namespace("bank", "blue"), 6);
  bus_.answers = {Says(before), Says(after)};
  Beacon(4);
  Beacon(6);  // perhaps its message is still on its way
  Beacon(6);
  EXPECT_EQ(Run({"get", "ns", "-w", "-c", "2", "--output-watch-events", "-l", "team"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("DELETED   shop"));
  EXPECT_THAT(out(), HasSubstr("ADDED     bank"));
  EXPECT_EQ(bus_.requests.size(), 2u) << "the first beacon is no reason";
}

TEST_F(GetTest, WatchFollowsLabelsAndNamesOfNodes) {
  v1::Reply endpoints, nodes, identities;
  v1::Object identity;
  identity.mutable_identity()->set_id(300);
  v1::Label* label = identity.mutable_identity()->add_labels();
  label->set_key("k8s:app");
  label->set_value("web");
  Add(&identities, identity, 2);
  v1::Object node;
  node.mutable_node()->set_name("n1");
  node.mutable_node()->set_number(1);
  Add(&nodes, node, 2);
  endpoints.mutable_get()->mutable_at()->set_epoch(1);
  endpoints.mutable_get()->mutable_at()->set_revision(2);
  bus_.answers = {[&](const v1::Request& request) {
    if (request.get().kind() == "Identity") return identities;
    return request.get().kind() == "Node" ? nodes : endpoints;
  }};
  v1::Object pod;
  pod.mutable_endpoint()->mutable_meta()->set_uid(std::string(16, '\x01'));
  pod.mutable_endpoint()->set_namespace_("shop");
  pod.mutable_endpoint()->set_name("web-0");
  pod.mutable_endpoint()->set_identity(300);
  pod.mutable_endpoint()->set_node(2);
  v1::Object second = node;
  second.mutable_node()->set_name("n2");
  second.mutable_node()->set_number(2);
  Feed(3, {Upsert(second), Upsert(pod)});
  pod.mutable_endpoint()->set_identity(301);  // nobody knows its labels: they do not match
  Feed(4, {Upsert(pod)});
  EXPECT_EQ(Run({"get", "pods", "-n", "shop", "-w", "-l", "app=web", "--output-watch-events", "-c", "2"}),
            kExitOk)
      << err();
  EXPECT_THAT(out(), HasSubstr("ADDED   web-0   n2 "));
  EXPECT_THAT(out(), HasSubstr("DELETED   web-0   n2 "));
}

TEST_F(GetTest, WatchIsOfOneKindInOneCluster) {
  EXPECT_EQ(Run({"get", "ns,no", "-w"}), kExitRefused);
  EXPECT_EQ(Run({"get", "ns", "-w", "--all-clusters"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("one kind in one cluster"));
}

// ---- --dry-run

TEST_F(GetTest, DryRunsChangeNothing) {
  v1::Reply applied;
  v1::ApplyResult::Item& item = *applied.mutable_apply()->add_items();
  item.set_kind("Namespace");
  item.set_name("shop");
  item.set_action("created");
  bus_.answers = {Says(applied)};
  const char* const manifest = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";
  for (const char* flag : {"--dry-run", "--dry-run=server"}) {
    EXPECT_EQ(Run({"apply", "-f", "-", flag}, manifest), kExitOk) << err();
    EXPECT_EQ(out(), "namespace/shop created (server dry run)\n");
    EXPECT_TRUE(bus_.requests.back().apply().dry_run());
  }
  EXPECT_EQ(Run({"apply", "-f", "-", "--dry-run=none"}, manifest), kExitOk) << err();
  EXPECT_FALSE(bus_.requests.back().apply().dry_run());
  EXPECT_EQ(Run({"apply", "-f", "-", "--dry-run=client"}, manifest), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("write server or none"));

  v1::Reply endpoints;
  v1::Object pod;
  pod.mutable_endpoint()->set_namespace_("shop");
  Add(&endpoints, pod, 3);
  bus_.requests.clear();
  bus_.answers = {[&](const v1::Request& request) {
    return request.get().kind() == "Endpoint" ? endpoints : v1::Reply();
  }};
  EXPECT_EQ(Run({"delete", "ns/shop", "--dry-run=server"}), kExitOk) << err();
  EXPECT_EQ(out(), "namespace \"shop\" deleted (server dry run), and with it 1 endpoints\n");
  for (const v1::Request& request : bus_.requests) EXPECT_FALSE(request.has_delete_());
  bus_.answers = {Refuses(absl::StatusCode::kNotFound, "Namespace shop does not exist")};
  EXPECT_EQ(Run({"delete", "ns/shop", "--dry-run=server"}), kExitRefused);
}

}  // namespace
}  // namespace trivium::cli
