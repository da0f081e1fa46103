// Work is proportional to what a change touches, whatever else the cluster has: by counts, not by the clock.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/support/fake_map_io.h"
#include "tests/support/manual_executor.h"
#include "tests/support/policy_scale.h"

namespace trivium {
namespace {

// What the pipeline has computed so far.
struct Work {
  explicit Work(Pipeline& pipeline)
      : built(pipeline.counters().rule_sets_built),
        matched(pipeline.counters().policies_matched),
        created(pipeline.rule_sets().counters().created),
        classified(pipeline.rule_sets().counters().classified),
        flattened(pipeline.rule_sets().counters().flattened),
        selectors(pipeline.rule_sets().selectors().counters().selectors),
        compared(pipeline.rule_sets().selectors().counters().compared) {}
  uint64_t built, matched, created, classified, flattened, selectors, compared;
};

class AgentScale : public testing::Test {
 protected:
  // Of each kind ten times more than one change may touch.
  static constexpr PolicyScale kScale = {.policies = 3000, .identities = 2000, .endpoints = 40, .apps = 10};
  void SetUp() override {
    const FlushReport report = world_.Load();
    ASSERT_TRUE(report.complete);
    ASSERT_EQ(world_.pipeline().rule_sets().size(), 80u) << "each endpoint has its own, in both directions";
    // What is superseded goes after its grace, and is part of no count below.
    clock_.Advance(absl::Seconds(1));
    world_.pipeline().Flush(&maps_);
    maps_.ClearJournal();
  }
  std::map<std::string, int> Written() const {
    std::map<std::string, int> written;
    for (const FakeMapIo::Write& write : maps_.journal()) ++written[std::string(MapName(write.map))];
    return written;
  }
  FlushReport Flush() { return world_.pipeline().Flush(&maps_); }

