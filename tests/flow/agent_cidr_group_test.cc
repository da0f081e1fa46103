// A CIDR group that changes: exactly the rule sets of policies that use it are built anew, and packets
// follow.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/flow/agent_world.h"
#include "tests/flow/map_judge.h"

namespace trivium {
namespace {

using testing::IsEmpty;

v1::Object Group(const std::string& name, const std::string& labels, const std::string& cidrs) {
  return PolicyObject(absl::StrCat("apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: ", name,
                                   ", labels: {", labels, "}}\nspec: {externalCIDRs: [", cidrs, "]}\n"));
}

// Pods with app=`subject` are reached from that entry of fromCIDRSet alone.
v1::Object From(const std::string& subject, const std::string& cidr_rule) {
  return PolicyObject(
      absl::StrCat("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ", subject,
                   ", namespace: shop}\nspec: {endpointSelector: {matchLabels: {app: ", subject,
                   "}}, ingress: [{fromCIDRSet: [", cidr_rule,
                   "], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]}\n"));
}

constexpr char kDb[] = "10.1.1.10", kCart[] = "10.1.1.11", kWeb[] = "10.1.1.12";

class AgentCidrGroup : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.Start().ok());
    world_.Settle();
    ASSERT_EQ(world_.AddPod(1, "db", "db", kDb).code(), 0u);
    ASSERT_EQ(world_.AddPod(2, "cart", "cart", kCart).code(), 0u);
    ASSERT_EQ(world_.AddPod(3, "web", "web", kWeb).code(), 0u);
    world_.aws.Upsert(From("db", "{cidrGroupRef: partners, except: [192.0.2.128/25]}"));
    world_.aws.Upsert(From("cart", "{cidrGroupSelector: {matchLabels: {team: edge}}}"));
    world_.aws.Upsert(From("web", "{cidr: 192.0.2.0/24}"));
    world_.aws.Commit();
    world_.Settle();
  }
  // Rule sets built by what the log of aws got.
  uint64_t BuiltBy(const v1::Object& object) {
    const uint64_t before = world_.app->pipeline().counters().rule_sets_built;
    world_.aws.Upsert(object);
    return Built(before);
  }
  uint64_t Built(uint64_t before) {
    world_.aws.Commit();
    world_.Settle();
    EXPECT_THAT(world_.Audit(), IsEmpty());
    return world_.app->pipeline().counters().rule_sets_built - before;
  }
  bool Passes(const std::string& to, const std::string& from) {
    return Judge(world_.maps, {Ip(to), Ip(from), 0, 6, 80}) == MapVerdict::kAllow;
  }
  AgentWorld world_;
};

// Both directions of one subject.
constexpr uint64_t kOneSubject = 2;

TEST_F(AgentCidrGroup, OnlyPoliciesThatNameItFollow) {
  EXPECT_FALSE(Passes(kDb, "192.0.2.7")) << "a group that is not there has no members";
  EXPECT_EQ(BuiltBy(Group("partners", "", "192.0.2.0/24")), kOneSubject);
  EXPECT_TRUE(Passes(kDb, "192.0.2.7"));
  EXPECT_FALSE(Passes(kDb, "192.0.2.200")) << "excepted";
  EXPECT_FALSE(Passes(kCart, "192.0.2.7"));
  EXPECT_EQ(BuiltBy(Group("partners", "", "198.51.100.0/24, 192.0.2.200/32")), kOneSubject);
  EXPECT_FALSE(Passes(kDb, "192.0.2.7"));
  EXPECT_FALSE(Passes(kDb, "192.0.2.200")) << "a member may be excepted whole";
  EXPECT_TRUE(Passes(kDb, "198.51.100.9"));
  EXPECT_TRUE(Passes(kWeb, "192.0.2.7"));
  EXPECT_EQ(BuiltBy(Group("nobodys", "", "0.0.0.0/0")), 0u);
  EXPECT_FALSE(Passes(kDb, "192.0.2.7"));
}

TEST_F(AgentCidrGroup, LabelsSelectItBeforeAndAfter) {
  EXPECT_EQ(BuiltBy(Group("offices", "team: edge", "192.0.2.0/24")), kOneSubject);
  EXPECT_TRUE(Passes(kCart, "192.0.2.7"));
  EXPECT_FALSE(Passes(kDb, "192.0.2.7"));
  EXPECT_EQ(BuiltBy(Group("offices", "team: core", "192.0.2.0/24")), kOneSubject) << "it was selected before";
  EXPECT_FALSE(Passes(kCart, "192.0.2.7"));
  EXPECT_EQ(BuiltBy(Group("offices", "team: core", "198.51.100.0/24")), 0u);
  EXPECT_EQ(BuiltBy(Group("offices", "team: edge", "198.51.100.0/24")), kOneSubject);
  EXPECT_TRUE(Passes(kCart, "198.51.100.9"));
}

TEST_F(AgentCidrGroup, ADeletedOneHasNoMembers) {
  BuiltBy(Group("partners", "", "192.0.2.0/24"));
  ASSERT_TRUE(Passes(kDb, "192.0.2.7"));
  const uint64_t before = world_.app->pipeline().counters().rule_sets_built;
  world_.aws.Delete(v1::KIND_CIDR_GROUP, "partners");
  EXPECT_EQ(Built(before), kOneSubject);
  EXPECT_FALSE(Passes(kDb, "192.0.2.7"));
}

TEST_F(AgentCidrGroup, AnotherClustersGroupsAndTheMeshsMeanNothingHere) {
  const uint64_t before = world_.app->pipeline().counters().rule_sets_built;
  world_.gcp.Upsert(Group("partners", "team: edge", "192.0.2.0/24"));
  world_.gcp.Commit();
  world_.mesh.Upsert(Group("partners", "team: edge", "192.0.2.0/24"));
  world_.mesh.Commit();
  EXPECT_EQ(Built(before), 0u);
  EXPECT_FALSE(Passes(kDb, "192.0.2.7"));
  EXPECT_FALSE(Passes(kCart, "192.0.2.7"));
}

TEST_F(AgentCidrGroup, ARestartedAgentStillFollows) {
  BuiltBy(Group("partners", "", "192.0.2.0/24"));
  world_.Kill();
  ASSERT_TRUE(world_.Start().ok());
  world_.Settle();
  EXPECT_TRUE(Passes(kDb, "192.0.2.7"));
  EXPECT_EQ(BuiltBy(Group("partners", "", "198.51.100.0/24")), kOneSubject);
  EXPECT_FALSE(Passes(kDb, "192.0.2.7"));
  EXPECT_TRUE(Passes(kDb, "198.51.100.9"));
}

}  // namespace
}  // namespace trivium
