// The agent dies at every map write in turn: what it leaves must be one state or the next, and the next agent
// goes on from there, never backwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "nodeagent/compile/keys.h"
#include "nodeagent/desired/numbers.h"
#include "tests/flow/agent_world.h"
#include "tests/flow/map_judge.h"
#include "tests/flow/random_history.h"

namespace trivium {
namespace {

using testing::IsEmpty;

const std::vector<std::string> kLocals = {"10.1.1.10", "10.1.1.11"};

// The same world each time: two pods, then batches that touch every kind of entry.
class CrashWorld : public AgentWorld {
 public:
  CrashWorld() {
    EXPECT_TRUE(Start().ok());
    Settle();
    EXPECT_EQ(AddPod(1, "db", "db", kLocals[0]).code(), 0u);
    EXPECT_EQ(AddPod(2, "cart", "cart", kLocals[1]).code(), 0u);
    RandomHistory history(4);
    for (int i = 0; i < 30; ++i) CommitTogether(this, {history.Next()}, true);
    Settle();
    for (int i = 0; i < 25; ++i) next.push_back(history.Next());
  }
  // The change under which it dies, all of it in one batch per cluster.
  void Change() { CommitTogether(this, next, true); }

  std::vector<WorldChange> next;
};

std::map<uint32_t, std::pair<uint64_t, uint64_t>> VectorOf(const FakeMapIo& maps) {
  std::map<uint32_t, std::pair<uint64_t, uint64_t>> out;
  for (const auto& [k, v] : maps.content(MapId::kVector)) {
    const auto value = FromBytes<vector_value>(v);
    const uint32_t cluster = FromBytes<vector_key>(k).cluster;
    if (cluster != Numbers::kRecord) out[cluster] = {value.epoch, value.revision};
  }
  return out;
}

TEST(AgentCrash, AtEveryMapWrite) {
  // What there is to do, and where it leads.
  CrashWorld reference;
  const Verdicts before = SampleFlows(reference, kLocals, false);
  reference.maps.ClearJournal();
  reference.Change();
  reference.Settle();
  const size_t writes = reference.maps.journal().size();
  const Verdicts after = SampleFlows(reference, kLocals, false);
  const std::vector<std::string> meaning = Meaning(reference.maps);
  ASSERT_GT(writes, 15u);
  EXPECT_NE(before.by_maps, after.by_maps);
  reference.Kill();

  for (size_t n = 1; n <= writes && !testing::Test::HasFailure(); ++n) {
    SCOPED_TRACE(absl::StrCat("dies after ", n, " of ", writes, " records"));
    CrashWorld world;
    world.maps.DieAfter(n, [&] { world.files.SetFault(absl::UnavailableError("dead")); });
    world.Change();
    world.Run(absl::Seconds(2));
    ASSERT_TRUE(world.maps.dead());
    world.Kill();
    const auto vector = VectorOf(world.maps);
    // Without any server the maps come to one of the two states of each cluster, by the copy alone.
    world.Disconnect();
    ASSERT_TRUE(world.Start().ok());
    world.Disconnect(false);
    world.Run(absl::Seconds(3));
    EXPECT_THAT(world.Audit(), IsEmpty());
    for (const auto& [cluster, place] : vector)
      EXPECT_GE(VectorOf(world.maps)[cluster], place) << "cluster " << cluster;
    world.Connect();
    world.Settle();
    EXPECT_EQ(Meaning(world.maps), meaning);
    EXPECT_EQ(SampleFlows(world, kLocals, false).by_maps, after.by_maps);
  }
}

TEST(AgentCrash, ALostCopyNeverTakesTheMapsBack) {
  CrashWorld world;
  world.Change();
  world.Settle();
  const auto before = world.maps.contents();
  const Verdicts verdicts = SampleFlows(world, kLocals, false);
  world.Kill();
  for (auto it = world.files.contents().begin(); it != world.files.contents().end();) {
    it = absl::StrContains(it->first, "/mirror/") ? world.files.contents().erase(it) : std::next(it);
  }
  world.Disconnect();
  world.maps.ClearJournal();
  ASSERT_TRUE(world.Start().ok());
  world.Disconnect(false);
  world.Run(absl::Seconds(5));
  for (const FakeMapIo::Write& write : world.maps.journal())
    EXPECT_EQ(write.map, MapId::kVector) << "numbers alone";
  EXPECT_EQ(SampleFlows(world, kLocals, false).by_maps, verdicts.by_maps);
  EXPECT_FALSE(world.Status().in_sync());
  // A pod that starts now is closed; one that goes is closed at once.
  const v1::AgentReply added = world.AddPod(9, "web", "web", "10.1.1.30");
  EXPECT_EQ(added.added().endpoint().state(), v1::ENDPOINT_LOCKED_DOWN) << added.DebugString();
  EXPECT_EQ(Judge(world.maps, {Ip("10.1.1.30"), Ip("10.1.1.1"), 0, 6, 80}), MapVerdict::kClosed);
  EXPECT_EQ(world.DelPod("cart").code(), 0u);
  EXPECT_EQ(Judge(world.maps, {Ip(kLocals[1]), Ip("10.1.1.1"), 0, 6, 80}), MapVerdict::kNoEndpoint);
  EXPECT_EQ(Judge(world.maps, {Ip(kLocals[0]), Ip("10.1.1.1"), 0, 6, 80}), MapVerdict::kAllow)
      << "the others stay";
  world.Connect();
  world.Settle();
  EXPECT_EQ(Judge(world.maps, {Ip("10.1.1.30"), Ip("10.1.1.1"), 0, 6, 80}), MapVerdict::kAllow);
  EXPECT_THAT(world.Audit(), IsEmpty());
}

TEST(AgentCrash, ACopyBehindTheMapsNeverTakesThemBack) {
  CrashWorld world;
  const auto old_files = world.files.contents();
  world.Change();
  world.Settle();
  const Verdicts verdicts = SampleFlows(world, kLocals, false);
  world.Kill();
  world.files.contents() = old_files;
  world.Disconnect();
  world.maps.ClearJournal();
  ASSERT_TRUE(world.Start().ok());
  world.Disconnect(false);
  world.Run(absl::Seconds(5));
  for (const FakeMapIo::Write& write : world.maps.journal()) EXPECT_EQ(write.map, MapId::kVector);
  EXPECT_EQ(SampleFlows(world, kLocals, false).by_maps, verdicts.by_maps);
  world.Connect();
  world.Settle();
  EXPECT_THAT(world.Audit(), IsEmpty());
  EXPECT_EQ(SampleFlows(world, kLocals, false).by_maps, verdicts.by_maps);
}

TEST(AgentCrash, ATornTailIsCut) {
  CrashWorld world;
  world.Kill();
  const std::string log = "/state/mirror/aws.log";
  ASSERT_TRUE(world.files.contents().contains(log));
  const std::string whole = world.files.contents()[log];
  for (const size_t lost : {size_t{1}, size_t{5}, whole.size() / 2, whole.size() - 1}) {
    SCOPED_TRACE(lost);
    world.files.contents()[log] = whole.substr(0, whole.size() - lost);
    ASSERT_TRUE(world.Start().ok());
    world.Settle();
    EXPECT_THAT(world.Audit(), IsEmpty());
    world.Kill();
    world.files.contents()[log] = whole;
  }
  // Damage in the middle is a torn tail from there on; a damaged snapshot is a lost copy.
  world.files.contents()[log][whole.size() / 3] ^= 1;
  world.files.contents()["/state/mirror/gcp.snapshot"][20] ^= 1;
  ASSERT_TRUE(world.Start().ok());
  world.Settle();
  EXPECT_THAT(world.Audit(), IsEmpty());
}

TEST(AgentCrash, NumbersNeverComeBack) {
  CrashWorld world;
  auto rule_sets = [&] {
    std::set<uint32_t> out;
    for (const auto& [k, v] : world.maps.content(MapId::kEndpointPolicy)) {
      out.insert(FromBytes<endpoint_policy_value>(v).rule_set);
    }
    return out;
  };
  std::set<uint32_t> ever = rule_sets();
  uint32_t last = *ever.rbegin();
  for (int round = 0; round < 5; ++round) {
    // A rule set that came and went before the crash: connections may still remember its number.
    world.aws.Upsert(AllowFrom("x", "db", "gcp", "web", 1000 + round));
    world.aws.Commit();
    world.Settle();
    for (const uint32_t number : rule_sets()) last = std::max(last, number);
    world.aws.Delete(v1::KIND_POLICY, "NetworkPolicy/shop/x");
    world.aws.Commit();
    world.Settle();
    for (const uint32_t number : rule_sets()) last = std::max(last, number);
    world.Kill();
    ASSERT_TRUE(world.Start().ok());
    world.aws.Upsert(AllowFrom("y", "db", "gcp", "web", 2000 + round));
    world.aws.Commit();
    world.Settle();
    EXPECT_GT(*rule_sets().rbegin(), last);
    last = *rule_sets().rbegin();
  }
}

TEST(AgentCrash, ADiskThatFailsHoldsTheMapsBack) {
  CrashWorld world;
  const std::vector<std::string> before = Meaning(world.maps);
  world.files.SetFault(absl::ResourceExhaustedError("disk full"));
  world.Change();
  world.Run(absl::Seconds(5));
  EXPECT_EQ(Meaning(world.maps), before) << "nothing reaches the maps that is not kept";
  bool told = false;
  const v1::AgentStatusResult status = world.Status();
  for (const std::string& problem : status.problems()) told |= absl::StrContains(problem, "disk full");
  EXPECT_TRUE(told);
  world.files.SetFault(absl::OkStatus());
  world.Settle();
  EXPECT_NE(Meaning(world.maps), before);
  EXPECT_THAT(world.Audit(), IsEmpty());
}

}  // namespace
}  // namespace trivium