  ManualClock clock_;
  FakeMapIo maps_;
  PolicyScaleWorld world_{kScale, &maps_, &clock_};
};

TEST_F(AgentScale, ANewPolicyMeetsOnlyTheSubjectsThatItMaySelect) {
  const Work before(world_.pipeline());
  // One that selects nobody here: another namespace's.
  v1::Object object = world_.PolicyObject(kScale.endpoints + 5, 9999);
  const std::string key = PolicyScaleWorld::PolicyKeyOf(object);
  world_.Tell(1, v1::KIND_POLICY, key, std::move(object));
  EXPECT_TRUE(Flush().complete);
  const Work after(world_.pipeline());
  EXPECT_LE(after.matched, before.matched + 1);
  EXPECT_EQ(after.built, before.built);
  EXPECT_EQ(after.compared, before.compared);
  EXPECT_THAT(maps_.journal(), testing::IsEmpty());
}

TEST_F(AgentScale, APolicyChangeBuildsTheOneRuleSetThatItTouches) {
  const Work before(world_.pipeline());
  v1::Object object = world_.PolicyObject(world_.PolicyOfEndpoint(7), 9999);
  const std::string key = PolicyScaleWorld::PolicyKeyOf(object);
  world_.Tell(1, v1::KIND_POLICY, key, std::move(object));
  EXPECT_TRUE(Flush().complete);
  const Work after(world_.pipeline());
  EXPECT_LE(after.matched, before.matched + 2);
  EXPECT_EQ(after.built, before.built + 1) << "its direction alone";
  EXPECT_EQ(after.created, before.created + 1);
  EXPECT_EQ(after.selectors, before.selectors) << "its selectors are known, and were not evaluated again";
  EXPECT_EQ(after.compared, before.compared);
  // Its peers, and nobody else, were classified: two clusters' app, a team's front tier, a prefix and the
  // host.
  const uint64_t classes = after.classified - before.classified;
  EXPECT_GT(classes, 3u);
  EXPECT_LT(classes, 100u);
  const std::map<std::string, int> written = Written();
  EXPECT_EQ(written.at("endpoint_policy"), 1) << "one swap";
  EXPECT_EQ(written.at("policy_class"), static_cast<int>(classes));
  EXPECT_FALSE(written.contains("known"));
  EXPECT_FALSE(written.contains("ipcache_lpm")) << "its prefix is told apart already";
}

TEST_F(AgentScale, ANewIdentityMeetsOnlyTheSelectorsAndRuleSetsThatMaySelectIt) {
  const Work before(world_.pipeline());
  const uint32_t number = world_.NextIdentity();
  world_.Tell(2, v1::KIND_IDENTITY, absl::StrCat(number), world_.PeerIdentity(7, number));
  EXPECT_TRUE(Flush().complete);
  const Work after(world_.pipeline());
  EXPECT_EQ(after.matched, before.matched);
  EXPECT_EQ(after.built, before.built);
  EXPECT_EQ(after.selectors, before.selectors);
  EXPECT_LT(after.compared, before.compared + 10) << "of some hundred selectors";
  EXPECT_GT(after.compared, before.compared);
  EXPECT_LE(after.classified, before.classified + 2) << "of 80 rule sets";
  EXPECT_GE(after.classified, before.classified + 1);
  EXPECT_EQ(after.flattened, before.flattened) << "no new class";
  const std::map<std::string, int> written = Written();
  EXPECT_EQ(written.at("known"), 1);
  EXPECT_LE(written.at("policy_class"), 2);
  EXPECT_EQ(written.size(), 2u);
}

TEST_F(AgentScale, ANewEndpointMeetsOnlyThePoliciesThatMaySelectIt) {
  const Work before(world_.pipeline());
  Pipeline::LocalEndpoint endpoint;
  endpoint.uid = Id128{9, 9};
  endpoint.number = world_.pipeline().NewEndpointNumber();
  endpoint.ips = {std::string("\x0a\x09\x09\x09")};
  world_.pipeline().SetLocalEndpoint(endpoint);
  v1::Object object;
  object.mutable_endpoint()->mutable_meta()->set_uid(endpoint.uid.ToBytes());
  object.mutable_endpoint()->set_identity(PolicyScaleWorld::kFirstIdentity + 77);
  object.mutable_endpoint()->add_addresses()->set_ip(endpoint.ips[0]);
  world_.Tell(1, v1::KIND_ENDPOINT, endpoint.uid.ToHex(), std::move(object));
  EXPECT_TRUE(Flush().complete);
  const Work after(world_.pipeline());
  EXPECT_LT(after.matched, before.matched + 100) << "of 3,000 policies";
  EXPECT_GE(after.matched, before.matched + 3);
  EXPECT_EQ(after.built, before.built + 2);
}

// However rule sets and identities come and go, the cache says what a comparison of everything would.
TEST_F(AgentScale, TheCacheIsRightAfterAnyChange) {
  for (uint32_t step = 0; step < 60; ++step) {
    v1::Object object = world_.PolicyObject(world_.PolicyOfEndpoint(step % 40), 5000 + step);
    if (step % 3 == 0) {
      object.mutable_policy()->mutable_blocks(0)->mutable_rules(0)->mutable_peers()->DeleteSubrange(0, 2);
    }
    const std::string key = PolicyScaleWorld::PolicyKeyOf(object);
    world_.Tell(1, v1::KIND_POLICY, key, std::move(object));
    const uint32_t number = world_.NextIdentity() + step % 7;
    world_.Tell(2, v1::KIND_IDENTITY, absl::StrCat(number), world_.PeerIdentity(step % 40, number));
    clock_.Advance(absl::Seconds(1));
    ASSERT_TRUE(Flush().complete);
  }
  clock_.Advance(absl::Seconds(1));
  Flush();
  const Pipeline& pipeline = world_.pipeline();
  size_t entries = 0;
  for (const auto& [key, value] : pipeline.maps().endpoint_policy.desired()) {
    const policy::RuleSet* rules = pipeline.rule_sets().Find(value.rule_set);
    ASSERT_NE(rules, nullptr);
    for (const auto& [identity, peer] : pipeline.peers()) {
      policy_class_key class_key{};
      class_key.rule_set = value.rule_set;
      class_key.identity = identity;
      const bool has_class = !rules->ClassOf(peer.ref()).empty();
      ASSERT_EQ(pipeline.maps().classes.Desired(class_key) != nullptr, has_class) << identity;
      entries += has_class;
    }
  }
  EXPECT_EQ(pipeline.maps().classes.desired().size(), entries) << "and nothing is left of what went";
  EXPECT_EQ(pipeline.rule_sets().size(), 80u);
}

}  // namespace
}  // namespace trivium
