// Whole command lines against a bus that answers as a control plane would.
#include "cli/commands.h"

#include "cli/commands_fixture.h"

namespace trivium::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPolicy[] =
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db, namespace: shop}\n"
    "spec: {podSelector: {}}\n";
constexpr char kNamespace[] = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n";

v1::Reply Applied(uint64_t revision) {
  v1::Reply reply;
  reply.set_epoch(1);
  reply.set_revision(revision);
  v1::ApplyResult::Item& item = *reply.mutable_apply()->add_items();
  item.set_kind("NetworkPolicy");
  item.set_namespace_("shop");
  item.set_name("db");
  item.set_action(revision == 0 ? "unchanged" : "created");
  return reply;
}

v1::Reply Waited(bool done, const std::string& reason) {
  v1::Reply reply;
  reply.mutable_wait()->set_done(done);
  reply.mutable_wait()->set_nodes(2);
  if (!done) {
    v1::Laggard& laggard = *reply.mutable_wait()->add_laggards();
    laggard.set_node("n2");
    laggard.set_revision(6);
    laggard.set_reason(reason);
  }
  return reply;
}

TEST_F(CommandsTest, ApplySendsTheFileAndPrintsAsKubectlDoes) {
  bus_.answers = {Says(Applied(7))};
  EXPECT_EQ(Run({"apply", "-f", Write("db.yaml", kPolicy)}), kExitOk) << err();
  EXPECT_EQ(out(), "networkpolicy.networking.k8s.io/db created\n");
  EXPECT_THAT(bus_.subjects, ElementsAre("trivium.v1.rpc.aws-euw2.aws-euw2:ctl:admin.api.apply"));
  ASSERT_EQ(bus_.requests[0].apply().manifests_size(), 1);
  EXPECT_EQ(bus_.requests[0].apply().manifests(0).text(), kPolicy);
  EXPECT_EQ(bus_.requests[0].request_id().size(), 16u);
  EXPECT_THAT(bus_.requests[0].source(), HasSubstr("triviumctl/"));
}

TEST_F(CommandsTest, ReachabilityIsRefreshedAndSaysOfWhen) {
  v1::Reply refreshed;
  refreshed.mutable_refresh_reachability()->set_rows(1234);
  for (const char* cluster : {"aws-euw2", "gcp-euw2"}) {
    v1::Head* head = refreshed.mutable_refresh_reachability()->add_at();
    head->set_cluster(cluster);
    head->set_epoch(1);
    head->set_revision(42);
  }
  bus_.answers = {Says(refreshed)};
  EXPECT_EQ(Run({"reachability", "refresh"}), kExitOk) << err();
  EXPECT_EQ(
      out(),
      "cluster aws-euw2: 1234 rows\n  at aws-euw2 epoch 1, revision 42\n  at gcp-euw2 epoch 1, revision "
      "42\n");
  EXPECT_THAT(bus_.subjects,
              ElementsAre("trivium.v1.rpc.aws-euw2.aws-euw2:ctl:admin.api.refresh-reachability"));
  EXPECT_EQ(Run({"reachability"}), kExitUsage);
}

