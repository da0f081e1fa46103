#include <set>

#include "controlplane/writer/plan_endpoint.h"
#include "controlplane/writer/planner_fixture.h"

namespace trivium {
namespace {

using absl::StatusCode;

class PlanManifestTest : public PlannerTest {};

TEST_F(PlanManifestTest, ApplyCreatesConfiguresAndLeavesAlone) {
  absl::StatusOr<Planned> planned = Do(Apply(NamespaceYaml("shop") + "---\n" + PolicyYaml("shop", "db")));
  ASSERT_TRUE(planned.ok()) << planned.status();
  ASSERT_EQ(planned->reply.apply().items_size(), 2);
  EXPECT_EQ(planned->reply.apply().items(0).kind(), "Namespace");
  EXPECT_EQ(planned->reply.apply().items(0).action(), "created");
  EXPECT_EQ(planned->reply.apply().items(1).kind(), "NetworkPolicy");
  EXPECT_EQ(planned->reply.apply().items(1).namespace_(), "shop");
  EXPECT_EQ(planned->reply.apply().items(1).name(), "db");
  EXPECT_EQ(planned->reply.apply().items(1).action(), "created");
  ASSERT_EQ(planned->manifests.size(), 2u);
  EXPECT_THAT(planned->manifests[1].second, testing::HasSubstr("kind: NetworkPolicy"));
  ASSERT_EQ(planned->audit.size(), 2u);
  EXPECT_EQ(planned->audit[1].actor, "aws:ctl:alice");
  EXPECT_EQ(planned->audit[1].verb, "apply");
  EXPECT_EQ(planned->audit[1].key, "NetworkPolicy/shop/db");
  const v1::Object* first = cluster_.mirror().Find(v1::KIND_POLICY, "NetworkPolicy/shop/db");
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(first->policy().meta().generation(), 1u);
  const std::string uid = first->policy().meta().uid();
  EXPECT_EQ(uid.size(), 16u);

  planned = Do(Apply(PolicyYaml("shop", "db")));
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->reply.apply().items(0).action(), "unchanged");
  EXPECT_TRUE(planned->audit.empty());
  EXPECT_EQ(changes_.changes_size(), 0);

  planned = Do(Apply(PolicyYaml("shop", "db", "cache")));
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->reply.apply().items(0).action(), "configured");
  const v1::Policy& second = cluster_.mirror().Find(v1::KIND_POLICY, "NetworkPolicy/shop/db")->policy();
  EXPECT_EQ(second.meta().generation(), 2u);
  EXPECT_EQ(second.meta().uid(), uid);
  ASSERT_EQ(changes_.changes_size(), 1);
  EXPECT_EQ(changes_.changes(0).actor(), "aws:ctl:alice");
  EXPECT_EQ(changes_.changes(0).source(), "test/1");
  EXPECT_EQ(changes_.changes(0).request_id().size(), 16u);
}

TEST_F(PlanManifestTest, OrderWithinARequestDoesNotMatter) {
  const absl::StatusOr<Planned> planned =
      Do(Apply(PolicyYaml("shop", "db") + "---\n" + NamespaceYaml("shop")));
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->reply.apply().items(0).name(), "db");
}

TEST_F(PlanManifestTest, PolicyInAnUnknownNamespaceIsRefusedWithAllThatCameWithIt) {
  EXPECT_THAT(Do(Apply(NamespaceYaml("shop") + "---\n" + PolicyYaml("stock", "db"))),
              Refuses(StatusCode::kFailedPrecondition,
                      "shop.yaml:7: NetworkPolicy stock/db: namespace \"stock\" does "
                      "not exist in cluster aws"));
  EXPECT_EQ(cluster_.mirror().Find(v1::KIND_NAMESPACE, "shop"), nullptr);
  EXPECT_EQ(cluster_.position().revision, 0u);
}

