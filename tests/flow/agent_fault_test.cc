// Map writes that fail, maps that are full, logs that fork, jump and need newer readers, servers that fall
// silent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nodeagent/compile/keys.h"
#include "tests/flow/agent_world.h"
#include "tests/flow/map_judge.h"
#include "tests/flow/random_history.h"

namespace trivium {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<std::string> kLocals = {"10.1.1.10", "10.1.1.11"};

class AgentFault : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.Start().ok());
    world_.Settle();
    ASSERT_EQ(world_.AddPod(1, "db", "db", kLocals[0]).code(), 0u);
    ASSERT_EQ(world_.AddPod(2, "cart", "cart", kLocals[1]).code(), 0u);
    world_.gcp.Upsert(IdentityObject("gcp", 60001, {{"app", "cart"}}));
    world_.gcp.Upsert(EndpointObject(100, 1, 60001, "10.2.1.10"));
    world_.gcp.Commit();
    world_.aws.Upsert(AllowFrom("db", "db", "gcp", "cart", 5432));
    world_.aws.Commit();
    world_.Settle();
    ASSERT_EQ(In("10.2.1.10", 5432), MapVerdict::kAllow);
  }
  MapVerdict In(const std::string& remote, uint16_t port) {
    return Judge(world_.maps, {Ip(kLocals[0]), Ip(remote), 0, 6, port});
  }
  v1::AppliedCluster Applied(const std::string& cluster) {
    const v1::AgentStatus status = world_.app->Status();
    for (const v1::AppliedCluster& applied : status.applied()) {
      if (applied.cluster() == cluster) return applied;
    }
    return {};
  }
  AgentWorld world_;
};

TEST_F(AgentFault, AnIdentityWhoseClassCannotBeWrittenStaysUnknown) {
  world_.maps.SetFault([](const FakeMapIo::Write& write) {
    return write.map == MapId::kPolicyClass && FromBytes<policy_class_key>(write.key).identity == 60002;
  });
  world_.gcp.Upsert(IdentityObject("gcp", 60002, {{"app", "cart"}, {"v", "2"}}));
  world_.gcp.Upsert(EndpointObject(101, 1, 60002, "10.2.1.11"));
  world_.gcp.Upsert(EndpointObject(102, 1, 60001, "10.2.1.12"));
  const uint64_t revision = world_.gcp.Commit();
  world_.Run(absl::Seconds(3));
  EXPECT_EQ(In("10.2.1.11", 5432), MapVerdict::kUnknownIdentity);
  EXPECT_EQ(In("10.2.1.12", 5432), MapVerdict::kAllow) << "others go on";
  EXPECT_EQ(Applied("gcp").received(), revision);
  EXPECT_LT(Applied("gcp").enforced(), revision);
  EXPECT_THAT(Applied("gcp").problem(), HasSubstr("policy_class"));
  EXPECT_TRUE(Applied("aws").problem().empty()) << "the other cluster is not behind";
  world_.maps.SetFault(nullptr);
  world_.Settle();
  EXPECT_EQ(In("10.2.1.11", 5432), MapVerdict::kAllow);
  EXPECT_EQ(Applied("gcp").enforced(), revision);
}

