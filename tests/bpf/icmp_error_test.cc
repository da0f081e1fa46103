// ICMP errors pass if they speak of a flow that is allowed now, and only then.
#include <gtest/gtest.h>

#include "tests/bpf/packet_case.h"

namespace trivium {
namespace {

constexpr uint32_t kNothing = 500;

struct Error {
  std::string name;
  PacketSpec flow;     // pod a's first packet
  std::string router;  // who reports, to pod a
  uint16_t type_and_code;
};

class IcmpErrorTest : public testing::TestWithParam<Error> {
 protected:
  void SetUp() override {
    tester_ = FreshTester();
    world_ = std::make_unique<World>(tester_);
  }
  int Judged(const absl::StatusOr<RunResult>& result) {
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->reason() : -1;
  }
  int Sent(const PacketSpec& packet) { return Judged(tester_->FromPod(Frame(packet))); }
  // From the world's routers: without a mark.
  int Received(const PacketSpec& packet) { return Judged(tester_->ToPod(Frame(packet))); }
  int ReceivedFromPod(const PacketSpec& packet) {
    return Judged(tester_->ToPod(Frame(packet), MarkOf(kIdR)));
  }
  void Policies(uint32_t rule_set) { Ok(world_->Policy(1, DIRECTION_INGRESS, rule_set)); }

  // About `flow`, as `from` reports it to `to`.
  static PacketSpec About(const PacketSpec& flow, const std::string& from, const std::string& to,
                          uint16_t type) {
    PacketSpec error = {.source = from,
                        .destination = to,
                        .protocol = from.size() == 4 ? kIcmp : kIcmpV6,
                        .source_port = 0,
                        .destination_port = type,
                        .payload = IpPacket(flow)};
    return error;
  }
  PacketSpec Reported(const PacketSpec& flow) const {
    return About(flow, GetParam().router, flow.source, GetParam().type_and_code);
  }

  PacketTester* tester_ = nullptr;
  std::unique_ptr<World> world_;
};

TEST_P(IcmpErrorTest, PassesForAKnownFlowAlone) {
  Policies(kNothing);
  const PacketSpec& flow = GetParam().flow;
  EXPECT_EQ(Received(Reported(flow)), DROP_POLICY_DENIED);
  EXPECT_EQ(Sent(flow), 0);
  EXPECT_EQ(Received(Reported(flow)), 0);
  PacketSpec other = flow;
  ++other.source_port;
  EXPECT_EQ(Received(Reported(other)), DROP_POLICY_DENIED);
}

TEST_P(IcmpErrorTest, RouterSendsBackTheHeadAlone) {
  Policies(kNothing);
  const PacketSpec& flow = GetParam().flow;
  EXPECT_EQ(Sent(flow), 0);
  PacketSpec error = Reported(flow);
  error.payload.resize((flow.source.size() == 4 ? 20 : 40) + 8);
  EXPECT_EQ(Received(error), 0);
  error.payload.resize(error.payload.size() - 5);
  EXPECT_EQ(Received(error), DROP_POLICY_DENIED);
}

TEST_P(IcmpErrorTest, NotAfterThePolicyHasChanged) {
  Policies(kNothing);
  const PacketSpec& flow = GetParam().flow;
  EXPECT_EQ(Sent(flow), 0);
  Ok(world_->Policy(1, DIRECTION_EGRESS, kNothing));
  EXPECT_EQ(Received(Reported(flow)), DROP_POLICY_DENIED);
  PacketSpec again = flow;
  again.tcp_flags = kAck;
  EXPECT_EQ(Sent(again), DROP_POLICY_DENIED);
  EXPECT_EQ(Received(Reported(flow)), DROP_POLICY_DENIED) << "of a flow that is marked as denied";
}

TEST_P(IcmpErrorTest, NotWhenExpired) {
  Policies(kNothing);
  EXPECT_EQ(Sent(GetParam().flow), 0);
  Ok(tester_->ExpireConntrack());
  EXPECT_EQ(Received(Reported(GetParam().flow)), DROP_POLICY_DENIED);
}

TEST_P(IcmpErrorTest, OnlyToWhoSentIt) {
  Policies(kNothing);
  const PacketSpec& flow = GetParam().flow;
  EXPECT_EQ(Sent(flow), 0);
  // About the reply, which pod a did not send.
  EXPECT_EQ(Received(About(flow.Reply(), GetParam().router, flow.source, GetParam().type_and_code)),
            DROP_POLICY_DENIED);
}

// Pod a answers what came in with an error, as it does for a port that nobody serves.
TEST_P(IcmpErrorTest, PodReportsWhatItReceived) {
  Ok(world_->Policy(1, DIRECTION_EGRESS, kNothing));
  PacketSpec flow = GetParam().flow;
  std::swap(flow.source, flow.destination);
  const PacketSpec error = About(flow, flow.destination, flow.source, GetParam().type_and_code);
  EXPECT_EQ(Sent(error), DROP_POLICY_DENIED);
  EXPECT_EQ(ReceivedFromPod(flow), 0);
  EXPECT_EQ(Sent(error), 0);
  // Not to somebody else, though about a known flow.
  PacketSpec elsewhere = error;
  elsewhere.destination = flow.source.size() == 4 ? kN4 : kN6;
  EXPECT_EQ(Sent(elsewhere), DROP_POLICY_DENIED);
}

INSTANTIATE_TEST_SUITE_P(
    All, IcmpErrorTest,
    testing::Values(Error{"fragmentation_needed_tcp", From(kA4, kR4), kWorld4, 3 << 8 | 4},
                    Error{"time_exceeded_udp", With(From(kA4, kR4), [](PacketSpec& p) { p.protocol = kUdp; }),
                          kWorld4, 11 << 8},
                    Error{"port_unreachable_udp",
                          With(From(kA4, kR4), [](PacketSpec& p) { p.protocol = kUdp; }), kWorld4,
                          3 << 8 | 3},
                    Error{"unreachable_echo", Echo(kA4, kR4), kWorld4, 3 << 8 | 1},
                    Error{"packet_too_big_tcp6", From(kA6, kR6), kWorld6, 2 << 8},
                    Error{"unreachable_udp6", With(From(kA6, kR6), [](PacketSpec& p) { p.protocol = kUdp; }),
                          kWorld6, 1 << 8 | 4},
                    Error{"time_exceeded_echo6", Echo(kA6, kR6), kWorld6, 3 << 8}),
    [](const auto& error) { return error.param.name; });

}  // namespace
}  // namespace trivium
