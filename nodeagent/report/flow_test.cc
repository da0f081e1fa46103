// From the kernel's event to words, and to those who listen: names, the budget of a flood, what is lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "nodeagent/report/flow_log.h"
#include "nodeagent/report/flow_publisher.h"
#include "schema/subjects.h"
#include "tests/support/fake_bus.h"
#include "tests/support/manual_executor.h"

namespace trivium {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class NullRandom final : public Random {
 public:
  uint64_t Next() override { return 7; }
};

class FlowTest : public testing::Test {
 protected:
  FlowTest() {
    bus_ = broker_.Connect("node");
    listener_ = broker_.Connect("admin");
    EXPECT_TRUE(listener_
                    ->Subscribe(subjects::EveryFlows("aws"), "", &executor_,
                                [this](const Message& message) {
                                  v1::FlowEvents events;
                                  EXPECT_TRUE(events.ParseFromString(message.payload));
                                  heard_.push_back(std::move(events));
                                })
                    .ok());
    executor_.RunFor(absl::Seconds(1));
    publisher_ = std::make_unique<FlowPublisher>("aws", "n1", &executor_, &clock_, bus_.get(),
                                                 [this] { return log_->skipped() + kernel_lost_; });
    FlowContext context;
    context.cluster = "aws";
    context.clock = &clock_;
    context.endpoint = [](uint32_t number) { return number == 7 ? FlowParty{"shop/db", 300} : FlowParty{}; };
    context.address = [](absl::string_view ip) {
      return ip == absl::string_view("\x0a\x01\x01\x06", 4) ? FlowParty{"shop/near", 301} : FlowParty{};
    };
    context.rule = [this](uint32_t cookie) { return cookie == 9 ? &origin_ : nullptr; };
    context.revision = [] { return 42; };
    log_ = std::make_unique<FlowLog>(context, [this](const v1::FlowEvent& e) { publisher_->Add(e); });
  }

  // A TCP packet from 10.2.0.5 to port 5432 of endpoint 7 at 10.1.1.5, denied because no rule allows it.
  flow_event Event() {
    flow_event event{};
    event.time_ns = static_cast<uint64_t>(absl::ToInt64Nanoseconds(clock_.Monotonic()));
    event.endpoint = 7;
    event.remote_identity = 513;
    event.rule_set = 3;
    event.reason = 1;
    event.direction = DIRECTION_INGRESS;
    event.family = 4;
    event.protocol = 6;
    std::memcpy(event.source, "\x0a\x02\x00\x05", 4);
    std::memcpy(event.destination, "\x0a\x01\x01\x05", 4);
    event.source_port[0] = 0x9c;
    event.source_port[1] = 0x40;
    event.destination_port[0] = 5432 >> 8;
    event.destination_port[1] = 5432 & 0xff;
    return event;
  }

