// One history, told in many ways, always ends in the same maps; and on the way no packet passes that neither
// the state before nor the state after a batch lets pass.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "policy/cidr.h"
#include "tests/flow/agent_world.h"
#include "tests/flow/map_judge.h"
#include "tests/flow/random_history.h"

namespace trivium {
namespace {

using testing::IsEmpty;

const std::vector<std::string> kLocals = {"10.1.1.10", "10.1.1.11", "10.1.1.12"};

void AddPods(AgentWorld* world) {
  EXPECT_EQ(world->AddPod(1, "db", "db", kLocals[0]).code(), 0u);
  EXPECT_EQ(world->AddPod(2, "cart", "cart", kLocals[1]).code(), 0u);
  EXPECT_EQ(world->AddPod(3, "db-1", "db", kLocals[2]).code(), 0u);
}

void ExpectVerdicts(const AgentWorld& world) {
  const Verdicts verdicts = SampleFlows(world, kLocals);
  ASSERT_EQ(verdicts.by_maps.size(), verdicts.by_policy.size());
  int wrong = 0;
  for (size_t i = 0; i < verdicts.flows.size() && wrong < 5; ++i) {
    if (verdicts.by_maps[i] == verdicts.by_policy[i]) continue;
    ++wrong;
    ADD_FAILURE() << verdicts.flows[i] << ": the maps say " << verdicts.by_maps[i] << ", the policy "
                  << verdicts.by_policy[i];
  }
}

std::vector<WorldChange> Make(uint32_t seed, int count) {
  RandomHistory history(seed);
  std::vector<WorldChange> changes;
  for (int i = 0; i < count; ++i) changes.push_back(history.Next());
  return changes;
}

enum class Telling {
  kOneByOne,
  kSquashed,
  kGrouped,
  kReversed,
  kRepeated,
  kLossy,
  kSilent,     // beacons alone
  kCompacted,  // beacons alone, and the log is gone
  kRestarts,
};

std::string NameOf(Telling telling) {
  static const char* const kNames[] = {"one by one", "squashed", "grouped",   "reversed", "repeated",
                                       "lossy",      "silent",   "compacted", "restarts"};
  return kNames[static_cast<int>(telling)];
}

// Runs the history in that telling and returns what the maps mean in the end.
std::vector<std::string> Tell(const std::vector<WorldChange>& history, Telling telling, uint32_t seed) {
  WorldOptions options;
  options.seed = seed;
  AgentWorld world(options);
  EXPECT_TRUE(world.Start().ok());
  world.Settle();
  AddPods(&world);
  if (telling == Telling::kLossy) {
    FakeBroker::Faults faults;
    faults.drop = 0.2;
    faults.duplicate = 0.2;
    faults.reorder = 0.3;
    world.broker.SetFaults(faults);
  }
  std::mt19937 rng(seed);
  std::vector<std::pair<FakeControlPlane*, uint64_t>> unpublished;
  for (size_t i = 0; i < history.size();) {
    size_t n = 1;
    if (telling == Telling::kSquashed) n = history.size();
    if (telling != Telling::kOneByOne && telling != Telling::kSquashed) n = 1 + rng() % 6;
    n = std::min(n, history.size() - i);
    const std::vector<WorldChange> group(history.begin() + static_cast<long>(i),
                                         history.begin() + static_cast<long>(i + n));
    i += n;
    const bool publish =
        telling != Telling::kReversed && telling != Telling::kSilent && telling != Telling::kCompacted;
    const Committed committed = CommitTogether(&world, group, publish);
    if (telling == Telling::kReversed) {
      if (committed.aws) unpublished.emplace_back(&world.aws, world.aws.revision());
      if (committed.gcp) unpublished.emplace_back(&world.gcp, world.gcp.revision());
      if (unpublished.size() >= 5 || i == history.size()) {
        std::reverse(unpublished.begin(), unpublished.end());
        for (const auto& [cp, revision] : unpublished) cp->Publish(revision);
        unpublished.clear();
      }
    }
    if (telling == Telling::kRepeated) {
      for (FakeControlPlane* cp : {&world.aws, &world.gcp}) {
        cp->Publish(cp->revision());
        cp->Publish(1 + rng() % cp->revision());
      }
    }
    world.Run(absl::Milliseconds(rng() % 40));
    if (telling == Telling::kRestarts && rng() % 4 == 0) {
      world.Kill();
      EXPECT_TRUE(world.Start().ok());
    }
    if (telling == Telling::kCompacted) {
      world.aws.Compact(world.aws.revision());
      world.gcp.Compact(world.gcp.revision());
    }
  }
  world.broker.SetFaults({});
  world.Settle();
  EXPECT_THAT(world.Audit(), IsEmpty());
  ExpectVerdicts(world);
  if (telling == Telling::kCompacted) {
    EXPECT_GT(world.aws.counters().snapshots, 1);
  }
  return Meaning(world.maps);
}

TEST(AgentHistory, TheSameMapsHoweverItIsTold) {
  for (uint32_t seed = 1; seed <= 6 && !testing::Test::HasFailure(); ++seed) {
    const std::vector<WorldChange> history = Make(seed, 60);
    const std::vector<std::string> reference = Tell(history, Telling::kOneByOne, seed);
    EXPECT_GT(reference.size(), 50u);
    for (int t = 1; t <= static_cast<int>(Telling::kRestarts); ++t) {
      const Telling telling = static_cast<Telling>(t);
      SCOPED_TRACE(absl::StrCat(NameOf(telling), ", seed ", seed));
      const std::vector<std::string> told = Tell(history, telling, seed * 100 + static_cast<uint32_t>(t));
      std::vector<std::string> missing, extra;
      std::set_difference(reference.begin(), reference.end(), told.begin(), told.end(),
                          std::back_inserter(missing));
      std::set_difference(told.begin(), told.end(), reference.begin(), reference.end(),
                          std::back_inserter(extra));
      EXPECT_TRUE(told == reference) << "missing:\n"
                                     << absl::StrJoin(missing, "\n") << "\nextra:\n"
                                     << absl::StrJoin(extra, "\n");
    }
  }
}

// Addresses ("10.1.2.10/32") that one endpoint leaves and another takes: between the two they are nobody's,
// closed.
std::vector<std::string> Handed(const std::vector<WorldChange>& changes) {
  std::set<std::string> left, handed;
  const auto addresses = [](const WorldChange& change) {
    std::vector<std::string> texts;
    for (const v1::EndpointAddress& address : change.object.endpoint().addresses()) {
      texts.push_back(policy::CidrText(policy::HostPrefix(address.ip())));
    }
    return texts;
  };
  for (const WorldChange& change : changes) {
    if (!change.deletion) continue;
    for (std::string& text : addresses(change)) left.insert(std::move(text));
  }
  for (const WorldChange& change : changes) {
    if (change.deletion) continue;
    for (std::string& text : addresses(change)) {
      if (left.contains(text)) handed.insert(std::move(text));
    }
  }
  return {handed.begin(), handed.end()};
}

// Between two states each verdict is one that one of them gives, whichever record was written last.
TEST(AgentHistory, NoMixtureOfTwoStates) {
  size_t records = 0, changed = 0;
  for (uint32_t seed = 1; seed <= 8 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    AgentWorld world;
    ASSERT_TRUE(world.Start().ok());
    world.Settle();
    AddPods(&world);
    world.Settle();
    const std::vector<WorldChange> history = Make(seed + 1000, 60);
    std::mt19937 rng(seed);
    std::set<std::string> between;
    world.maps.SetObserver([&](const FakeMapIo::Write&) {
      ++records;
      between.insert(SampleFlows(world, kLocals, false).by_maps);
    });
    for (size_t i = 0; i < history.size() && !testing::Test::HasFailure();) {
      const size_t n = std::min<size_t>(1 + rng() % 8, history.size() - i);
      const std::vector<WorldChange> group(history.begin() + static_cast<long>(i),
                                           history.begin() + static_cast<long>(i + n));
      i += n;
      // Batches of two clusters are two states: the second is told when the first stands.
      for (const bool own : {true, false}) {
        std::vector<WorldChange> mine;
        for (const WorldChange& change : group) {
          if (change.own == own) mine.push_back(change);
        }
        const Verdicts before = SampleFlows(world, kLocals, false);
        between.clear();
        CommitTogether(&world, mine, true);
        world.Settle();
        const Verdicts after = SampleFlows(world, kLocals, false);
        changed += before.by_maps != after.by_maps;
        const std::vector<std::string> handed = Handed(mine);
        const auto may_close = [&](const std::string& flow) {
          return std::any_of(handed.begin(), handed.end(),
                             [&](const std::string& ip) { return absl::StrContains(flow, ip); });
        };
        for (const std::string& now : between) {
          for (size_t f = 0; f < now.size(); ++f) {
            if (now[f] == '0' && may_close(before.flows[f])) continue;
            EXPECT_TRUE(now[f] == before.by_maps[f] || now[f] == after.by_maps[f])
                << before.flows[f] << " is " << now[f] << " between " << before.by_maps[f] << " and "
                << after.by_maps[f];
          }
        }
      }
    }
    ExpectVerdicts(world);
  }
  EXPECT_GT(records, 500u);
  EXPECT_GT(changed, 20u);
}

// Only what changed is computed and written.
TEST(AgentHistory, WorkIsProportionalToTheChange) {
  AgentWorld world;
  ASSERT_TRUE(world.Start().ok());
  world.Settle();
  AddPods(&world);
  for (int i = 0; i < 50; ++i) {
    world.gcp.Upsert(
        IdentityObject("gcp", 60000 + static_cast<uint32_t>(i), {{"app", "cart"}, {"n", absl::StrCat(i)}}));
  }
  world.gcp.Commit();
  world.aws.Upsert(AllowFrom("db", "db", "gcp", "cart", 5432));
  world.aws.Upsert(AllowFrom("web", "web", "gcp", "cart", 80));
  world.aws.Commit();
  world.Settle();
  const Pipeline& pipeline = world.app->pipeline();
  // db and db-1 share everything; cart has another egress? No: without policy both directions of it and the
  // egress of db mean the same, but directions are not shared.
  const size_t rule_sets = pipeline.rule_sets().size();
  EXPECT_EQ(rule_sets, 3u) << "db in, cart in, egress of both";

  // A new identity: one class entry in each rule set that selects it, and itself. Others are not asked.
  auto built = pipeline.counters().rule_sets_built;
  auto classified = pipeline.rule_sets().counters().classified;
  auto flattened = pipeline.rule_sets().counters().flattened;
  world.maps.ClearJournal();
  world.gcp.Upsert(IdentityObject("gcp", 61000, {{"app", "cart"}, {"n", "new"}}));
  world.gcp.Commit();
  world.Settle();
  EXPECT_EQ(pipeline.counters().rule_sets_built, built);
  EXPECT_EQ(pipeline.rule_sets().counters().classified, classified + 1);
  EXPECT_EQ(pipeline.rule_sets().counters().flattened, flattened) << "no new class";
  std::vector<std::string> written;
  for (const FakeMapIo::Write& write : world.maps.journal()) {
    if (write.map != MapId::kVector) written.emplace_back(MapName(write.map));
  }
  EXPECT_THAT(written, testing::ElementsAre("policy_class", "known"));

  // A policy that selects nobody here costs nothing.
  world.maps.ClearJournal();
  const uint64_t created = pipeline.rule_sets().counters().created;
  world.aws.Upsert(AllowFrom("web", "web", "gcp", "cart", 81));
  world.aws.Commit();
  world.Settle();
  EXPECT_EQ(pipeline.counters().rule_sets_built, built);
  for (const FakeMapIo::Write& write : world.maps.journal()) EXPECT_EQ(write.map, MapId::kVector);

  // One that selects db rebuilds that subject alone, and swaps both of its endpoints.
  world.maps.ClearJournal();
  world.aws.Upsert(AllowFrom("db", "db", "gcp", "cart", 5433));
  world.aws.Commit();
  world.Settle();
  EXPECT_EQ(pipeline.counters().rule_sets_built, built + 1) << "it says nothing of egress";
  EXPECT_EQ(pipeline.rule_sets().counters().created, created + 1);
  int swaps = 0;
  for (const FakeMapIo::Write& write : world.maps.journal()) swaps += write.map == MapId::kEndpointPolicy;
  EXPECT_EQ(swaps, 2);
  EXPECT_EQ(pipeline.rule_sets().size(), rule_sets);

  // A policy that changes without changing its meaning changes nothing.
  world.maps.ClearJournal();
  world.aws.Upsert(AllowFrom("db", "db", "gcp", "cart", 5433));
  world.aws.Commit();
  world.Settle();
  for (const FakeMapIo::Write& write : world.maps.journal()) EXPECT_EQ(write.map, MapId::kVector);
}

}  // namespace
}  // namespace trivium
