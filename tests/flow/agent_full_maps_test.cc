// Maps that are full: what does not fit is refused whole and by name, what stands goes on, and reserved
// identities are never among the refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/flow/agent_world.h"
#include "tests/flow/map_judge.h"

namespace trivium {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const char kDb[] = "10.1.1.10";
const char kHostIp[] = "10.1.1.1";

class AgentFullMaps : public testing::Test {
 protected:
  void Start(WorldOptions options = {}) {
    world_ = std::make_unique<AgentWorld>(options);
    ASSERT_TRUE(world_->Start().ok());
    world_->Settle();
  }
  // Pod db, reached by gcp's cart at 10.2.1.10 on port 5432.
  void AddDb() {
    world_->gcp.Upsert(IdentityObject("gcp", 60001, {{"app", "cart"}}));
    world_->gcp.Upsert(EndpointObject(100, 1, 60001, "10.2.1.10"));
    world_->gcp.Commit();
    world_->aws.Upsert(AllowFrom("db", "db", "gcp", "cart", 5432));
    world_->aws.Commit();
    ASSERT_EQ(world_->AddPod(1, "db", "db", kDb).code(), 0u);
    world_->Settle();
    ASSERT_EQ(In("10.2.1.10", 5432), MapVerdict::kAllow);
  }
  // As many carts of gcp, each with an identity and an address.
  void AddCarts(uint32_t count) {
    for (uint32_t i = 0; i < count; ++i) {
      world_->gcp.Upsert(IdentityObject("gcp", 61000 + i, {{"app", "cart"}, {"n", absl::StrCat(i)}}));
      world_->gcp.Upsert(EndpointObject(1000 + i, 1, 61000 + i, absl::StrCat("10.2.2.", i + 1)));
    }
    world_->gcp.Commit();
    world_->Run(absl::Seconds(3));
  }
  MapVerdict In(const std::string& remote, uint16_t port) {
    return Judge(world_->maps, {Ip(kDb), Ip(remote), 0, 6, port});
  }
  size_t Held(MapId map) { return world_->maps.content(map).size(); }
  bool Known(uint32_t identity) {
    known_key key{};
    key.identity = identity;
    return world_->maps.content(MapId::kKnown).contains(std::string(Bytes(key)));
  }
  v1::AgentStatus Status() { return world_->app->Status(); }
  // A policy on db with many ports that share no prefix.
  static v1::Object ManyPorts(const std::string& name, int ports) {
    std::string list;
    for (int i = 0; i < ports; ++i) absl::StrAppend(&list, "{protocol: TCP, port: ", 7001 + 2 * i, "}, ");
    return PolicyObject(
        absl::StrCat("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ", name,
                     ", namespace: shop}\nspec:\n  podSelector: {matchLabels: {app: db}}\n",
                     "  ingress: [{ports: [", list, "]}]\n"));
  }

