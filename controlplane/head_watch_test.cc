#include "controlplane/head_watch.h"

#include <gtest/gtest.h>

namespace trivium {
namespace {

v1::Head HeadAt(uint64_t epoch, uint64_t revision) {
  v1::Head head;
  head.set_cluster("aws");
  head.set_epoch(epoch);
  head.set_revision(revision);
  return head;
}

Position At(uint64_t epoch, uint64_t revision) { return Position{epoch, revision, {}}; }

TEST(HeadWatch, KnowsWhenAHeadWasReadLast) {
  HeadWatch watch;
  EXPECT_EQ(watch.SinceRead("aws", absl::Seconds(1)), absl::InfiniteDuration());
  EXPECT_EQ(watch.Revision("aws"), 0u);
  watch.OnHead(HeadAt(1, 7), At(1, 7), absl::Seconds(1));
  EXPECT_EQ(watch.SinceRead("aws", absl::Seconds(4)), absl::Seconds(3));
  EXPECT_EQ(watch.Revision("aws"), 7u);
}

TEST(HeadWatch, AMirrorThatMovesOnIsNotBehindHoweverFastTheLogGrows) {
  HeadWatch watch;
  for (int i = 1; i < 100; ++i) {
    watch.OnHead(HeadAt(1, 10 * i), At(1, 10 * i - 3), absl::Seconds(i));
    EXPECT_LE(watch.BehindFor("aws", At(1, 10 * i - 3), absl::Seconds(i)), absl::Seconds(1));
  }
}

TEST(HeadWatch, AMirrorThatMissesOneThingForLongIsBehind) {
  HeadWatch watch;
  watch.OnHead(HeadAt(1, 10), At(1, 7), absl::Seconds(1));
  watch.OnHead(HeadAt(1, 20), At(1, 9), absl::Seconds(2));
  EXPECT_EQ(watch.BehindFor("aws", At(1, 9), absl::Seconds(3)), absl::Seconds(2));
  EXPECT_EQ(watch.BehindFor("aws", At(1, 10), absl::Seconds(3)), absl::ZeroDuration());
  watch.OnHead(HeadAt(2, 5), At(1, 20), absl::Seconds(4));  // a new epoch
  EXPECT_EQ(watch.BehindFor("aws", At(1, 20), absl::Seconds(6)), absl::Seconds(2));
  EXPECT_EQ(watch.BehindFor("aws", At(2, 5), absl::Seconds(6)), absl::ZeroDuration());
}

}  // namespace
}  // namespace trivium
