// The simulation itself: that a seed repeats, and that what is broken is found and shortened.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/sim/farm.h"

namespace trivium::sim {
namespace {

// One for all: it forks while the program is still small.
Farm* TheFarm() {
  static Farm* const farm = new Farm(1);
  return farm;
}

size_t EventsOf(const Job& job) {
  const size_t all = Plan::FromSeed(job.seed).events.size();
  return all - static_cast<size_t>(std::count(job.left_out, job.left_out + all, true));
}

// The first seed whose schedule finds it.
Result Find(Sabotage sabotage, uint64_t most) {
  Result found;
  TheFarm()->RunMany(1, most, sabotage, [&](const Result& result) {
    if (result.failed && !found.failed) found = result;
    return !found.failed;
  });
  return found;
}

TEST(SimTest, ASeedTakesTheSameCourseAgain) {
  uint64_t last = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Job job;
    job.seed = seed;
    const Result first = TheFarm()->Run(job);
    const Result second = TheFarm()->Run(job);
    EXPECT_GT(first.steps, 500u);
    EXPECT_EQ(first.trace, second.trace) << "seed " << seed;
    EXPECT_EQ(first.steps, second.steps);
    EXPECT_STREQ(first.failure, second.failure);
    EXPECT_NE(first.trace, last);
    last = first.trace;
  }
}

TEST(SimTest, APlanIsDrawnFromItsSeedAlone) {
  const Plan one = Plan::FromSeed(7);
  const Plan again = Plan::FromSeed(7);
  ASSERT_EQ(one.events.size(), again.events.size());
  for (size_t i = 0; i < one.events.size(); ++i)
    EXPECT_EQ(one.events[i].ToString(), again.events[i].ToString());
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    const Plan plan = Plan::FromSeed(seed);
    ASSERT_LE(plan.events.size(), Job::kMaxEvents);
    ASSERT_EQ(plan.shape.agents.size(), kClusters);
    ASSERT_TRUE(std::is_sorted(plan.events.begin(), plan.events.end(),
                               [](const Event& a, const Event& b) { return a.at < b.at; }));
  }
}

TEST(SimTest, ACommitThatTheDatabaseForgetsIsFound) {
  Result found = Find(Sabotage::kForgottenCommit, 50);
  ASSERT_TRUE(found.failed);
  Job whole;
  whole.seed = found.seed;
  whole.sabotage = Sabotage::kForgottenCommit;
  const Job shortened = TheFarm()->Shrink(whole, &found);
  EXPECT_LE(EventsOf(shortened), 3u) << found.failure;
  const Result again = TheFarm()->Run(shortened);
  EXPECT_TRUE(again.failed);
  EXPECT_STREQ(again.failure, found.failure);
  EXPECT_EQ(again.trace, found.trace);
}

TEST(SimTest, AMapWriteThatWasNotDoneIsFound) {
  Result found = Find(Sabotage::kLostMapWrite, 50);
  ASSERT_TRUE(found.failed);
  Job whole;
  whole.seed = found.seed;
  whole.sabotage = Sabotage::kLostMapWrite;
  const size_t before = EventsOf(whole);
  const Job shortened = TheFarm()->Shrink(whole, &found);
  EXPECT_LT(EventsOf(shortened), std::max<size_t>(before / 2, 5)) << found.failure;
}

}  // namespace
}  // namespace trivium::sim