  std::unique_ptr<AgentWorld> world_;
};

TEST_F(AgentFullMaps, APolicyThatDoesNotFitIsReportedByNameAndNothingOfItIsWritten) {
  Start();
  AddDb();
  const size_t verdicts = Held(MapId::kPolicyVerdict), classes = Held(MapId::kPolicyClass);
  world_->maps.SetCapacity(MapId::kPolicyVerdict, verdicts + 5);
  world_->aws.Upsert(ManyPorts("ports", 40));
  const uint64_t revision = world_->aws.Commit();
  world_->Run(absl::Seconds(3));
  EXPECT_EQ(Held(MapId::kPolicyVerdict), verdicts) << "not even the part that would fit";
  EXPECT_EQ(Held(MapId::kPolicyClass), classes);
  const v1::AgentStatus status = Status();
  ASSERT_THAT(status.not_enforced(), SizeIs(1)) << "policy db is enforced as before";
  EXPECT_EQ(status.not_enforced_total(), 1u);
  const v1::NotEnforcedPolicy& policy = status.not_enforced(0);
  EXPECT_EQ(absl::StrCat(policy.cluster(), " ", policy.kind(), " ", policy.namespace_(), "/", policy.name()),
            "aws NetworkPolicy shop/ports");
  EXPECT_THAT(policy.reason(), AllOf(HasSubstr("policy_verdict is full"), HasSubstr("5 of")));
  EXPECT_EQ(policy.endpoints(), 1u);
  EXPECT_GT(policy.since_ms(), 0);
  EXPECT_EQ(world_->app->enforcement().failures(), 1u);
  // What is in force stays in force.
  EXPECT_EQ(In("10.2.1.10", 5432), MapVerdict::kAllow);
  EXPECT_EQ(In("10.2.1.10", 7001), MapVerdict::kDeny);
  for (const v1::AppliedCluster& applied : status.applied()) {
    EXPECT_EQ(applied.enforced() < applied.received(), applied.cluster() == "aws") << applied.cluster();
    if (applied.cluster() == "aws") {
      EXPECT_LT(applied.enforced(), revision);
    }
  }
  // One that is smaller finds its place beside it.
  world_->aws.Delete(v1::KIND_POLICY, "NetworkPolicy/shop/ports");
  world_->aws.Commit();
  world_->Settle();
  EXPECT_THAT(Status().not_enforced(), IsEmpty());
  world_->aws.Upsert(ManyPorts("ports", 1));
  world_->aws.Commit();
  world_->Settle();
  EXPECT_EQ(In("10.2.1.10", 7001), MapVerdict::kAllow);
}

TEST_F(AgentFullMaps, ADeletedPolicyThatIsStillInForceIsReportedToo) {
  Start();
  AddDb();
  world_->aws.Upsert(ManyPorts("ports", 3));
  world_->aws.Commit();
  world_->Settle();
  world_->maps.SetCapacity(MapId::kPolicyVerdict, Held(MapId::kPolicyVerdict));
  world_->aws.Delete(v1::KIND_POLICY, "NetworkPolicy/shop/ports");
  world_->aws.Commit();
  world_->Run(absl::Seconds(3));
  ASSERT_THAT(Status().not_enforced(), SizeIs(1));
  EXPECT_EQ(Status().not_enforced(0).name(), "ports");
  EXPECT_EQ(In("10.2.1.10", 7001), MapVerdict::kAllow) << "the last policy that stood as a whole";
  world_->maps.SetCapacity(MapId::kPolicyVerdict, 1000);
  world_->Settle();
  EXPECT_THAT(Status().not_enforced(), IsEmpty());
  EXPECT_EQ(In("10.2.1.10", 7001), MapVerdict::kDeny);
}

TEST_F(AgentFullMaps, ARuleSetThatIsTooLargeTakesNobodysPlace) {
  Start();
  AddDb();
  world_->maps.SetCapacity(MapId::kPolicyVerdict, Held(MapId::kPolicyVerdict) + 20);
  // Both come at once; db's does not fit, web's does.
  world_->aws.Upsert(ManyPorts("ports", 40));
  world_->aws.Upsert(AllowFrom("web", "web", "gcp", "cart", 80));
  world_->aws.Commit();
  EXPECT_EQ(world_->AddPod(2, "web", "web", "10.1.1.11").code(), 0u);
  EXPECT_EQ(Judge(world_->maps, {Ip("10.1.1.11"), Ip("10.2.1.10"), 0, 6, 80}), MapVerdict::kAllow);
  EXPECT_THAT(Status().not_enforced(), SizeIs(1));
}

// The map of known identities: reserved ones are in it before all others, and what grows with the mesh leaves
// them room.
TEST_F(AgentFullMaps, ReservedIdentitiesAreKnownHoweverManyOthersThereAre) {
  constexpr size_t kCapacity = 64;
  WorldOptions options;
  world_ = std::make_unique<AgentWorld>(options);
  world_->maps.SetCapacity(MapId::kKnown, kCapacity);
  for (uint32_t i = 0; i < 200; ++i) {
    world_->gcp.Upsert(IdentityObject("gcp", 61000 + i, {{"app", "cart"}, {"n", absl::StrCat(i)}}));
  }
  world_->gcp.Commit();
  ASSERT_TRUE(world_->Start().ok());
  world_->Run(absl::Seconds(5));
  for (const uint32_t reserved :
       {IDENTITY_HOST, IDENTITY_WORLD, IDENTITY_UNMANAGED, IDENTITY_HEALTH, IDENTITY_INIT,
        IDENTITY_REMOTE_NODE, IDENTITY_KUBE_APISERVER, IDENTITY_INGRESS}) {
    EXPECT_TRUE(Known(reserved)) << reserved;
  }
  EXPECT_LE(Held(MapId::kKnown), kCapacity - kCapacity / 16);
  EXPECT_GT(Held(MapId::kKnown), kCapacity / 2);
  std::string problem;
  const v1::AgentStatus status = Status();
  for (const v1::AppliedCluster& applied : status.applied()) {
    if (applied.cluster() == "gcp") problem = applied.problem();
  }
  EXPECT_THAT(problem, AllOf(HasSubstr("known"), HasSubstr("full")));
}

// The class map: identities of the mesh that find no room stay unknown, and are dropped; the node itself,
// which the same rule set judges, is not.
TEST_F(AgentFullMaps, TheClassMapKeepsRoomForReservedIdentitiesAndNewRuleSets) {
  Start();
  AddDb();
  constexpr size_t kCapacity = 48;
  world_->maps.SetCapacity(MapId::kPolicyClass, kCapacity);
  AddCarts(100);
  EXPECT_EQ(Held(MapId::kPolicyClass), kCapacity - kCapacity / 16);
  EXPECT_EQ(In(kHostIp, 80), MapVerdict::kAllow);
  int allowed = 0, unknown = 0;
  for (int i = 1; i <= 100; ++i) {
    const MapVerdict verdict = In(absl::StrCat("10.2.2.", i), 5432);
    allowed += verdict == MapVerdict::kAllow;
    unknown += verdict == MapVerdict::kUnknownIdentity;
  }
  EXPECT_GT(allowed, 10);
  EXPECT_EQ(allowed + unknown, 100) << "right, or dropped";
  ASSERT_THAT(Status().not_enforced(), SizeIs(1)) << "the policy that names them";
  EXPECT_EQ(Status().not_enforced(0).name(), "db");
  EXPECT_THAT(Status().not_enforced(0).reason(), HasSubstr("policy_class is full"));
  // A new rule set that names none of them still fits, with the node in its place.
  world_->aws.Upsert(AllowFrom("web", "web", "gcp", "nobody", 80));
  world_->aws.Commit();
  EXPECT_EQ(world_->AddPod(2, "web", "web", "10.1.1.11").code(), 0u);
  EXPECT_EQ(Judge(world_->maps, {Ip("10.1.1.11"), Ip(kHostIp), 0, 6, 80}), MapVerdict::kAllow);
  EXPECT_EQ(Judge(world_->maps, {Ip("10.1.1.11"), Ip("10.2.1.10"), 0, 6, 80}), MapVerdict::kDeny);
}

// The verdict map: a policy in force goes on to judge the node and everybody else.
TEST_F(AgentFullMaps, AFullVerdictMapLeavesReservedIdentitiesJudgedAsBefore) {
  Start();
  AddDb();
  world_->maps.SetCapacity(MapId::kPolicyVerdict, Held(MapId::kPolicyVerdict));
  for (int i = 0; i < 5; ++i) world_->aws.Upsert(ManyPorts(absl::StrCat("ports-", i), 10));
  world_->aws.Commit();
  world_->Run(absl::Seconds(3));
  EXPECT_EQ(In(kHostIp, 80), MapVerdict::kAllow);
  EXPECT_EQ(In("10.2.1.10", 5432), MapVerdict::kAllow);
  EXPECT_EQ(In("10.2.1.10", 80), MapVerdict::kDeny);
  EXPECT_EQ(Status().not_enforced_total(), 5u);
  // A pod that comes now is closed, and the one who starts it hears why.
  world_->aws.Upsert(AllowFrom("web", "web", "gcp", "cart", 80));
  world_->aws.Commit();
  const v1::AgentReply reply = world_->AddPod(2, "web", "web", "10.1.1.11");
  EXPECT_EQ(reply.code(), static_cast<uint32_t>(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(Judge(world_->maps, {Ip("10.1.1.11"), Ip("10.2.1.10"), 0, 6, 80}), MapVerdict::kClosed);
}

}  // namespace
}  // namespace trivium
