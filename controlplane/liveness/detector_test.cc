#include "controlplane/liveness/detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace trivium {
namespace {

constexpr int kTicksPerSecond = 4;

// Second by second: '#' it is heard, '.' it is silent, 'X' the watcher stands still (and hears nothing), 'd'
// the watcher is deaf. Then what is said of it at the end of each second: 'u' up, 'D' down.
struct Case {
  const char* what;
  std::string heard;
  std::string said;
};

const Case kCases[] = {
    {"who is heard is up",  //
     "##########",          //
     "uuuuuuuuuu"},
    {"silence of 3.5 s is the end",  //
     "##........",                   //
     "uuuuDDDDDD"},
    {"a short silence is nothing",  //
     "##..##..##..#",               //
     "uuuuuuuuuuuuu"},
    {"never heard at all",  //
     "......",              //
     "uuuDDD"},
    {"back when it was heard for a second",  //
     "##.....####",                          //
     "uuuuDDDDuuu"},
    {"one beat is no return",  //
     "##.....#.....#....",     //
     "uuuuDDDDDDDDDDDDDD"},
    {"the watcher stood still",  //
     "##XXXXXXXXXX##..",         //
     "uuuuuuuuuuuuuuuu"},
    {"the watcher stood still, and it is dead",  //
     "##XXXXXXXXXX.....",                        //
     "uuuuuuuuuuuuuuDDD"},
    {"the watcher was deaf",  //
     "##dddddddddd.##",       //
     "uuuuuuuuuuuuuuu"},
    {"deafness raises no dead",  //
     "##....dddd####",           //
     "uuuuDDDDDDDuuu"},
};

class Seconds {
 public:
  explicit Seconds(LivenessDetector::Options options = {}) : detector_(options) {
    detector_.Watch("n", true, now_);
  }

  char Second(char what) {
    detector_.SetDeaf(what == 'd', now_);
    for (int tick = 0; tick < kTicksPerSecond; ++tick) {
      if (what == '#' && tick == 0) detector_.Hear("n", now_);
      now_ += absl::Seconds(1) / kTicksPerSecond;
      if (what == 'X') continue;
      const bool before = detector_.Alive("n");
      const bool changed = !detector_.Check(now_).empty();
      if (changed) ++changes_;
      if (last_ != before) ADD_FAILURE() << "it changed between two checks";
      last_ = detector_.Alive("n");
      EXPECT_EQ(changed, before != last_);
    }
    return last_ ? 'u' : 'D';
  }
  int changes() const { return changes_; }

 private:
  LivenessDetector detector_;
  absl::Duration now_ = absl::Seconds(100);
  bool last_ = true;
  int changes_ = 0;
};

TEST(LivenessDetector, Cases) {
  for (const Case& one : kCases) {
    Seconds run;
    std::string said;
    for (const char what : one.heard) said += run.Second(what);
    EXPECT_EQ(said, one.said) << one.what << "\n" << one.heard;
  }
}

TEST(LivenessDetector, WhoFlapsStaysDownForLongerAndLonger) {
  Seconds run;
  // Four seconds of silence, two of life, for twenty minutes.
  for (int i = 0; i < 200; ++i) {
    for (const char what : std::string("....##")) run.Second(what);
  }
  EXPECT_LE(run.changes(), 3) << "each failure doubles the hold";
  // It lives again, and is believed in the end.
  char said = 'D';
  for (int i = 0; i < 310; ++i) said = run.Second('#');
  EXPECT_EQ(said, 'u');
}

TEST(LivenessDetector, OldFailuresAreForgotten) {
  LivenessDetector::Options options;
  options.forget = absl::Seconds(30);
  Seconds run(options);
  auto back_after = [&run] {
    for (int i = 0; i < 6; ++i) run.Second('.');
    int seconds = 0;
    while (run.Second('#') == 'D' && seconds < 100) ++seconds;
    return seconds;
  };
  EXPECT_EQ(back_after(), 1);
  EXPECT_EQ(back_after(), 2);
  EXPECT_EQ(back_after(), 4);
  for (int i = 0; i < 31; ++i) run.Second('#');
  EXPECT_EQ(back_after(), 1);
}

TEST(LivenessDetector, WhatIsNotWatchedIsNobodysBusiness) {
  LivenessDetector detector({});
  detector.Hear("stranger", absl::Seconds(1));
  EXPECT_EQ(detector.size(), 0u);
  detector.Watch("n", false, absl::Seconds(1));
  EXPECT_FALSE(detector.Alive("n")) << "as it was said before";
  detector.Unwatch("n");
  EXPECT_TRUE(detector.Alive("n"));
  EXPECT_TRUE(detector.Check(absl::Seconds(100)).empty());
}

}  // namespace
}  // namespace trivium