TEST_F(PlanManifestTest, BadYamlIsRefusedWithFileAndPlace) {
  EXPECT_THAT(Do(Apply("kind: [")), Refuses(StatusCode::kInvalidArgument, "shop.yaml"));
  EXPECT_THAT(Do(Apply(NamespaceYaml("shop") + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: x}\n")),
              Refuses(StatusCode::kInvalidArgument, "shop.yaml"));
  EXPECT_THAT(Do(v1::Request()), Refuses(StatusCode::kInvalidArgument, "writes nothing"));
  v1::Request empty;
  empty.mutable_apply();
  EXPECT_THAT(Do(empty), Refuses(StatusCode::kInvalidArgument, "no manifest"));
}

TEST_F(PlanManifestTest, TheSameObjectTwiceIsRefused) {
  v1::Request request = Apply(NamespaceYaml("shop"));
  EXPECT_THAT(Do(Apply(NamespaceYaml("shop") + "---\n" + NamespaceYaml("shop", "{a: b}"))),
              Refuses(StatusCode::kInvalidArgument, "shop.yaml:7: namespace shop"));
  v1::Manifest* other = request.mutable_apply()->add_manifests();
  other->set_file("other.yaml");
  other->set_text(NamespaceYaml("shop", "{a: b}"));
  EXPECT_THAT(Do(request),
              Refuses(StatusCode::kInvalidArgument, "other.yaml:1: namespace shop is given twice"));
}

TEST_F(PlanManifestTest, OversizedManifestIsRefused) {
  v1::Request request = Apply(NamespaceYaml("shop"));
  request.mutable_apply()->mutable_manifests(0)->mutable_text()->append(
      "#" + std::string(5 * 1024 * 1024, 'x') + "\n");
  EXPECT_THAT(Do(request), Refuses(StatusCode::kInvalidArgument, "at most 4194304"));
}

TEST_F(PlanManifestTest, ObjectAboveTheLimitIsRefused) {
  std::string yaml =
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: big, namespace: shop}\n"
      "spec:\n  podSelector: {}\n  ingress:\n  - from:\n";
  for (int i = 0; i < 30000; ++i) {
    yaml += "    - ipBlock: {cidr: 10." + std::to_string(i >> 8 & 255) + "." + std::to_string(i & 255) +
            ".0/24}\n";
  }
  ASSERT_TRUE(Do(Apply(NamespaceYaml("shop"))).ok());
  EXPECT_THAT(Do(Apply(yaml)), Refuses(StatusCode::kInvalidArgument, "policy NetworkPolicy/shop/big has"));
}

TEST_F(PlanManifestTest, RequestAboveABatchIsRefusedWhole) {
  std::string yaml;
  for (int i = 0; i < 1001; ++i) yaml += NamespaceYaml("ns" + std::to_string(i)) + "---\n";
  EXPECT_THAT(Do(Apply(yaml)), Refuses(StatusCode::kInvalidArgument, "more than 1000 objects"));
  EXPECT_EQ(cluster_.position().revision, 0u);
}

TEST_F(PlanManifestTest, NamespaceAlwaysCarriesItsName) {
  ASSERT_TRUE(Do(Apply(NamespaceYaml("shop", "{team: red}"))).ok());
  const v1::Namespace& ns = cluster_.mirror().Find(v1::KIND_NAMESPACE, "shop")->namespace_();
  EXPECT_EQ(ns.labels().at("kubernetes.io/metadata.name"), "shop");
  EXPECT_EQ(ns.labels().at("team"), "red");
}

