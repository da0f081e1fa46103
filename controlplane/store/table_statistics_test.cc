#include "controlplane/store/table_statistics.h"

#include <gtest/gtest.h>

namespace trivium {
namespace {

TEST(TableStatisticsTest, LooksEarlyAndEverMoreSeldom) {
  TableStatistics statistics;
  EXPECT_FALSE(statistics.Due(199));
  EXPECT_TRUE(statistics.Due(1));
  EXPECT_FALSE(statistics.Due(1399));
  EXPECT_TRUE(statistics.Due(500)) << "beyond 1,600";
  EXPECT_FALSE(statistics.Due(1));
  EXPECT_TRUE(statistics.Due(200'000)) << "several steps in one";
  EXPECT_FALSE(statistics.Due(10'000'000)) << "by then the server does it itself";
}

}  // namespace
}  // namespace trivium