TEST_F(CommandsTest, ANewEpochIsConfirmedByTheClustersName) {
  v1::Reply bumped;
  bumped.mutable_bump_epoch()->mutable_before()->set_epoch(3);
  bumped.mutable_bump_epoch()->mutable_after()->set_epoch(1700000000);
  bumped.mutable_bump_epoch()->mutable_after()->set_revision(42);
  bus_.answers = {Says(bumped)};
  const std::vector<std::string> bump = {"admin",    "bump-epoch", "--cluster",
                                         "gcp-euw2", "--reason",   "a drill"};
  EXPECT_EQ(Run(bump, "gcp-euw1\n"), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("not confirmed: nothing was done"));
  EXPECT_EQ(Run(bump, ""), kExitRefused);
  EXPECT_THAT(bus_.requests, IsEmpty());
  EXPECT_EQ(Run(bump, "gcp-euw2\n"), kExitOk) << err();
  EXPECT_EQ(out(), "cluster gcp-euw2: epoch 3 -> 1700000000, revision 42\n");
  EXPECT_THAT(bus_.subjects, ElementsAre("trivium.v1.rpc.gcp-euw2.gcp-euw2:ctl:admin.api.bump-epoch"));
  EXPECT_EQ(bus_.requests[0].bump_epoch().reason(), "a drill");
  // Where nobody can be asked, nothing is taken for a yes.
  interactive_ = false;
  EXPECT_EQ(Run(bump, "gcp-euw2\n"), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("--yes"));
  EXPECT_EQ(bus_.requests.size(), 1u);
  std::vector<std::string> sure = bump;
  sure.push_back("--yes");
  EXPECT_EQ(Run(sure), kExitOk) << err();
  EXPECT_EQ(Run({"admin", "bump-epoch", "--reason", "x", "--yes"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("--cluster NAME"));
  EXPECT_EQ(Run({"admin", "bump-epoch", "--cluster", "gcp-euw2", "--yes"}), kExitUsage) << "no reason";
}

TEST_F(CommandsTest, ApplyTakesFoldersAndStandardInput) {
  bus_.answers = {Says(Applied(7))};
  Write("sub/1.yaml", kNamespace);
  Write("sub/2.yml", kPolicy);
  Write("sub/readme.txt", "not a manifest");
  EXPECT_EQ(Run({"apply", "-f", (folder_ / "sub").string(), "-f", "-"}, kPolicy), kExitOk) << err();
  ASSERT_EQ(bus_.requests.size(), 1u);
  ASSERT_EQ(bus_.requests[0].apply().manifests_size(), 3);
  EXPECT_THAT(bus_.requests[0].apply().manifests(0).file(), HasSubstr("sub/1.yaml"));
  EXPECT_EQ(bus_.requests[0].apply().manifests(2).file(), "<stdin>");
}

TEST_F(CommandsTest, ABadManifestIsRefusedBeforeAnythingIsSent) {
  bus_.answers = {Says(Applied(7))};
  const std::string good = Write("1.yaml", kPolicy);
  const std::string bad = Write("2.yaml",
                                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: x}\n"
                                "spec: {podSelectors: {}}\n");
  EXPECT_EQ(Run({"apply", "-f", good, "-f", bad}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("2.yaml"));
  EXPECT_THAT(err(), HasSubstr("podSelectors"));
  EXPECT_THAT(bus_.requests, IsEmpty());
  EXPECT_EQ(Run({"apply", "-f", (folder_ / "no.yaml").string()}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("no.yaml"));
  EXPECT_EQ(Run({"apply", "-f", (folder_ / "sub").string()}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("no *.yaml"));
}

TEST_F(CommandsTest, WhatOneBatchCannotHoldIsSentInPiecesOfWholeDocuments) {
  std::string many;
  for (int i = 0; i < 450; ++i) {
    many += "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: ns" + std::to_string(i) + "}\n";
  }
  bus_.answers = {Says(Applied(7))};
  EXPECT_EQ(Run({"apply", "-f", Write("many.yaml", many)}), kExitOk) << err();
  ASSERT_EQ(bus_.requests.size(), 3u);
  EXPECT_EQ(bus_.requests[0].apply().manifests_size(), 200);
  EXPECT_EQ(bus_.requests[2].apply().manifests_size(), 50);
  EXPECT_THAT(bus_.requests[2].apply().manifests(49).text(), HasSubstr("ns449"));
}

TEST_F(CommandsTest, ApplyWaitReturnsWhenAllEnforceIt) {
  bus_.answers = {Says(Applied(7)), Says(Waited(true, ""))};
  EXPECT_EQ(Run({"apply", "--wait", "-f", "-"}, kPolicy), kExitOk) << err();
  EXPECT_EQ(bus_.requests[1].wait().revision(), 7u);
  EXPECT_THAT(out(), HasSubstr("enforced on all 2 nodes of aws-euw2 (revision 7)"));
}

TEST_F(CommandsTest, ApplyWaitOfSomethingUnchangedWaitsForTheHead) {
  v1::Reply status;
  v1::Head& head = *status.mutable_status()->add_clusters()->mutable_head();
  head.set_cluster("aws-euw2");
  head.set_epoch(1);
  head.set_revision(41);
  bus_.answers = {Says(Applied(0)), Says(status), Says(Waited(true, ""))};
  EXPECT_EQ(Run({"apply", "--wait", "-f", "-"}, kPolicy), kExitOk) << err();
  EXPECT_EQ(bus_.requests.back().wait().revision(), 41u);
}

TEST_F(CommandsTest, ApplyWaitNamesLaggardsAndSaysWhichKindTheyAre) {
  bus_.answers = {Says(Applied(7)), Says(Waited(false, "policy map full"))};
  EXPECT_EQ(Run({"apply", "--wait", "-f", "-"}, kPolicy), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("n2: not enforced: policy map full"));
  bus_.answers = {Says(Applied(7)), Says(Waited(false, ""))};
  EXPECT_EQ(Run({"apply", "--wait", "--timeout", "2s", "-f", "-"}, kPolicy), kExitTimedOut);
  EXPECT_THAT(err(), HasSubstr("n2: late: enforces revision 6 of 7, never heard of"));
  EXPECT_EQ(bus_.requests.back().deadline_ms() <= 2000u, true);
}

TEST_F(CommandsTest, ALostAnswerIsAskedForAgainUnderTheSameRequestId) {
  bus_.answers = {Fails(absl::DeadlineExceededError("no answer")),
                  Fails(absl::UnavailableError("nobody serves it")), Says(Applied(7))};
  EXPECT_EQ(Run({"apply", "-f", "-"}, kPolicy), kExitOk) << err();
  ASSERT_EQ(bus_.requests.size(), 3u);
  EXPECT_EQ(bus_.requests[0].request_id(), bus_.requests[2].request_id());
}

TEST_F(CommandsTest, NobodyThereAndARefusalHaveDifferentExitStatus) {
  bus_.answers = {Fails(absl::UnavailableError("nobody serves it"))};
  EXPECT_EQ(Run({"apply", "--timeout", "300ms", "-f", "-"}, kPolicy), kExitUnreachable);
  EXPECT_THAT(err(), HasSubstr("hint: "));
  bus_.answers = {Refuses(absl::StatusCode::kInvalidArgument, "spec.x: unknown")};
  const size_t before = bus_.requests.size();
  EXPECT_EQ(Run({"apply", "-f", "-"}, kPolicy), kExitRefused);
  EXPECT_EQ(err(), "error: spec.x: unknown\n");
  EXPECT_EQ(bus_.requests.size(), before + 1);  // a refusal is not retried
}

TEST_F(CommandsTest, WrongUsageIsExitTwo) {
  EXPECT_EQ(Run({"apply"}), kExitUsage);
  EXPECT_EQ(Run({"get", "netpol", "-o", "xml"}), kExitUsage);
  EXPECT_EQ(Run({"frobnicate"}), kExitUsage);
}

TEST_F(CommandsTest, DeleteByNameAndByManifestInReverse) {
  v1::Reply done;
  done.set_revision(8);
  bus_.answers = {Says(done)};
  EXPECT_EQ(Run({"delete", "netpol", "db", "-n", "shop"}), kExitOk) << err();
  EXPECT_EQ(out(), "networkpolicy.networking.k8s.io \"db\" deleted\n");
  EXPECT_EQ(bus_.requests[0].delete_().kind(), "NetworkPolicy");
  EXPECT_EQ(bus_.requests[0].delete_().namespace_(), "shop");
  EXPECT_EQ(Run({"delete", "-f", "-"}, std::string(kNamespace) + "---\n" + kPolicy), kExitOk) << err();
  EXPECT_EQ(out(), "networkpolicy.networking.k8s.io \"db\" deleted\nnamespace \"shop\" deleted\n");
  EXPECT_EQ(Run({"delete", "netpol"}), kExitRefused);
  EXPECT_EQ(Run({"delete"}), kExitRefused);
}

TEST_F(CommandsTest, DeleteByManifestNamesEachKind) {
  bus_.answers = {Says(v1::Reply())};
  const char* const manifests =
      "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: shop}\n"
      "spec: {externalCIDRs: [10.0.0.0/8]}\n---\n"
      "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: db}\n"
      "spec: {endpointSelector: {}, ingress: [{}]}\n---\n"
      "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: all}\n"
      "spec: {endpointSelector: {}, ingress: [{}]}\n";
  EXPECT_EQ(Run({"delete", "-f", "-", "-n", "stock"}, manifests), kExitOk) << err();
  EXPECT_EQ(out(),
            "ciliumclusterwidenetworkpolicy.cilium.io \"all\" deleted\n"
            "ciliumnetworkpolicy.cilium.io \"db\" deleted\n"
            "ciliumcidrgroup.cilium.io \"shop\" deleted\n");
  std::vector<std::string> asked;
  for (const v1::Request& request : bus_.requests) {
    const v1::DeleteRequest& one = request.delete_();
    asked.push_back(absl::StrCat(one.kind(), " ", one.namespace_(), "/", one.name()));
  }
  EXPECT_THAT(asked, ElementsAre("CiliumClusterwideNetworkPolicy /all", "CiliumNetworkPolicy stock/db",
                                 "CiliumCIDRGroup /shop"));
}

TEST_F(CommandsTest, DeletingWhatIsNotThere) {
  bus_.answers = {Refuses(absl::StatusCode::kNotFound, "networkpolicy shop/db not found")};
  EXPECT_EQ(Run({"delete", "netpol", "db"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("not found"));
  EXPECT_EQ(Run({"delete", "netpol", "db", "--ignore-not-found"}), kExitOk);
}

TEST_F(CommandsTest, GetAsksForTheNamespaceAndExplainsEndpoints) {
  v1::Reply endpoints;
  v1::Endpoint& endpoint =
      *endpoints.mutable_get()->add_items()->mutable_object()->mutable_object()->mutable_endpoint();
  endpoint.set_name("cart");
  endpoint.set_node(3);
  v1::Reply nodes;
  v1::Node& node = *nodes.mutable_get()->add_items()->mutable_object()->mutable_object()->mutable_node();
  node.set_name("n1");
  node.set_number(3);
  bus_.answers = {
      [&](const v1::Request& request) { return request.get().kind() == "Node" ? nodes : endpoints; }};
  EXPECT_EQ(Run({"get", "ep", "-n", "shop"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("cart   n1"));
  EXPECT_EQ(bus_.requests[0].get().namespace_(), "shop");
  EXPECT_EQ(Run({"get", "ep", "-A"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("NAMESPACE"));
  EXPECT_EQ(Run({"get", "ep", "cart", "-A"}), kExitRefused);
}

TEST_F(CommandsTest, WhatIsDeletedBetweenListAndManifestStaysAsListed) {
  v1::Reply list;
  list.mutable_get()->add_items()->mutable_object()->mutable_object()->mutable_policy()->set_name("db");
  bus_.answers = {Says(list), Refuses(absl::StatusCode::kNotFound, "gone")};
  EXPECT_EQ(Run({"get", "netpol", "-o", "json"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("\"name\": \"db\""));
}

TEST_F(CommandsTest, GetOfAnUnknownClusterIsAskedOfOurOwnControlPlane) {
  bus_.answers = {Says(v1::Reply())};
  EXPECT_EQ(Run({"get", "netpol", "--cluster", "azure-uks"}), kExitOk) << err();
  EXPECT_EQ(bus_.requests[0].get().cluster(), "azure-uks");
  EXPECT_THAT(bus_.subjects[0], HasSubstr(".aws-euw2."));
  EXPECT_THAT(err(), HasSubstr("No resources found"));
  EXPECT_EQ(Run({"get", "netpol", "--cluster", "gcp-euw2"}), kExitOk) << err();
  EXPECT_THAT(bus_.subjects[1], HasSubstr(".gcp-euw2."));
}

TEST_F(CommandsTest, GetAsYamlGivesBackTheManifest) {
  v1::Reply list;
  v1::Policy& policy = *list.mutable_get()->add_items()->mutable_object()->mutable_object()->mutable_policy();
  policy.set_name("db");
  policy.set_namespace_("shop");
  v1::Reply one = list;
  one.mutable_get()->mutable_items(0)->set_manifest(kPolicy);
  bus_.answers = {[&](const v1::Request& request) { return request.get().name().empty() ? list : one; }};
  EXPECT_EQ(Run({"get", "netpol", "-n", "shop", "-o", "yaml"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("kind: List"));
  EXPECT_THAT(out(), HasSubstr("podSelector: {}"));
  EXPECT_EQ(Run({"get", "netpol", "db", "-n", "shop", "-o", "json"}), kExitOk) << err();
  EXPECT_THAT(out(), HasSubstr("\"podSelector\": {}"));
}

TEST_F(CommandsTest, StatusAsksEveryClusterAndSaysWhoIsSilent) {
  v1::Reply status;
  status.mutable_status()->set_instance("cp1");
  status.mutable_status()->add_clusters()->mutable_head()->set_cluster("aws-euw2");
  v1::Reply seen;
  seen.mutable_get()->add_items()->mutable_object()->mutable_object()->mutable_liveness()->set_cluster(
      "gcp-euw2");
  bus_.answers = {Says(status), Says(seen), Refuses(absl::StatusCode::kInternal, "broken")};
  EXPECT_EQ(Run({"status"}), kExitRefused);
  EXPECT_THAT(out(), HasSubstr("unreachable: gcp-euw2: broken"));
  EXPECT_THAT(out(), HasSubstr("down: cluster gcp-euw2, as aws-euw2 sees it"));
  EXPECT_EQ(bus_.requests.size(), 3u);
}

TEST_F(CommandsTest, StatusOfAnOlderControlPlane) {
  v1::Reply status;
  status.mutable_status()->set_instance("cp1");
  bus_.answers = {Says(status), Refuses(absl::StatusCode::kInvalidArgument, "unknown kind"), Says(status),
                  Refuses(absl::StatusCode::kInvalidArgument, "unknown kind")};
  EXPECT_EQ(Run({"status"}), kExitOk) << err();
  EXPECT_THAT(out(), Not(HasSubstr("down")));
}

TEST_F(CommandsTest, AnEndpointNeedsAnAgent) {
  EXPECT_EQ(Run({"endpoint", "add", "shop/cart", "--ip", "10.1.1.5", "--ifname", "lxc1", "--pod-mac",
                 "02:00:00:00:00:01", "--socket", (folder_ / "no.sock").string()}),
            kExitUnreachable);
  EXPECT_THAT(err(), HasSubstr("no agent answers at"));
  EXPECT_EQ(Run({"endpoint", "add", "cart", "--ip", "10.1.1.5", "--ifname", "lxc1", "--pod-mac",
                 "02:00:00:00:00:01"}),
            kExitRefused);
  EXPECT_THAT(err(), HasSubstr("NAMESPACE/NAME"));
  EXPECT_EQ(Run({"endpoint", "add", "shop/cart", "--ip", "10.1.1.5/32", "--ifname", "lxc1", "--pod-mac",
                 "02:00:00:00:00:01"}),
            kExitRefused);
  EXPECT_THAT(err(), HasSubstr("'10.1.1.5/32' is no IP address"));
}

TEST_F(CommandsTest, Version) {
  EXPECT_EQ(Run({"version"}), kExitOk);
  EXPECT_THAT(out(), HasSubstr("triviumctl " TRIVIUM_VERSION));
}

// ---- policy trace

TEST_F(CommandsTest, TraceAsksForBothEndsAndPrintsTheAnswer) {
  v1::Reply reply;
  reply.mutable_trace()->set_verdict("denied");
  reply.mutable_trace()->set_from("aws-euw2/shop/web");
  reply.mutable_trace()->mutable_ingress()->set_reason("denied by me");
  bus_.answers = {Says(reply)};
  ASSERT_EQ(Run({"policy", "trace", "--from", "shop/web", "--to", "data/db@gcp-euw2", "--dport", "53/udp"}),
            0)
      << err();
  EXPECT_THAT(bus_.subjects, ElementsAre("trivium.v1.rpc.aws-euw2.aws-euw2:ctl:admin.api.trace"));
  const v1::TraceRequest& asked = bus_.requests.at(0).trace();
  EXPECT_EQ(asked.from().pod().namespace_(), "shop");
  EXPECT_EQ(asked.from().pod().cluster(), "");
  EXPECT_EQ(asked.to().pod().name(), "db");
  EXPECT_EQ(asked.to().pod().cluster(), "gcp-euw2");
  EXPECT_EQ(asked.protocol(), v1::PROTOCOL_UDP);
  EXPECT_EQ(asked.port(), 53u);
  EXPECT_THAT(out(), HasSubstr("verdict:  denied"));
  EXPECT_THAT(out(), HasSubstr("denied by me"));
  ASSERT_EQ(Run({"policy", "trace", "--from-labels", "app=web,tier=front", "--from-namespace", "shop",
                 "--to-ip", "203.0.113.9", "--dport", "https", "-o", "json"}),
            0);
  const v1::TraceRequest& labels = bus_.requests.at(1).trace();
  EXPECT_EQ(labels.from().labels().labels().at("tier"), "front");
  EXPECT_EQ(labels.to().ip().size(), 4u);
  EXPECT_EQ(labels.port_name(), "https");
  EXPECT_THAT(out(), HasSubstr("\"verdict\": \"denied\""));
  ASSERT_EQ(
      Run({"policy", "trace", "--from-entity", "remote-node", "--to", "shop/web", "--dport", "8/ICMPv6"}), 0);
  EXPECT_EQ(bus_.requests.at(2).trace().from().entity(), v1::ENTITY_REMOTE_NODE);
  EXPECT_EQ(bus_.requests.at(2).trace().protocol(), v1::PROTOCOL_ICMPV6);
}

TEST_F(CommandsTest, TraceRefusesWhatMakesNoSense) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--to", "a/b", "--dport", "80"}, "give one of --from, --from-labels"},
      {{"--from", "a/b", "--from-ip", "10.0.0.1", "--to", "a/b", "--dport", "80"}, "give one of --from"},
      {{"--from", "web", "--to", "a/b", "--dport", "80"}, "write NAMESPACE/NAME[@CLUSTER]"},
      {{"--from", "a/b", "--to", "a/b", "--dport", "80/GRE"}, "'GRE' is no protocol"},
      {{"--from", "a/b", "--to-entity", "mars", "--dport", "80"}, "'mars' is no entity"},
  };
  for (const auto& [words, message] : cases) {
    std::vector<std::string> line = {"policy", "trace"};
    line.insert(line.end(), words.begin(), words.end());
    EXPECT_NE(Run(line), 0);
    EXPECT_THAT(err(), HasSubstr(message));
  }
  EXPECT_THAT(bus_.requests, IsEmpty());
}

// ---- monitor

v1::FlowEvents Flows(uint64_t sequence, uint64_t lost, const std::string& source) {
  v1::FlowEvents flows;
  flows.set_cluster("aws-euw2");
  flows.set_node("n1");
  flows.set_sequence(sequence);
  flows.set_lost(lost);
  v1::FlowEvent* event = flows.add_events();
  event->set_reason_name("policy denied: no rule allows it");
  event->set_source(source);
  event->set_source_identity(513);
  event->set_source_ip(std::string("\x0a\x02\x00\x05", 4));
  event->set_destination("aws-euw2/data/db");
  event->set_destination_identity(300);
  event->set_destination_ip(std::string("\x0a\x01\x00\x06", 4));
  event->set_destination_port(5432);
  event->set_protocol(v1::PROTOCOL_TCP);
  return flows;
}

TEST_F(CommandsTest, MonitorShowsEventsWithTheNamesThatNodesDoNotKnow) {
  v1::Reply reply;
  reply.mutable_trace()->set_from("gcp-euw2/shop/web");
  reply.mutable_trace()->set_from_identity(513);
  bus_.answers = {Says(reply)};
  bus_.stream = {Flows(1, 0, "").SerializeAsString(), Flows(2, 7, "").SerializeAsString(), "garbage",
                 Flows(5, 0, "host").SerializeAsString()};
  bus_.not_yet_connected = 2;
  ASSERT_EQ(Run({"monitor", "-c", "3"}), 0) << err();
  EXPECT_THAT(bus_.subjects.at(0), "trivium.v1.flow.aws-euw2.*");
  EXPECT_THAT(out(),
              HasSubstr("n1 DROPPED ingress gcp-euw2/shop/web (513) 10.2.0.5 -> aws-euw2/data/db (300) "
                        "10.1.0.6:5432 TCP: policy denied"));
  EXPECT_THAT(out(), HasSubstr("host (513)"));
  EXPECT_EQ(bus_.requests.size(), 1u) << "a name is remembered";
  EXPECT_EQ(bus_.requests.at(0).trace().from().ip().size(), 4u);
  EXPECT_THAT(err(), HasSubstr("lost: 7 events on n1"));
  EXPECT_THAT(err(), HasSubstr("lost: 2 messages of n1"));
}

TEST_F(CommandsTest, MonitorFiltersAndDoesWithoutNames) {
  bus_.answers = {Fails(absl::InvalidArgumentError("no such thing"))};
  bus_.stream = {Flows(1, 0, "").SerializeAsString(), Flows(2, 0, "aws-euw2/shop/cart").SerializeAsString()};
  ASSERT_EQ(Run({"monitor", "--node", "n1", "--from", "shop/", "--port", "5432", "-c", "1", "-o", "json"}), 0)
      << err();
  EXPECT_THAT(bus_.subjects.at(0), "trivium.v1.flow.aws-euw2.n1");
  EXPECT_THAT(out(), HasSubstr("\"source\":\"aws-euw2/shop/cart\""));
  EXPECT_THAT(out(), testing::Not(HasSubstr("\"source\":\"\"")));
  // Whoever has the address now is not meant by another identity.
  v1::Reply other;
  other.mutable_trace()->set_from("gcp-euw2/shop/thief");
  other.mutable_trace()->set_from_identity(999);
  bus_.answers = {Says(other)};
  ASSERT_EQ(Run({"monitor", "-c", "1"}), 0);
  EXPECT_THAT(out(), HasSubstr("? (513) 10.2.0.5"));
  EXPECT_EQ(Run({"monitor", "--node", "a.b", "-c", "1"}), kExitRefused);
  EXPECT_NE(Run({"monitor", "--verdict", "forwarded"}), 0);
}

}  // namespace
}  // namespace trivium::cli
