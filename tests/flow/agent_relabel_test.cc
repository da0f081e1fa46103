// A relabelled namespace as an agent sees it: its pods pass to their new identity in pieces, and at every
// moment, between two records of one write too, each pod is judged by its old identity or by its new one.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bpf/abi/types.h"
#include "tests/flow/agent_world.h"
#include "tests/flow/map_judge.h"

namespace trivium {
namespace {

constexpr uint32_t kOld = 70001;
constexpr uint32_t kNew = 70002;
constexpr uint64_t kRemotes = 60;
constexpr char kDb[] = "10.1.1.10";
constexpr char kWeb[] = "10.1.1.11";

std::string RemoteIp(uint64_t i) { return absl::StrCat("10.1.2.", 1 + i); }

// Ingress of pods with `subject` from pods with `peer` alone; an empty peer: from nobody.
v1::Object Ingress(const std::string& name, const std::string& subject, const std::string& peer) {
  const std::string from =
      peer.empty() ? "[]" : absl::StrCat("[{from: [{podSelector: {matchLabels: {", peer, "}}}]}]");
  return PolicyObject(absl::StrCat("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ",
                                   name, ", namespace: shop}\nspec:\n  podSelector: {matchLabels: {", subject,
                                   "}}\n  policyTypes: [Ingress]\n  ingress: ", from, "\n"));
}

class AgentRelabel : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(world_.Start().ok());
    world_.Settle();
    ASSERT_EQ(world_.AddPod(1, "db", "db", kDb).code(), 0u);
    ASSERT_EQ(world_.AddPod(2, "web", "web", kWeb).code(), 0u);
    local_node_ = world_.aws.mirror().Find(v1::KIND_ENDPOINT, EndpointKey(Uid(2)))->endpoint().node();
    world_.aws.Upsert(IdentityObject("aws", kOld, {{"app", "web"}, {"env", "dev"}}));
    world_.aws.Upsert(IdentityObject("aws", kNew, {{"app", "web"}, {"env", "prod"}}));
    world_.aws.Upsert(NodeObject("n77", 77, "192.168.0.77", "10.1.2.254"));
    for (uint64_t i = 0; i < kRemotes; ++i) Move(100 + i, kOld);
    Move(2, kOld);
    world_.aws.Upsert(Ingress("db", "app: db", "env: dev"));
    world_.aws.Upsert(Ingress("prod", "env: prod", ""));
    world_.aws.Commit();
    world_.Settle();
  }
  void Move(uint64_t uid, uint32_t identity) {
    const bool local = uid == 2;
    world_.aws.Upsert(
        EndpointObject(uid, local ? local_node_ : 77, identity, local ? kWeb : RemoteIp(uid - 100)));
  }
  // Old verdicts allow, new ones deny.
  bool DbLetsIn(uint64_t i) const { return Allows(kDb, RemoteIp(i)); }
  bool WebLetsDbIn() const { return Allows(kWeb, kDb); }
  bool Allows(const std::string& local, const std::string& remote) const {
    return Judge(world_.maps, {Ip(local), Ip(remote), DIRECTION_INGRESS, 6, 5432}) == MapVerdict::kAllow;
  }

  AgentWorld world_;
  uint32_t local_node_ = 0;
};

TEST_F(AgentRelabel, EachPodHasItsOldOrItsNewVerdictsAtEveryMoment) {
  for (uint64_t i = 0; i < kRemotes; ++i) ASSERT_TRUE(DbLetsIn(i)) << RemoteIp(i);
  ASSERT_TRUE(WebLetsDbIn());
  // Which pods this agent may have at their new verdicts, and which it must.
  uint64_t begun = 0, done = 0;
  bool web_begun = false, web_done = false;
  std::vector<bool> moved(kRemotes, false);
  bool web_moved = false;
  size_t records = 0;
  world_.maps.SetObserver([&](const FakeMapIo::Write&) {
    ++records;
    for (uint64_t i = 0; i < kRemotes; ++i) {
      const bool lets_in = DbLetsIn(i);
      EXPECT_TRUE(i < begun || lets_in) << RemoteIp(i) << " is not moved yet";
      EXPECT_FALSE(i < done && lets_in) << RemoteIp(i) << " is moved";
      EXPECT_FALSE(moved[i] && lets_in) << RemoteIp(i) << " went back";
      if (!lets_in) moved[i] = true;
    }
    const bool lets_db_in = WebLetsDbIn();
    EXPECT_TRUE(web_begun || lets_db_in);
    EXPECT_FALSE(web_done && lets_db_in);
    EXPECT_FALSE(web_moved && lets_db_in) << "the local pod went back";
    if (!lets_db_in) web_moved = true;
  });
  constexpr uint64_t kPiece = 7;
  for (uint64_t first = 0; first < kRemotes; first += kPiece) {
    begun = std::min(kRemotes, first + kPiece);
    for (uint64_t i = first; i < begun; ++i) Move(100 + i, kNew);
    if (first == 3 * kPiece) {
      web_begun = true;
      Move(2, kNew);
    }
    world_.aws.Commit();
    world_.Settle();
    done = begun;
    web_done = web_begun;
    for (uint64_t i = 0; i < kRemotes; ++i) EXPECT_EQ(DbLetsIn(i), i >= done) << RemoteIp(i);
    EXPECT_EQ(WebLetsDbIn(), !web_done);
  }
  EXPECT_GE(records, kRemotes);
  EXPECT_TRUE(world_.Audit().empty());
}

}  // namespace
}  // namespace trivium