  ManualClock clock_;
  ManualExecutor executor_{&clock_};
  NullRandom random_;
  FakeBroker broker_{&executor_, &random_};
  std::unique_ptr<FakeBus> bus_, listener_;
  std::unique_ptr<FlowPublisher> publisher_;
  std::unique_ptr<FlowLog> log_;
  Cookies::Origin origin_{"NetworkPolicy/shop/db", "spec.ingress[0]", 40};
  uint64_t kernel_lost_ = 0;
  std::vector<v1::FlowEvents> heard_;
};

TEST_F(FlowTest, SaysWhoWhatAndWhichRule) {
  log_->Add(Event());
  flow_event ruled = Event();
  ruled.cookie = 9;
  ruled.reason = 2;
  log_->Add(ruled);
  flow_event audited = Event();
  audited.reason = 0;
  log_->Add(audited);
  flow_event out = Event();
  out.direction = DIRECTION_EGRESS;
  std::swap(out.source, out.destination);
  out.remote_identity = 2;
  out.protocol = 1;
  out.destination_port[0] = 8;
  out.destination_port[1] = 0;
  log_->Add(out);
  const v1::FlowsResult flows = log_->Last(10);
  ASSERT_THAT(flows.lines(), SizeIs(4));
  EXPECT_EQ(
      flows.lines(0),
      "identity 513 10.2.0.5:40000 -> aws/shop/db 10.1.1.5:5432 TCP ingress of shop/db: policy denied: no "
      "rule allows it, revision 42");
  EXPECT_EQ(
      flows.lines(1),
      "identity 513 10.2.0.5:40000 -> aws/shop/db 10.1.1.5:5432 TCP ingress of shop/db: policy denied: a "
      "deny rule matches (NetworkPolicy shop/db spec.ingress[0]), revision 40");
  EXPECT_THAT(flows.lines(2), HasSubstr(": audit: no rule allows it, revision 42"));
  EXPECT_EQ(
      flows.lines(3),
      "aws/shop/db 10.1.1.5 -> world 10.2.0.5 ICMP type 8 egress of shop/db: policy denied: no rule allows "
      "it, revision 42");
  EXPECT_THAT(log_->Last(1).lines(), SizeIs(1));
}

TEST_F(FlowTest, PublishesSoonAndCoalesces) {
  for (int i = 0; i < 5; ++i) {
    flow_event event = Event();
    event.source_port[1] = static_cast<uint8_t>(i);  // a retry has another source port
    log_->Add(event);
  }
  flow_event near = Event();
  std::memcpy(near.source, "\x0a\x01\x01\x06", 4);
  near.remote_identity = 301;
  log_->Add(near);
  executor_.RunFor(absl::Milliseconds(150));
  ASSERT_THAT(heard_, SizeIs(1));
  EXPECT_EQ(heard_[0].cluster(), "aws");
  EXPECT_EQ(heard_[0].node(), "n1");
  EXPECT_EQ(heard_[0].sequence(), 1u);
  EXPECT_EQ(heard_[0].lost(), 0u);
  ASSERT_THAT(heard_[0].events(), SizeIs(2));
  const v1::FlowEvent& event = heard_[0].events(0);
  EXPECT_EQ(event.count(), 5u);
  EXPECT_EQ(event.verdict(), v1::FlowEvent::DROPPED);
  EXPECT_EQ(event.source(), "") << "a pod of another node: its name is for the control plane to say";
  EXPECT_EQ(event.source_identity(), 513u);
  EXPECT_EQ(event.destination(), "aws/shop/db");
  EXPECT_EQ(event.destination_identity(), 300u);
  EXPECT_EQ(event.time_us(), absl::ToUnixMicros(clock_.Now() - absl::Milliseconds(150)));
  EXPECT_EQ(heard_[0].events(1).source(), "aws/shop/near");
}

TEST_F(FlowTest, AFloodCostsAFixedBudgetAndWhatIsLostIsCounted) {
  uint64_t packets = 0, told = 0;
  for (int tenth = 0; tenth < 100; ++tenth) {  // ten seconds, every packet another source
    for (int i = 0; i < 1000; ++i) {
      flow_event event = Event();
      std::memcpy(event.source, &packets, 4);
      log_->Add(event);
      ++packets;
    }
    kernel_lost_ += 3;
    executor_.RunFor(absl::Milliseconds(100));
  }
  executor_.RunFor(absl::Seconds(2));
  EXPECT_LE(heard_.size(), 12u) << "about a message a second";
  for (const v1::FlowEvents& message : heard_) {
    EXPECT_LE(message.events_size(), FlowPublisher::kMaxEvents);
    EXPECT_LE(message.ByteSizeLong(), 64u * 1024);
    told += message.lost();
    for (const v1::FlowEvent& event : message.events()) told += event.count();
  }
  EXPECT_GE(log_->skipped(), packets - 12 * FlowLog::kDescribedPerSecond);
  EXPECT_EQ(told, packets + kernel_lost_) << "every packet is shown or counted as lost";
}

TEST_F(FlowTest, WhatCouldNotBeSentIsCountedInTheNextMessage) {
  broker_.SetConnected("node", false);
  log_->Add(Event());
  log_->Add(Event());
  executor_.RunFor(absl::Seconds(3));
  EXPECT_THAT(heard_, SizeIs(0));
  broker_.SetConnected("node", true);
  executor_.RunFor(absl::Seconds(3));
  log_->Add(Event());
  executor_.RunFor(absl::Seconds(1));
  ASSERT_THAT(heard_, SizeIs(1));
  EXPECT_EQ(heard_[0].lost(), 2u);
  EXPECT_EQ(heard_[0].sequence(), 1u);
}

}  // namespace
}  // namespace trivium
