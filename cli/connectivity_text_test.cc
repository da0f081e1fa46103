#include "cli/connectivity_text.h"

#include <gtest/gtest.h>

namespace trivium::cli {
namespace {

TEST(ConnectivityTextTest, WhatWasMeasuredBesideWhatPoliciesSay) {
  const std::vector<MeasuredFlow> flows = {
      {"aws/n1", "aws/n2", false, true, true, absl::Microseconds(412)},
      {"aws/n1", "aws/n2", true, true, false, absl::ZeroDuration()},
      {"aws/n2", "aws/n1", false, false, false, absl::ZeroDuration()},
      {"aws/n2", "aws/n1", true, false, true, absl::Milliseconds(1)},
  };
  EXPECT_EQ(FlowsWell(flows), 2u);
  EXPECT_EQ(ConnectivityText(flows, {}),
            "FROM     TO       TCP                       UDP\n"
            "aws/n1   aws/n2   open 410us                BLOCKED, although policies allow it\n"
            "aws/n2   aws/n1   denied, as policies say   OPEN, although policies deny it\n"
            "\n"
            "2 of 4 as the policies say\n");
}

}  // namespace
}  // namespace trivium::cli