TEST_F(AgentFault, ARuleSetThatDoesNotFitIsNeverSwappedIn) {
  // Room for what stands, and for a part of what comes.
  world_.maps.SetCapacity(MapId::kPolicyVerdict, world_.maps.content(MapId::kPolicyVerdict).size() + 1);
  std::string ports;
  for (int port = 7001; port < 7020; port += 2)
    absl::StrAppend(&ports, "{protocol: TCP, port: ", port, "}, ");
  world_.aws.Upsert(PolicyObject(absl::StrCat(R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{ports: [)",
                                              ports, "]}]\n")));
  const uint64_t revision = world_.aws.Commit();
  world_.Run(absl::Seconds(3));
  EXPECT_EQ(In("10.2.1.10", 5432), MapVerdict::kAllow) << "the last good one is in force";
  EXPECT_EQ(In("10.2.1.10", 7001), MapVerdict::kDeny);
  EXPECT_LT(Applied("aws").enforced(), revision);
  EXPECT_THAT(Applied("aws").problem(), HasSubstr("full"));
  v1::AgentRequest list;
  list.mutable_list();
  // Newcomers are still judged right by it.
  world_.gcp.Upsert(IdentityObject("gcp", 60003, {{"app", "cart"}, {"v", "3"}}));
  world_.gcp.Upsert(EndpointObject(103, 1, 60003, "10.2.1.13"));
  world_.gcp.Commit();
  world_.Run(absl::Seconds(3));
  EXPECT_EQ(In("10.2.1.13", 5432), MapVerdict::kAllow);
  world_.maps.SetCapacity(MapId::kPolicyVerdict, 10000);
  world_.Settle();
  EXPECT_EQ(In("10.2.1.10", 5432), MapVerdict::kDeny);
  EXPECT_EQ(In("10.2.1.13", 7001), MapVerdict::kAllow);
  EXPECT_THAT(world_.Audit(), IsEmpty());
}

TEST_F(AgentFault, AFullIpcacheIsLoudAndKeepsTheRest) {
  world_.maps.SetCapacity(MapId::kIpcache, world_.maps.content(MapId::kIpcache).size() + 1);
  for (uint32_t i = 0; i < 5; ++i) {
    world_.gcp.Upsert(EndpointObject(200 + i, 1, 60001, absl::StrCat("10.2.1.", 20 + i)));
  }
  world_.gcp.Commit();
  world_.Run(absl::Seconds(3));
  EXPECT_THAT(Applied("gcp").problem(), HasSubstr("ipcache"));
  int allowed = 0, unknown = 0;
  for (int i = 0; i < 5; ++i) {
    const MapVerdict verdict = In(absl::StrCat("10.2.1.", 20 + i), 5432);
    allowed += verdict == MapVerdict::kAllow;
    unknown += verdict == MapVerdict::kUnknownPod;
  }
  EXPECT_EQ(allowed, 1);
  EXPECT_EQ(unknown, 4) << "dropped, never taken for world";
  world_.gcp.Delete(v1::KIND_ENDPOINT, Uid(100).ToHex());
  world_.gcp.Commit();
  world_.Run(absl::Seconds(30));
  EXPECT_LT(Applied("gcp").enforced(), world_.gcp.revision());
  world_.maps.SetCapacity(MapId::kIpcache, 1000);
  world_.Settle();
}

// An address that still leads to its old owner would be judged by the new policy, which neither state does.
TEST_F(AgentFault, NoPolicyChangesWhileAnAddressCannotBeClosed) {
  world_.maps.SetFault([](const FakeMapIo::Write& write) {
    return write.map == MapId::kIpcache &&
           (write.deletion || FromBytes<ipcache_value>(write.value).flags != 0);
  });
  // gcp/cart goes, and db opens to everybody: in no state does cart's address reach port 80.
  world_.gcp.Delete(v1::KIND_ENDPOINT, EndpointKey(Uid(100)));
  world_.gcp.Commit();
  world_.Run(absl::Seconds(1));
  world_.aws.Delete(v1::KIND_POLICY, "NetworkPolicy/shop/db");
  const uint64_t revision = world_.aws.Commit();
  world_.Run(absl::Seconds(3));
  EXPECT_EQ(In("10.2.1.10", 80), MapVerdict::kDeny);
  EXPECT_LT(Applied("aws").enforced(), revision) << "and it says so";
  world_.maps.SetFault(nullptr);
  world_.Settle();
  EXPECT_EQ(In("10.2.1.10", 80), MapVerdict::kUnknownPod);
  EXPECT_EQ(In("10.1.1.11", 80), MapVerdict::kAllow);
}

TEST_F(AgentFault, NoPolicyChangesWhileAPodNetworkIsTakenForTheWorld) {
  world_.maps.SetFault([](const FakeMapIo::Write& write) {
    return write.map == MapId::kIpcacheLpm && FromBytes<ipcache_value>(write.value).flags != 0;
  });
  // azure joins, and db opens to everybody: in no state does a pod of azure's that nobody has told of get in.
  world_.mesh.Upsert(ClusterObject("azure", 3, {"10.3.0.0/16"}));
  world_.mesh.Commit();
  world_.Run(absl::Seconds(1));
  world_.aws.Delete(v1::KIND_POLICY, "NetworkPolicy/shop/db");
  const uint64_t revision = world_.aws.Commit();
  world_.Run(absl::Seconds(3));
  EXPECT_EQ(In("10.3.1.10", 80), MapVerdict::kDeny);
  EXPECT_LT(Applied("aws").enforced(), revision) << "and it says so";
  world_.maps.SetFault(nullptr);
  world_.Settle();
  EXPECT_EQ(In("10.3.1.10", 80), MapVerdict::kUnknownPod);
  EXPECT_EQ(In("10.1.1.11", 80), MapVerdict::kAllow);
}

TEST_F(AgentFault, ADiskThatIsFullForAWhileIsNoLastingProblem) {
  world_.files.SetGate([](const std::string&, size_t bytes, size_t*) {
    return bytes == 0 ? absl::ResourceExhaustedError("no space left on device") : absl::OkStatus();
  });
  world_.gcp.Upsert(EndpointObject(101, 1, 60001, "10.2.1.11"));
  world_.gcp.Commit();
  world_.Run(absl::Seconds(7));
  EXPECT_THAT(Applied("gcp").problem(), HasSubstr("no space left"));
  world_.files.SetGate(nullptr);
  world_.Run(absl::Seconds(7));
  EXPECT_EQ(Applied("gcp").problem(), "");
}

TEST_F(AgentFault, AHealedConnectionDoesNotWaitForWhatFailedBefore) {
  for (uint64_t i = 1; i <= 5; ++i) {
    world_.gcp.Upsert(EndpointObject(100 + i, 1, 60001, absl::StrCat("10.2.1.", 20 + i)));
    const uint64_t revision = world_.gcp.Commit(false);
    world_.gcp.PublishHead();
    world_.Run(absl::Milliseconds(10));  // it knows that it lacks something, and is about to ask
    world_.Disconnect(false);
    world_.Run(absl::Seconds(20));
    ASSERT_LT(Applied("gcp").received(), revision);
    world_.Connect();
    world_.Run(absl::Milliseconds(200));
    EXPECT_EQ(Applied("gcp").received(), revision);
  }
}

// A clock that went back must not make its reports look older than those of the run before.
TEST_F(AgentFault, ReportsOfALaterRunAreLaterWhateverTheClockSays) {
  const int64_t first = world_.app->Status().start_ms();
  world_.Kill();
  ASSERT_TRUE(world_.Start().ok());  // the clock stood still: not a millisecond has passed
  EXPECT_GT(world_.app->Status().start_ms(), first);
}

TEST_F(AgentFault, RandomWriteFaultsHealByThemselves) {
  for (uint32_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 rng(seed);
    RandomHistory history(seed + 50);
    AgentWorld world;
    ASSERT_TRUE(world.Start().ok());
    world.Settle();
    ASSERT_EQ(world.AddPod(1, "db", "db", kLocals[0]).code(), 0u);
    ASSERT_EQ(world.AddPod(2, "cart", "cart", kLocals[1]).code(), 0u);
    world.maps.SetFault([&](const FakeMapIo::Write&) { return rng() % 4 == 0; });
    for (int i = 0; i < 40; ++i) {
      CommitTogether(&world, {history.Next()}, true);
      world.Run(absl::Milliseconds(50));
    }
    world.maps.SetFault(nullptr);
    world.Settle();
    EXPECT_THAT(world.Audit(), IsEmpty());
    const Verdicts verdicts = SampleFlows(world, kLocals);
    EXPECT_EQ(verdicts.by_maps, verdicts.by_policy);
  }
}

TEST_F(AgentFault, ARestoredDatabaseIsFollowed) {
  const uint64_t before = world_.gcp.revision();
  world_.gcp.Upsert(EndpointObject(101, 1, 60001, "10.2.1.11"));
  world_.gcp.Commit();
  world_.Settle();
  EXPECT_EQ(In("10.2.1.11", 5432), MapVerdict::kAllow);
  world_.gcp.Restore(before);
  world_.gcp.Upsert(EndpointObject(102, 1, 60001, "10.2.1.12"));
  world_.gcp.Commit();
  world_.Settle();
  EXPECT_EQ(Applied("gcp").epoch(), 2u);
  EXPECT_EQ(In("10.2.1.11", 5432), MapVerdict::kUnknownPod);
  EXPECT_EQ(In("10.2.1.12", 5432), MapVerdict::kAllow);
  EXPECT_THAT(world_.Audit(), IsEmpty());
}

TEST_F(AgentFault, ANumberWithAnotherMeaningIsRelearnt) {
  // After a restore, the number 60001 stands for other labels.
  world_.gcp.Upsert(IdentityObject("gcp", 60001, {{"app", "web"}}));
  world_.gcp.Commit();
  world_.Settle();
  EXPECT_EQ(In("10.2.1.10", 5432), MapVerdict::kDeny);
  EXPECT_THAT(world_.Audit(), IsEmpty());
}

TEST_F(AgentFault, ALogThatNeedsANewerReaderStopsThereAndSaysSo) {
  world_.gcp.SetMinReader(9);
  const uint64_t held = world_.gcp.revision();
  world_.gcp.Upsert(EndpointObject(101, 1, 60001, "10.2.1.11"));
  world_.gcp.Commit();
  world_.Run(absl::Seconds(3));
  EXPECT_EQ(Applied("gcp").received(), held);
  EXPECT_THAT(Applied("gcp").problem(), HasSubstr("version 9"));
  EXPECT_THAT(world_.Status().reader_problem(), HasSubstr("upgrade"));
  EXPECT_EQ(In("10.2.1.11", 5432), MapVerdict::kUnknownPod);
  // Other logs go on.
  world_.aws.Delete(v1::KIND_POLICY, "NetworkPolicy/shop/db");
  world_.aws.Commit();
  world_.Run(absl::Seconds(3));
  EXPECT_EQ(In("10.2.1.10", 1), MapVerdict::kAllow);
}

TEST_F(AgentFault, SilenceRebuildsTheConnection) {
  // The connection looks alive, but nothing comes through.
  world_.broker.SetFilter([&](const std::string&, const std::string& to, const Message&) {
    return to != world_.config.Principal();
  });
  world_.gcp.Upsert(EndpointObject(101, 1, 60001, "10.2.1.11"));
  world_.gcp.Commit();
  world_.Run(absl::Seconds(4));
  EXPECT_EQ(In("10.2.1.11", 5432), MapVerdict::kUnknownPod);
  world_.broker.SetFilter(nullptr);
  world_.Settle();
  EXPECT_EQ(In("10.2.1.11", 5432), MapVerdict::kAllow);
}

TEST_F(AgentFault, AClusterThatLeavesTakesItsEntriesAlong) {
  EXPECT_TRUE(world_.files.contents().contains("/state/mirror/gcp.snapshot"));
  world_.mesh.Delete(v1::KIND_CLUSTER, "gcp");
  world_.mesh.Commit();
  world_.Run(absl::Seconds(5));
  EXPECT_NE(In("10.2.1.10", 5432), MapVerdict::kAllow);
  for (const auto& [k, v] : world_.maps.content(MapId::kIpcache)) {
    EXPECT_NE(FromBytes<ipcache_value>(v).cluster, 2u);
  }
  EXPECT_FALSE(world_.files.contents().contains("/state/mirror/gcp.snapshot"));
  EXPECT_THAT(world_.Audit(), IsEmpty());
  EXPECT_THAT(world_.devices.routes(), testing::SizeIs(2)) << "its pod network's route is gone";
}

TEST_F(AgentFault, AForeignClusterCannotRedefineIdentities) {
  // gcp claims a reserved number and one of aws.
  const v1::Object* own = nullptr;
  for (const auto& [key, stored] : world_.aws.mirror().All(v1::KIND_IDENTITY)) own = stored.object.get();
  ASSERT_NE(own, nullptr);
  world_.gcp.Upsert(IdentityObject("gcp", 1, {{"app", "cart"}}));
  world_.gcp.Upsert(IdentityObject("gcp", IDENTITY_FIRST_LOCAL + 1, {{"app", "cart"}}));
  world_.gcp.Commit();
  world_.Settle();
  EXPECT_EQ(In("10.1.1.1", 80), MapVerdict::kAllow) << "its own node";
  known_key key{};
  key.identity = IDENTITY_FIRST_LOCAL + 1;
  EXPECT_FALSE(world_.maps.content(MapId::kKnown).contains(std::string(Bytes(key))));
}

}  // namespace
}  // namespace trivium
