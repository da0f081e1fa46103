#include "nodeagent/report/start_stamp.h"

#include <gtest/gtest.h>

#include "tests/support/fake_files.h"

namespace trivium {
namespace {

TEST(StartStampTest, IsTheClocksUnlessThatWentBack) {
  FakeFiles files;
  EXPECT_EQ(MakeStartStamp(&files, "/s", 5000), 5000);
  EXPECT_EQ(MakeStartStamp(&files, "/s", 7000), 7000);
  EXPECT_EQ(MakeStartStamp(&files, "/s", 1000), 7001);
  EXPECT_EQ(MakeStartStamp(&files, "/s", 1000), 7002);
  EXPECT_EQ(MakeStartStamp(&files, "/s", 9000), 9000);
}

TEST(StartStampTest, ADamagedFileCountsAsNone) {
  FakeFiles files;
  files.contents()["/s"] = "what";
  EXPECT_EQ(MakeStartStamp(&files, "/s", 5000), 5000);
}

TEST(StartStampTest, AFullDiskStopsNobody) {
  FakeFiles files;
  EXPECT_EQ(MakeStartStamp(&files, "/s", 5000), 5000);
  files.SetFault(absl::ResourceExhaustedError("full"));
  EXPECT_EQ(MakeStartStamp(&files, "/s", 1000), 5001);
}

}  // namespace
}  // namespace trivium