TEST_F(PlanManifestTest, RelabelledNamespaceGivesItsEndpointsNewIdentities) {
  MakeShop();
  ASSERT_TRUE(Do(Add(1, "shop", "web-1", "n1", "10.1.1.5"), NodeCaller("n1")).ok());
  ASSERT_TRUE(Do(Add(2, "shop", "web-2", "n2", "10.1.2.5"), NodeCaller("n2")).ok());
  v1::Request db = Add(3, "shop", "db-1", "n1", "10.1.1.6", "db");
  db.mutable_add_endpoint()->set_service_account("dba");
  v1::NamedPort* port = db.mutable_add_endpoint()->add_named_ports();
  port->set_name("sql");
  port->set_protocol(v1::PROTOCOL_TCP);
  port->set_port(5432);
  ASSERT_TRUE(Do(db, NodeCaller("n1")).ok());
  const uint32_t before = FindEndpoint(1)->identity();

  ASSERT_TRUE(Do(Apply(NamespaceYaml("shop", "{team: blue}"))).ok());
  EXPECT_NE(FindEndpoint(1)->identity(), before);
  EXPECT_EQ(FindEndpoint(1)->identity(), FindEndpoint(2)->identity());
  EXPECT_THAT(IdentityOf(1).ShortDebugString(), testing::HasSubstr("blue"));
  const v1::Identity& third = IdentityOf(3);
  EXPECT_THAT(third.ShortDebugString(), testing::HasSubstr("dba"));
  ASSERT_EQ(third.named_ports_size(), 1);
  EXPECT_EQ(third.named_ports(0).port(), 5432u);
  // Namespace, two identities, three endpoints.
  EXPECT_EQ(changes_.changes_size(), 6);

  // Back again: the old identities are found, not made anew.
  ASSERT_TRUE(Do(Apply(NamespaceYaml("shop", "{team: red}"))).ok());
  EXPECT_EQ(FindEndpoint(1)->identity(), before);
  EXPECT_EQ(changes_.changes_size(), 4);
}

TEST_F(PlanManifestTest, ALargeNamespaceMovesInPiecesAndEachEndpointHasOneOfTwoIdentities) {
  MakeShop();
  constexpr uint64_t kPods = 450;
  auto ip = [](uint64_t i) {
    return "10.1." + std::to_string(1 + i / 240) + "." + std::to_string(1 + i % 240);
  };
  for (uint64_t i = 0; i < kPods; ++i) {
    const std::string node = i < 240 ? "n1" : "n2";
    ASSERT_TRUE(
        Do(Add(i, "shop", "pod-" + std::to_string(i), node, ip(i), i % 2 ? "web" : "db"), NodeCaller(node))
            .ok());
  }
  const std::set<uint32_t> before = {FindEndpoint(0)->identity(), FindEndpoint(1)->identity()};
  ASSERT_TRUE(Do(Apply(NamespaceYaml("shop", "{team: blue}"))).ok());
  // The namespace, its two new identities, and as many endpoints as the piece has room for.
  EXPECT_EQ(changes_.changes_size(), 1 + static_cast<int>(kMovesInOnePiece));
  std::vector<size_t> moved;
  std::set<uint32_t> after;
  while (true) {
    size_t count = 0;
    for (uint64_t i = 0; i < kPods; ++i) {
      const uint32_t identity = FindEndpoint(i)->identity();
      if (before.contains(identity)) continue;
      ++count;
      after.insert(identity);
      EXPECT_THAT(IdentityOf(i).ShortDebugString(), testing::HasSubstr(i % 2 ? "\"web\"" : "\"db\""));
      EXPECT_THAT(IdentityOf(i).ShortDebugString(), testing::HasSubstr("blue"));
    }
    moved.push_back(count);
    const v1::Changes changes = CommitPlan(&cluster_, [&](Draft* draft) {
      EXPECT_TRUE(planner_.PlanMoveEndpoints("shop", CallerOf("cp", "cp1"), draft).ok());
    });
    if (changes.changes().empty()) break;
    EXPECT_LE(changes.changes_size(), static_cast<int>(kMovesInOnePiece));
  }
  EXPECT_EQ(moved, (std::vector<size_t>{198, 398, 450}));
  EXPECT_EQ(after.size(), 2u) << "a label set has two identities";
}

TEST_F(PlanManifestTest, DryRunTellsButChangesNothing) {
  v1::Request request = Apply(NamespaceYaml("shop"));
  request.mutable_apply()->set_dry_run(true);
  const absl::StatusOr<Planned> planned = Do(request);
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->reply.apply().items(0).action(), "created");
  EXPECT_TRUE(planned->audit.empty());
  EXPECT_EQ(cluster_.mirror().Find(v1::KIND_NAMESPACE, "shop"), nullptr);
}

