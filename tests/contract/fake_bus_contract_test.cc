#include "tests/contract/bus_contract.h"
#include "tests/support/fake_bus.h"
#include "tests/support/manual_executor.h"

namespace trivium {
namespace {

class SeededRandom final : public Random {
 public:
  uint64_t Next() override {  // splitmix64
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_ = 1;
};

class FakeWorld final : public BusWorld {
 public:
  std::unique_ptr<Bus> Connect(const std::string& name) override { return broker_.Connect(name); }
  Executor* executor() override { return &executor_; }
  bool Await(const std::function<bool()>& condition) override {
    for (int i = 0; i < 10000; ++i) {
      executor_.RunUntilIdle();
      if (condition()) return true;
      executor_.RunFor(absl::Milliseconds(10));
    }
    return condition();
  }
  void Touch() override {}
  void Interrupt() override { broker_.SetAllConnected(false); }
  void Resume() override { broker_.SetAllConnected(true); }
  size_t max_payload() override { return 1024 * 1024; }

  ManualClock clock_;
  ManualExecutor executor_{&clock_};
  SeededRandom random_;
  FakeBroker broker_{&executor_, &random_};
};

std::unique_ptr<BusWorld> MakeFakeWorld() { return std::make_unique<FakeWorld>(); }

INSTANTIATE_TEST_SUITE_P(Fake, BusContract, testing::Values(&MakeFakeWorld));

// ---- The faults that only the fake has
// ----------------------------------------------------------------------

class FakeBusFaults : public testing::Test {
 protected:
  FakeBusFaults() {
    EXPECT_TRUE(b_->Subscribe("t", "", &w_.executor_, [this](Message m) { got_.push_back(m.payload); }).ok());
  }
  void Send(int count) {
    for (int i = 0; i < count; ++i) EXPECT_TRUE(a_->Publish("t", std::to_string(100 + i)).ok());
    w_.executor_.RunFor(absl::Seconds(1));
  }

  FakeWorld w_;
  std::unique_ptr<FakeBus> a_ = w_.broker_.Connect("a", "east");
  std::unique_ptr<FakeBus> b_ = w_.broker_.Connect("b", "west");
  std::vector<std::string> got_;
};

TEST_F(FakeBusFaults, DropsSome) {
  w_.broker_.SetFaults({.drop = 0.5});
  Send(100);
  EXPECT_GT(got_.size(), 20u);
  EXPECT_LT(got_.size(), 80u);
  EXPECT_EQ(got_.size() + w_.broker_.counters().lost, 100u);
  EXPECT_TRUE(std::is_sorted(got_.begin(), got_.end()));
}

TEST_F(FakeBusFaults, RepeatsSome) {
  w_.broker_.SetFaults({.duplicate = 0.5});
  Send(100);
  EXPECT_GT(got_.size(), 120u);
  EXPECT_LT(got_.size(), 180u);
}

TEST_F(FakeBusFaults, ReordersSome) {
  w_.broker_.SetFaults({.reorder = 0.5});
  Send(100);
  EXPECT_EQ(got_.size(), 100u);
  EXPECT_FALSE(std::is_sorted(got_.begin(), got_.end()));
}

TEST_F(FakeBusFaults, DelaysAllInOrder) {
  w_.broker_.SetFaults({.delay = absl::Milliseconds(100)});
  EXPECT_TRUE(a_->Publish("t", "1").ok());
  EXPECT_TRUE(a_->Publish("t", "2").ok());
  w_.executor_.RunFor(absl::Milliseconds(99));
  EXPECT_TRUE(got_.empty());
  w_.executor_.RunFor(absl::Milliseconds(1));
  EXPECT_THAT(got_, testing::ElementsAre("1", "2"));
}

TEST_F(FakeBusFaults, PartitionsAndHeals) {
  w_.broker_.Partition({{"a"}, {"b"}});
  Send(1);
  EXPECT_TRUE(got_.empty());
  absl::Status outcome;
  a_->Request("t", "x", absl::Seconds(1), &w_.executor_,
              [&](absl::StatusOr<std::string> reply) { outcome = reply.status(); });
  w_.executor_.RunUntilIdle();
  EXPECT_EQ(outcome.code(), absl::StatusCode::kUnavailable);
  w_.broker_.Heal();
  Send(1);
  EXPECT_EQ(got_.size(), 1u);
}

TEST_F(FakeBusFaults, ADisconnectLosesWhatIsUnderWay) {
  EXPECT_TRUE(a_->Publish("t", "1").ok());
  w_.broker_.SetConnected("b", false);
  w_.broker_.SetConnected("b", true);
  w_.executor_.RunUntilIdle();
  EXPECT_TRUE(got_.empty());
  EXPECT_EQ(w_.broker_.counters().lost, 1u);
  Send(1);
  EXPECT_EQ(got_.size(), 1u);
}

TEST_F(FakeBusFaults, TheFilterSeesWho) {
  w_.broker_.SetFilter([](const std::string& from, const std::string& to, const Message& m) {
    return !(from == "a" && to == "b" && m.payload == "101");
  });
  Send(3);
  EXPECT_THAT(got_, testing::ElementsAre("100", "102"));
}

TEST_F(FakeBusFaults, QueueGroupsPreferTheSendersRegion) {
  std::vector<std::string> east, west;
  auto c = w_.broker_.Connect("c", "east");
  EXPECT_TRUE(b_->Subscribe("q", "g", &w_.executor_, [&](Message m) { west.push_back(m.payload); }).ok());
  EXPECT_TRUE(c->Subscribe("q", "g", &w_.executor_, [&](Message m) { east.push_back(m.payload); }).ok());
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(a_->Publish("q", "x").ok());
  w_.executor_.RunUntilIdle();
  EXPECT_EQ(east.size(), 10u);
  w_.broker_.SetConnected("c", false);
  EXPECT_TRUE(a_->Publish("q", "x").ok());
  w_.executor_.RunUntilIdle();
  EXPECT_EQ(west.size(), 1u);
}

}  // namespace
}  // namespace trivium
