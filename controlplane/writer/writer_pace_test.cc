// When a writer commits, and when it waits.
#include "controlplane/writer/writer_fixture.h"

namespace trivium {
namespace {

using WriterPaceTest = WriterFixture;

TEST_F(WriterPaceTest, ALoadedWriterPacesItselfAndAnIdleOneDoesNot) {
  Writer::Options options;
  options.between_commits = [](size_t) { return absl::Milliseconds(20); };
  const auto side = MakeSide(options);
  // Three requests a second: each commits at once.
  for (int i = 0; i < 10; ++i) {
    const ResultPtr result = Submit(side.get(), "idle" + std::to_string(i));
    Run(absl::Milliseconds(3));
    EXPECT_EQ(result->answers, 1) << i;
    Run(absl::Milliseconds(330));
  }
  EXPECT_EQ(side->store.commits(), 10u);
  // 1,000 a second for a second: one commit in 20 ms, after a short burst.
  std::vector<ResultPtr> results;
  for (int i = 0; i < 1000; ++i) {
    results.push_back(Submit(side.get(), "loaded" + std::to_string(i)));
    Run(absl::Milliseconds(1));
  }
  Run(absl::Milliseconds(50));
  const uint64_t commits = side->store.commits() - 10;
  EXPECT_GE(commits, 45u);
  EXPECT_LE(commits, 60u);
  for (const ResultPtr& result : results) EXPECT_EQ(result->answers, 1);
  ExpectSound(*side);
}

TEST_F(WriterPaceTest, AFullerBatchIsFollowedByALongerWait) {
  Writer::Options options;
  options.between_commits = [](size_t changes) { return absl::Milliseconds(2 * static_cast<int>(changes)); };
  const auto side = MakeSide(options);
  // 400 a second: were it not for the changes, one commit in 2 ms; with them, batches grow until there is
  // time.
  for (int i = 0; i < 400; ++i) {
    Submit(side.get(), "ns" + std::to_string(i));
    Run(absl::Microseconds(2500));
  }
  EXPECT_GE(side->store.commits(), 380u) << "2 ms each: there is time for each by itself";
  const uint64_t before = side->store.commits();
  for (int i = 0; i < 400; ++i) {
    for (int k = 0; k < 4; ++k) Submit(side.get(), absl::StrCat("many", i, "-", k));
    Run(absl::Microseconds(2500));
  }
  const uint64_t commits = side->store.commits() - before;
  EXPECT_LE(commits, 150u) << "8 ms and more after each";
  ExpectSound(*side);
}

TEST_F(WriterPaceTest, AFullBatchDoesNotWaitForThePace) {
  Writer::Options options;
  options.between_commits = [](size_t) { return absl::Seconds(10); };
  options.max_queue = 10'000;
  const auto side = MakeSide(options);
  for (int i = 0; i < 6000; ++i) Submit(side.get(), "ns" + std::to_string(i));
  Run(absl::Milliseconds(100));
  EXPECT_EQ(side->published.back().revision, 6u);  // 1 + 5 * 1000; the rest waits
  ExpectSound(*side);
}

TEST_F(WriterPaceTest, ABatchThatFillsUpMeanwhileDoesNotWaitForThePace) {
  Writer::Options options;
  options.between_commits = [](size_t) { return absl::Seconds(10); };
  const auto side = MakeSide(options);
  for (int i = 0; i < 7; ++i) {
    Submit(side.get(), "first" + std::to_string(i));
    Run(absl::Milliseconds(10));
  }
  const uint64_t before = side->store.commits();
  EXPECT_LT(before, 7u) << "the last ones wait";
  for (size_t i = 0; i < kMaxBatchChanges; ++i) Submit(side.get(), "ns" + std::to_string(i));
  Run(absl::Milliseconds(100));
  EXPECT_EQ(side->store.commits(), before + 1);
  ExpectSound(*side);
}

}  // namespace
}  // namespace trivium