TEST_F(PlanManifestTest, DefaultNamespaceOfTheRequest) {
  ASSERT_TRUE(Do(Apply(NamespaceYaml("shop"))).ok());
  ASSERT_TRUE(Do(Apply(PolicyYaml("", "db"), "shop")).ok());
  EXPECT_NE(cluster_.mirror().Find(v1::KIND_POLICY, "NetworkPolicy/shop/db"), nullptr);
  EXPECT_THAT(Do(Apply(PolicyYaml("", "db"))),
              Refuses(StatusCode::kFailedPrecondition, "namespace \"default\""));
  EXPECT_THAT(Do(Apply(PolicyYaml("", "db"), "No Name")), Refuses(StatusCode::kInvalidArgument, "No Name"));
}

TEST_F(PlanManifestTest, DeletePolicy) {
  ASSERT_TRUE(Do(Apply(NamespaceYaml("shop") + "---\n" + PolicyYaml("shop", "db"))).ok());
  const absl::StatusOr<Planned> planned = Do(Delete("netpol", "shop", "db"));
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->audit.at(0).verb, "delete");
  EXPECT_EQ(planned->audit.at(0).key, "NetworkPolicy/shop/db");
  EXPECT_EQ(cluster_.mirror().Find(v1::KIND_POLICY, "NetworkPolicy/shop/db"), nullptr);
  EXPECT_THAT(Do(Delete("NetworkPolicy", "shop", "db")),
              Refuses(StatusCode::kNotFound, "NetworkPolicy shop/db does not exist in cluster aws"));
}

TEST_F(PlanManifestTest, DeleteNamespaceTakesWhatIsInIt) {
  MakeShop();
  ASSERT_TRUE(Do(Apply(NamespaceYaml("other") + "---\n" + PolicyYaml("other", "p") + "---\n" +
                       PolicyYaml("shop", "db") + "---\n" + PolicyYaml("shop", "web")))
                  .ok());
  ASSERT_TRUE(Do(Add(1, "shop", "web-1", "n1", "10.1.1.5"), NodeCaller("n1")).ok());
  ASSERT_TRUE(Do(Add(2, "other", "web-1", "n1", "10.1.1.6"), NodeCaller("n1")).ok());
  ASSERT_TRUE(Do(Delete("ns", "", "shop")).ok());
  EXPECT_EQ(changes_.changes_size(), 4);
  EXPECT_EQ(FindEndpoint(1), nullptr);
  EXPECT_NE(FindEndpoint(2), nullptr);
  EXPECT_EQ(cluster_.mirror().All(v1::KIND_POLICY).size(), 1u);
  EXPECT_EQ(cluster_.mirror().Find(v1::KIND_NAMESPACE, "shop"), nullptr);
  EXPECT_THAT(Do(Delete("ns", "", "shop")), Refuses(StatusCode::kNotFound, "Namespace shop"));
  EXPECT_THAT(Do(Delete("ns", "", "default")), Refuses(StatusCode::kInvalidArgument, "default"));
}

TEST_F(PlanManifestTest, DeleteOfWhatCannotBeDeleted) {
  EXPECT_THAT(Do(Delete("gadget", "", "x")),
              Refuses(StatusCode::kInvalidArgument, "want one of NetworkPolicy"));
  EXPECT_THAT(Do(Delete("identity", "", "300")), Refuses(StatusCode::kInvalidArgument, "not possible"));
  EXPECT_THAT(Do(Delete("endpoint", "shop", "x")),
              Refuses(StatusCode::kInvalidArgument, "agent of their node"));
  EXPECT_THAT(Do(Delete("netpol", "shop", "")), Refuses(StatusCode::kInvalidArgument, "a name is missing"));
}

}  // namespace
}  // namespace trivium
