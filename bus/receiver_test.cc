#include "bus/receiver.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/manual_executor.h"

namespace trivium::bus_internal {
namespace {

class ReceiverTest : public testing::Test {
 protected:
  std::shared_ptr<SubscriptionReceiver> Make(SubscriptionReceiver::Bounds bounds) {
    return std::make_shared<SubscriptionReceiver>(
        "a.*", bounds, &executor_, [this](Message m) { got_.push_back(m.payload); }, open_, dropped_);
  }

  ManualClock clock_;
  ManualExecutor executor_{&clock_};
  std::shared_ptr<std::atomic<bool>> open_ = std::make_shared<std::atomic<bool>>(true);
  std::shared_ptr<std::atomic<uint64_t>> dropped_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::vector<std::string> got_;
};

TEST_F(ReceiverTest, NeverRunsInline) {
  auto receiver = Make({10, 1000});
  receiver->OnMessage({"a.b", "", "1"});
  EXPECT_TRUE(got_.empty());
  executor_.RunUntilIdle();
  EXPECT_EQ(got_, (std::vector<std::string>{"1"}));
}

TEST_F(ReceiverTest, DropsTheNewestBeyondTheBoundAndCounts) {
  auto receiver = Make({2, 1000});
  for (const char* payload : {"1", "2", "3", "4"}) receiver->OnMessage({"a.b", "", payload});
  executor_.RunUntilIdle();
  EXPECT_EQ(got_, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(*dropped_, 2u);
  receiver->OnMessage({"a.b", "", "5"});  // room again
  executor_.RunUntilIdle();
  EXPECT_EQ(got_.back(), "5");
  EXPECT_EQ(*dropped_, 2u);
}

TEST_F(ReceiverTest, BytesAreBoundToo) {
  auto receiver = Make({100, 10});
  const std::string large(50, 'x');
  receiver->OnMessage({"a.b", "", large});  // alone it passes, whatever its size
  receiver->OnMessage({"a.b", "", "1"});
  executor_.RunUntilIdle();
  EXPECT_EQ(got_, (std::vector<std::string>{large}));
  receiver->OnMessage({"a.b", "", "12"});
  receiver->OnMessage({"a.b", "", "34"});
  receiver->OnMessage({"a.b", "", "5"});
  executor_.RunUntilIdle();
  EXPECT_EQ(got_, (std::vector<std::string>{large, "12", "34"}));
  EXPECT_EQ(*dropped_, 2u);
}

TEST_F(ReceiverTest, NothingStartsOnceClosed) {
  auto receiver = Make({10, 1000});
  receiver->OnMessage({"a.b", "", "1"});
  *open_ = false;
  executor_.RunUntilIdle();
  EXPECT_TRUE(got_.empty());
}

}  // namespace
}  // namespace trivium::bus_internal
