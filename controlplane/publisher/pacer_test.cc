#include "controlplane/publisher/pacer.h"

#include <gtest/gtest.h>

namespace trivium {
namespace {

class PacerTest : public testing::Test {
 protected:
  // Publishes a revision each 10 ms and has `agents` report what they held `lag` ago.
  void Run(absl::Duration duration, absl::Duration lag, int agents = 20, int late_agents = 20) {
    for (const absl::Duration end = now_ + duration; now_ < end; now_ += absl::Milliseconds(10)) {
      pacer_.OnPublished(1, ++revision_, now_);
      for (int i = 0; i < agents; ++i) {
        const auto behind = static_cast<uint64_t>(lag / absl::Milliseconds(10));
        Report(1, revision_ - (i < late_agents ? std::min(revision_, behind) : 0));
      }
    }
  }
  void Report(uint64_t epoch, uint64_t received) {
    v1::AppliedCluster applied;
    applied.set_cluster("aws");
    applied.set_epoch(epoch);
    applied.set_received(received);
    pacer_.OnReport(applied, now_);
  }

  Pacer pacer_;
  absl::Duration now_ = absl::Hours(1);
  uint64_t revision_ = 0;
};

TEST_F(PacerTest, ThePauseGrowsWithAgentsAndChangesUpToABound) {
  const absl::Duration one = pacer_.Pause(100, 1);
  EXPECT_EQ(pacer_.Pause(200, 1), 2 * one);
  EXPECT_GT(pacer_.Pause(100, 20), 2 * one);
  EXPECT_LT(pacer_.Pause(3, 1), absl::Microseconds(100));
  EXPECT_EQ(pacer_.Pause(100'000, 500), pacer_.Pause(1'000'000, 500));
}

TEST_F(PacerTest, ItIsShortWhileAgentsKeepUpAndLongerWhenTheyDoNot) {
  const absl::Duration short_pause = pacer_.Pause(100, 1);
  Run(absl::Seconds(2), absl::Milliseconds(20));
  EXPECT_EQ(pacer_.Pause(100, 1), short_pause);
  Run(absl::Milliseconds(200), absl::Milliseconds(60));
  EXPECT_EQ(pacer_.Pause(100, 1), 4 * short_pause);
  Run(absl::Seconds(5), absl::Milliseconds(500));
  EXPECT_EQ(pacer_.Pause(100, 1), 4 * short_pause) << "and no longer than that";
  Run(absl::Seconds(2), absl::ZeroDuration());
  EXPECT_EQ(pacer_.Pause(100, 1), short_pause);
}

TEST_F(PacerTest, AFewSlowAgentsSlowNobodyDown) {
  const absl::Duration short_pause = pacer_.Pause(100, 1);
  Run(absl::Seconds(5), absl::Seconds(2), 20, 1);
  EXPECT_LT(pacer_.Pause(100, 1), 1.2 * short_pause);
}

TEST_F(PacerTest, WhoHoldsAllOfAQuietLogIsNotLate) {
  Run(absl::Milliseconds(100), absl::ZeroDuration());
  now_ += absl::Hours(1);
  for (int i = 0; i < 100; ++i) Report(1, revision_);
  EXPECT_EQ(pacer_.scale(), 0.25);
}

TEST_F(PacerTest, AnotherEpochSaysNothing) {
  Run(absl::Milliseconds(100), absl::ZeroDuration());
  now_ += absl::Hours(1);
  for (int i = 0; i < 100; ++i) Report(2, 1);
  EXPECT_EQ(pacer_.scale(), 0.25);
  pacer_.OnPublished(2, 5, now_);
  now_ += absl::Seconds(1);
  for (int i = 0; i < 100; ++i) Report(1, 1);
  EXPECT_EQ(pacer_.scale(), 0.25);
  Report(2, 4);
  EXPECT_GT(pacer_.scale(), 0.25);
}

}  // namespace
}  // namespace trivium
