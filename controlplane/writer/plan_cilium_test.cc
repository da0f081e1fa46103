// Cilium's kinds through the planner: applied in one change, kept apart by kind, deleted.
#include "controlplane/writer/planner_fixture.h"

namespace trivium {
namespace {

using absl::StatusCode;

constexpr char kGroup[] =
    "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: partners, labels: {team: edge}}\n"
    "spec: {externalCIDRs: [192.0.2.0/24]}\n";
constexpr char kNamespaced[] =
    "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: db, namespace: shop}\n"
    "spec: {endpointSelector: {}, egress: [{toCIDRSet: [{cidrGroupRef: partners}]}]}\n";
constexpr char kClusterwide[] =
    "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: db}\n"
    "spec: {endpointSelector: {}, ingress: [{}]}\n";

class PlanCiliumTest : public PlannerTest {
 protected:
  void SetUp() override { ASSERT_TRUE(Do(Apply(NamespaceYaml("shop"))).ok()); }
  const v1::Object* Find(v1::Kind kind, const std::string& key) { return cluster_.mirror().Find(kind, key); }
};

TEST_F(PlanCiliumTest, AGroupAndThePoliciesThatUseItAreOneChange) {
  const absl::StatusOr<Planned> planned =
      Do(Apply(std::string(kNamespaced) + "---\n" + kGroup + "---\n" + kClusterwide));
  ASSERT_TRUE(planned.ok()) << planned.status();
  ASSERT_EQ(planned->reply.apply().items_size(), 3);
  EXPECT_EQ(planned->reply.apply().items(0).kind(), "CiliumNetworkPolicy");
  EXPECT_EQ(planned->reply.apply().items(0).namespace_(), "shop");
  EXPECT_EQ(planned->reply.apply().items(1).kind(), "CiliumCIDRGroup");
  EXPECT_EQ(planned->reply.apply().items(1).name(), "partners");
  EXPECT_EQ(planned->reply.apply().items(1).namespace_(), "");
  EXPECT_EQ(planned->reply.apply().items(2).kind(), "CiliumClusterwideNetworkPolicy");
  EXPECT_EQ(planned->reply.apply().items(2).namespace_(), "");
  EXPECT_EQ(changes_.changes_size(), 3);
  const v1::Object* group = Find(v1::KIND_CIDR_GROUP, "partners");
  ASSERT_NE(group, nullptr);
  EXPECT_EQ(group->cidr_group().cidrs_size(), 1);
  EXPECT_EQ(group->cidr_group().meta().generation(), 1u);
  EXPECT_EQ(group->cidr_group().labels().at("team"), "edge");
  EXPECT_NE(Find(v1::KIND_POLICY, "CiliumNetworkPolicy/shop/db"), nullptr);
  EXPECT_NE(Find(v1::KIND_POLICY, "CiliumClusterwideNetworkPolicy//db"), nullptr);
  // Their texts are kept, and who wrote them.
  ASSERT_EQ(planned->manifests.size(), 3u);
  EXPECT_EQ(planned->manifests[1].first, (ObjectKey{v1::KIND_CIDR_GROUP, "partners"}));
  EXPECT_THAT(planned->manifests[1].second, testing::HasSubstr("externalCIDRs"));
  ASSERT_EQ(planned->audit.size(), 3u);
  EXPECT_EQ(planned->audit[1].key, "partners");
}

TEST_F(PlanCiliumTest, AGroupIsConfiguredAndLeftAlone) {
  ASSERT_TRUE(Do(Apply(kGroup)).ok());
  absl::StatusOr<Planned> planned = Do(Apply(kGroup));
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->reply.apply().items(0).action(), "unchanged");
  EXPECT_EQ(changes_.changes_size(), 0);
  std::string other = kGroup;
  other.replace(other.find("edge"), 4, "core");  // labels are part of what selects it
  planned = Do(Apply(other));
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->reply.apply().items(0).action(), "configured");
  EXPECT_EQ(Find(v1::KIND_CIDR_GROUP, "partners")->cidr_group().meta().generation(), 2u);
}

TEST_F(PlanCiliumTest, ABadDocumentRefusesTheGoodOnesBesideIt) {
  const std::string bad =
      "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: web, namespace: shop}\n"
      "spec: {endpointSelector: {}, egress: [{toFQDNs: [{matchName: a.example}]}]}\n";
  EXPECT_THAT(Do(Apply(std::string(kGroup) + "---\n" + bad)),
              Refuses(StatusCode::kInvalidArgument, "shop.yaml:9: spec.egress[0].toFQDNs"));
  EXPECT_EQ(Find(v1::KIND_CIDR_GROUP, "partners"), nullptr);
}

TEST_F(PlanCiliumTest, ANamespacePolicyNeedsItsNamespace) {
  std::string elsewhere = kNamespaced;
  elsewhere.replace(elsewhere.find("shop"), 4, "gone");
  EXPECT_THAT(Do(Apply(elsewhere)),
              Refuses(StatusCode::kFailedPrecondition,
                      "CiliumNetworkPolicy gone/db: namespace \"gone\" does not exist in cluster aws"));
}

TEST_F(PlanCiliumTest, PoliciesOfOneNameAndDifferentKindsAreApart) {
  ASSERT_TRUE(
      Do(Apply(std::string(kNamespaced) + "---\n" + kClusterwide + "---\n" + PolicyYaml("shop", "db"))).ok());
  // A clusterwide policy has no namespace, whatever the request says.
  ASSERT_TRUE(Do(Delete("ccnp", "shop", "db")).ok());
  EXPECT_EQ(Find(v1::KIND_POLICY, "CiliumClusterwideNetworkPolicy//db"), nullptr);
  EXPECT_NE(Find(v1::KIND_POLICY, "CiliumNetworkPolicy/shop/db"), nullptr);
  ASSERT_TRUE(Do(Delete("cnp", "shop", "db")).ok());
  EXPECT_EQ(Find(v1::KIND_POLICY, "CiliumNetworkPolicy/shop/db"), nullptr);
  EXPECT_NE(Find(v1::KIND_POLICY, "NetworkPolicy/shop/db"), nullptr);
  EXPECT_THAT(Do(Delete("ccnp", "", "db")),
              Refuses(StatusCode::kNotFound, "CiliumClusterwideNetworkPolicy db does not exist"));
  EXPECT_THAT(Do(Delete("cnp", "shop", "db")),
              Refuses(StatusCode::kNotFound, "CiliumNetworkPolicy shop/db does not exist"));
}

TEST_F(PlanCiliumTest, AGroupIsDeletedByAnySpelling) {
  for (const char* kind : {"ccg", "ccgs", "CiliumCIDRGroup", "ciliumcidrgroups"}) {
    ASSERT_TRUE(Do(Apply(kGroup)).ok());
    const absl::StatusOr<Planned> planned = Do(Delete(kind, "", "partners"));
    ASSERT_TRUE(planned.ok()) << kind << " " << planned.status();
    EXPECT_EQ(planned->audit.at(0).verb, "delete");
    EXPECT_EQ(Find(v1::KIND_CIDR_GROUP, "partners"), nullptr);
  }
  EXPECT_THAT(Do(Delete("ccg", "", "partners")),
              Refuses(StatusCode::kNotFound, "CiliumCIDRGroup partners does not exist in cluster aws"));
  EXPECT_THAT(Do(Delete("ccg", "", "")), Refuses(StatusCode::kInvalidArgument, "a name is missing"));
}

TEST_F(PlanCiliumTest, ANamespaceTakesItsPoliciesAlone) {
  ASSERT_TRUE(Do(Apply(std::string(kNamespaced) + "---\n" + kClusterwide + "---\n" + kGroup)).ok());
  ASSERT_TRUE(Do(Delete("ns", "", "shop")).ok());
  EXPECT_EQ(Find(v1::KIND_POLICY, "CiliumNetworkPolicy/shop/db"), nullptr);
  EXPECT_NE(Find(v1::KIND_POLICY, "CiliumClusterwideNetworkPolicy//db"), nullptr);
  EXPECT_NE(Find(v1::KIND_CIDR_GROUP, "partners"), nullptr);
}

}  // namespace
}  // namespace trivium
