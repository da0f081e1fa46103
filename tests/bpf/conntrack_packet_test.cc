// The state machine of connection tracking, packet by packet, on the loaded programs. Pod a (endpoint 1)
// talks with the remote pod r unless a test says otherwise.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <time.h>

#include <functional>

#include "tests/bpf/packet_case.h"

namespace trivium {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

constexpr uint32_t kOut = RuleSetOf(1, DIRECTION_EGRESS);
constexpr uint32_t kNothing = 500;  // a rule set without verdicts
constexpr uint32_t kAllowAll = 501, kDenyAll = 502;

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

class ConntrackTest : public testing::Test {
 protected:
  void SetUp() override { Use(FreshTester()); }
  void Use(PacketTester* tester) {
    tester_ = tester;
    world_ = std::make_unique<World>(tester_);
    Ok(world_->Verdict(AnyVerdict(kAllowAll), POLICY_ALLOW));
    Ok(world_->Verdict(AnyVerdict(kDenyAll), POLICY_DENY, 66));
  }
  // One of its own.
  void Start(const DatapathOptions& options) {
    auto tester = PacketTester::Create(options);
    ASSERT_TRUE(tester.ok()) << tester.status();
    own_ = *std::move(tester);
    Ok(World(own_.get()).Fill());
    Use(own_.get());
  }

  // The reason for which the packet is dropped, 0 if it passes. a sends; r sends, through the tunnel.
  int Sent(const PacketSpec& packet) { return Judged(tester_->FromPod(Frame(packet))); }
  int Received(const PacketSpec& packet, uint32_t identity = kIdR) {
    return Judged(tester_->ToPod(Frame(packet), MarkOf(identity)));
  }
  int Judged(const absl::StatusOr<RunResult>& result) {
    EXPECT_TRUE(result.ok()) << result.status();
    if (!result.ok()) return -1;
    events_ = result->events;
    EXPECT_EQ(result->action == kDrop, result->reason() != 0);
    return result->reason();
  }
  ct_value OnlyEntry() {
    const auto entries = tester_->Conntrack();
    EXPECT_TRUE(entries.ok());
    EXPECT_THAT(*entries, SizeIs(1));
    return entries->empty() ? ct_value{} : entries->front().second;
  }
  size_t Entries() { return tester_->Conntrack()->size(); }
  int64_t SecondsLeft() {
    return (static_cast<int64_t>(OnlyEntry().expires_ns) - Now() + 500'000'000) / 1'000'000'000;
  }
  void Egress(uint32_t rule_set, uint32_t flags = 0) {
    Ok(world_->Policy(1, DIRECTION_EGRESS, rule_set, flags));
  }
  void Ingress(uint32_t rule_set, uint32_t flags = 0) {
    Ok(world_->Policy(1, DIRECTION_INGRESS, rule_set, flags));
  }

  std::unique_ptr<PacketTester> own_;
  PacketTester* tester_ = nullptr;
  std::unique_ptr<World> world_;
  std::vector<flow_event> events_;
};

PacketSpec Data(PacketSpec packet) {
  packet.tcp_flags = kAck;
  packet.sctp_chunk = 0;
  return packet;
}

// ---- every protocol and family

struct Flow {
  std::string name;
  PacketSpec packet;
};
class ConntrackFlowTest : public ConntrackTest, public testing::WithParamInterface<Flow> {};

TEST_P(ConntrackFlowTest, ReplyPassesWhereNothingElseMay) {
  Ingress(kNothing);
  const PacketSpec packet = GetParam().packet;
  EXPECT_EQ(Received(packet.Reply()), DROP_POLICY_DENIED);
  EXPECT_EQ(Entries(), 0u) << "a flow that never was allowed leaves nothing behind";
  EXPECT_EQ(Sent(packet), 0);
  EXPECT_EQ(Received(packet.Reply()), 0);
  EXPECT_EQ(Sent(Data(packet)), 0);
  EXPECT_EQ(OnlyEntry().direction, DIRECTION_EGRESS);
  EXPECT_EQ(OnlyEntry().identity, kIdR);
  EXPECT_EQ(OnlyEntry().rule_set, kOut);
}

TEST_P(ConntrackFlowTest, ReplyOfWhatCameInPasses) {
  Egress(kNothing);
  const PacketSpec packet = [&] {
    PacketSpec reversed = GetParam().packet;
    std::swap(reversed.source, reversed.destination);
    return reversed;
  }();
  EXPECT_EQ(Sent(packet.Reply()), DROP_POLICY_DENIED);
  EXPECT_EQ(Received(packet), 0);
  EXPECT_EQ(Sent(packet.Reply()), 0);
  EXPECT_EQ(OnlyEntry().direction, DIRECTION_INGRESS);
}

TEST_P(ConntrackFlowTest, PolicyChangeStopsBothEnds) {
  const PacketSpec packet = GetParam().packet;
  EXPECT_EQ(Sent(packet), 0);
  EXPECT_EQ(Received(packet.Reply()), 0);
  Egress(kNothing);
  EXPECT_EQ(Sent(Data(packet)), DROP_POLICY_DENIED);
  EXPECT_EQ(Sent(Data(packet)), DROP_CT_DENIED);
  // Everything may come in to pod a; yet this is a reply of a flow that is denied.
  EXPECT_EQ(Received(Data(packet.Reply())), DROP_CT_DENIED);
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].rule_set, kNothing);
}

// The other end is the first to send after the change: the hole that a mark without a direction would leave.
TEST_P(ConntrackFlowTest, OtherEndsRetransmitDoesNotOpenInReverse) {
  const PacketSpec packet = GetParam().packet;
  EXPECT_EQ(Sent(packet), 0);
  EXPECT_EQ(Received(packet.Reply()), 0);
  Egress(kDenyAll);
  EXPECT_EQ(Received(Data(packet.Reply())), DROP_POLICY_DENY_RULE);
  EXPECT_EQ(Received(Data(packet.Reply())), DROP_CT_DENIED);
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].cookie, 66u);
  EXPECT_EQ(Sent(Data(packet)), DROP_CT_DENIED);
  EXPECT_EQ(OnlyEntry().denied, 1);
  EXPECT_EQ(OnlyEntry().direction, DIRECTION_EGRESS);
}

TEST_P(ConntrackFlowTest, PolicyChangeThatStillAllows) {
  const PacketSpec packet = GetParam().packet;
  EXPECT_EQ(Sent(packet), 0);
  Egress(kAllowAll);
  Ingress(kNothing);
  EXPECT_EQ(Received(packet.Reply()), 0);
  EXPECT_EQ(OnlyEntry().rule_set, kAllowAll);
  EXPECT_EQ(OnlyEntry().direction, DIRECTION_EGRESS);
}

TEST_P(ConntrackFlowTest, AllowedAgain) {
  const PacketSpec packet = GetParam().packet;
  EXPECT_EQ(Sent(packet), 0);
  Egress(kNothing);
  EXPECT_EQ(Sent(Data(packet)), DROP_POLICY_DENIED);
  Egress(kAllowAll);
  EXPECT_EQ(Received(packet.Reply()), 0);
  EXPECT_EQ(Sent(Data(packet)), 0);
  EXPECT_EQ(OnlyEntry().denied, 0);
}

TEST_P(ConntrackFlowTest, IdentityChangeIsJudgedAgain) {
  const PacketSpec packet = GetParam().packet;
  Ok(world_->Known(2002, 2));
  Ok(world_->Class(kOut, 2002, 5));  // a class without verdicts
  EXPECT_EQ(Sent(packet), 0);
  Ok(world_->Address(packet.destination, 2002, 2, 7));
  EXPECT_EQ(Sent(Data(packet)), DROP_POLICY_DENIED);
  EXPECT_EQ(Received(packet.Reply(), 2002), DROP_CT_DENIED);
  // The peer is again what it was.
  EXPECT_EQ(Received(packet.Reply(), kIdR), 0);
}

TEST_P(ConntrackFlowTest, ExpiredIsForgotten) {
  Ingress(kNothing);
  const PacketSpec packet = GetParam().packet;
  EXPECT_EQ(Sent(packet), 0);
  Ok(tester_->ExpireConntrack());
  EXPECT_EQ(Received(Data(packet.Reply())), DROP_POLICY_DENIED);
  EXPECT_EQ(Sent(packet), 0);
  EXPECT_EQ(Received(packet.Reply()), 0);
}

TEST_P(ConntrackFlowTest, MarkExpires) {
  const PacketSpec packet = GetParam().packet;
  EXPECT_EQ(Sent(packet), 0);
  Egress(kNothing);
  EXPECT_EQ(Sent(Data(packet)), DROP_POLICY_DENIED);
  Ok(tester_->ExpireConntrack());
  EXPECT_EQ(Received(Data(packet.Reply())), 0) << "judged as a flow of its own, which may come in";
}

INSTANTIATE_TEST_SUITE_P(
    All, ConntrackFlowTest,
    testing::Values(Flow{"tcp4", From(kA4, kR4)}, Flow{"tcp6", From(kA6, kR6)},
                    Flow{"udp4", With(From(kA4, kR4), [](PacketSpec& p) { p.protocol = kUdp; })},
                    Flow{"udp6", With(From(kA6, kR6), [](PacketSpec& p) { p.protocol = kUdp; })},
                    Flow{"sctp4", With(From(kA4, kR4), [](PacketSpec& p) { p.protocol = kSctp; })},
                    Flow{"icmp4", Echo(kA4, kR4)}, Flow{"icmp6", Echo(kA6, kR6)}),
    [](const auto& flow) { return flow.param.name; });

// ---- keys

TEST_F(ConntrackTest, TwoPodsOfOneNodeHaveAnEntryEach) {
  const PacketSpec packet = From(kA4, kB4);
  EXPECT_EQ(Sent(packet), 0);
  EXPECT_EQ(Judged(tester_->ToPod(Frame(packet), MarkOf(kIdA))), 0);
  EXPECT_EQ(Entries(), 2u);
  // b's reply is a reply for both, each with its own direction.
  Ok(world_->Policy(2, DIRECTION_EGRESS, kNothing));
  Ingress(kNothing);
  EXPECT_EQ(Sent(packet.Reply()), 0);
  EXPECT_EQ(Received(packet.Reply(), kIdB), 0);
}

TEST_F(ConntrackTest, OtherPortsAreOtherFlows) {
  Ingress(kNothing);
  const PacketSpec packet = From(kA4, kR4);
  EXPECT_EQ(Sent(packet), 0);
  PacketSpec other = packet.Reply();
  ++other.source_port;
  EXPECT_EQ(Received(other), DROP_POLICY_DENIED);
  other = packet.Reply();
  ++other.destination_port;
  EXPECT_EQ(Received(other), DROP_POLICY_DENIED);
  other = packet.Reply();
  other.protocol = kUdp;
  EXPECT_EQ(Received(other), DROP_POLICY_DENIED);
  other = packet.Reply();
  other.source = kN4;
  EXPECT_EQ(Received(other, kIdN), DROP_POLICY_DENIED);
}

// Both ends ping each other with one id: two flows, each with its own direction.
TEST_F(ConntrackTest, EchoIdsOfBothEndsDoNotMeet) {
  const PacketSpec ours = Echo(kA4, kR4), theirs = Echo(kR4, kA4);
  EXPECT_EQ(Sent(ours), 0);
  EXPECT_EQ(Received(theirs), 0);
  EXPECT_EQ(Entries(), 2u);
  Egress(kNothing);
  EXPECT_EQ(Received(ours.Reply()), DROP_POLICY_DENIED);
  EXPECT_EQ(Sent(theirs.Reply()), 0);
}

// The reply is judged by the request's type: its own is allowed nowhere.
TEST_F(ConntrackTest, EchoReplyIsJudgedAgainAsItsRequest) {
  for (const PacketSpec& request : {Echo(kA4, kR4), Echo(kA6, kR6)}) {
    for (const uint32_t rule_set : {600u, 601u}) {
      Ok(world_->Verdict(PortVerdict(rule_set, request.protocol, request.destination_port), POLICY_ALLOW));
    }
    Egress(600);
    EXPECT_EQ(Sent(request), 0);
    Egress(601);
    EXPECT_EQ(Received(request.Reply()), 0);
  }
}

TEST_F(ConntrackTest, EchoReplyThatAnswersNothingOpensNothing) {
  EXPECT_EQ(Received(Echo(kA4, kR4).Reply()), 0);  // all may come in
  EXPECT_EQ(Entries(), 0u);
}

// ---- connections

TEST_F(ConntrackTest, SynOfTheOtherEndIsNoReply) {
  Ingress(kNothing);
  const PacketSpec packet = From(kA4, kR4);
  EXPECT_EQ(Sent(packet), 0);
  PacketSpec syn = packet.Reply();
  syn.tcp_flags = kSyn;
  EXPECT_EQ(Received(syn), DROP_POLICY_DENIED);
  // It has neither broken the flow nor turned it round.
  EXPECT_EQ(Received(packet.Reply()), 0);
  EXPECT_EQ(OnlyEntry().direction, DIRECTION_EGRESS);
  Ingress(kAllowAll);
  EXPECT_EQ(Received(syn), 0);
  EXPECT_EQ(OnlyEntry().direction, DIRECTION_EGRESS);
}

TEST_F(ConntrackTest, SynOfTheOtherEndReplacesADeniedFlow) {
  const PacketSpec packet = From(kA4, kR4);
  EXPECT_EQ(Sent(packet), 0);
  Egress(kNothing);
  EXPECT_EQ(Sent(packet), DROP_POLICY_DENIED);
  PacketSpec syn = packet.Reply();
  syn.tcp_flags = kSyn;
  EXPECT_EQ(Received(syn), 0) << "a connection of their own, which may come in";
  EXPECT_EQ(Sent(Data(packet)), 0);
  EXPECT_EQ(OnlyEntry().direction, DIRECTION_INGRESS);
  EXPECT_EQ(OnlyEntry().denied, 0);
}

TEST_F(ConntrackTest, TcpLifetimes) {
  const PacketSpec packet = From(kA4, kR4);
  EXPECT_EQ(Sent(packet), 0);
  EXPECT_EQ(SecondsLeft(), 60);
  EXPECT_EQ(Received(packet.Reply()), 0);
  EXPECT_EQ(SecondsLeft(), 3 * 3600);
  PacketSpec fin = Data(packet);
  fin.tcp_flags = kFin | kAck;
  EXPECT_EQ(Sent(fin), 0);
  EXPECT_EQ(SecondsLeft(), 3 * 3600) << "the other end may still have much to say";
  PacketSpec answer = packet.Reply();
  answer.tcp_flags = kFin | kAck;
  EXPECT_EQ(Received(answer), 0);
  EXPECT_EQ(SecondsLeft(), 10);
  EXPECT_EQ(Sent(packet), 0);
  EXPECT_EQ(SecondsLeft(), 60) << "the same ports, opened anew";
  PacketSpec reset = packet.Reply();
  reset.tcp_flags = kRst;
  EXPECT_EQ(Received(reset), 0);
  EXPECT_EQ(SecondsLeft(), 10);
}

TEST_F(ConntrackTest, OtherLifetimes) {
  const auto check = [&](const PacketSpec& packet, int one_way, int both_ways, int denied) {
    Use(FreshTester());
    EXPECT_EQ(Sent(packet), 0);
    EXPECT_EQ(SecondsLeft(), one_way);
    EXPECT_EQ(Received(packet.Reply()), 0);
    EXPECT_EQ(SecondsLeft(), both_ways);
    Egress(kNothing);
    EXPECT_EQ(Received(Data(packet.Reply())), DROP_POLICY_DENIED);
    EXPECT_EQ(SecondsLeft(), denied);
  };
  check(From(kA4, kR4), 60, 3 * 3600, 1200);
  check(With(From(kA4, kR4), [](PacketSpec& p) { p.protocol = kUdp; }), 60, 180, 180);
  check(With(From(kA4, kR4), [](PacketSpec& p) { p.protocol = kSctp; }), 60, 3 * 3600, 1200);
  check(Echo(kA4, kR4), 30, 30, 180);
}

TEST_F(ConntrackTest, SctpAbortEndsTheAssociation) {
  const PacketSpec packet = With(From(kA4, kR4), [](PacketSpec& p) { p.protocol = kSctp; });
  EXPECT_EQ(Sent(packet), 0);
  EXPECT_EQ(Received(packet.Reply()), 0);
  PacketSpec abort = packet.Reply();
  abort.sctp_chunk = kSctpAbort;
  EXPECT_EQ(Received(abort), 0);
  EXPECT_EQ(SecondsLeft(), 10);
}

// Only the end that is denied prolongs the mark: a chatty peer cannot keep its own flows out for ever.
TEST_F(ConntrackTest, OtherEndDoesNotProlongTheMark) {
  const PacketSpec packet = With(From(kA4, kR4), [](PacketSpec& p) { p.protocol = kUdp; });
  EXPECT_EQ(Sent(packet), 0);
  Egress(kNothing);
  EXPECT_EQ(Sent(packet), DROP_POLICY_DENIED);
  const auto entries = tester_->Conntrack();
  ASSERT_THAT(*entries, SizeIs(1));
  auto [key, value] = entries->front();
  value.expires_ns = static_cast<uint64_t>(Now()) + 50'000'000'000;
  ASSERT_EQ(bpf_map_update_elem(tester_->datapath().conntrack_denied_fd(), &key, &value, BPF_EXIST), 0);
  EXPECT_EQ(Received(packet.Reply()), DROP_CT_DENIED);
  EXPECT_EQ(SecondsLeft(), 50);
  EXPECT_EQ(Sent(packet), DROP_CT_DENIED);
  EXPECT_EQ(SecondsLeft(), 180);
}

TEST_F(ConntrackTest, ClosedEndpointStopsEstablishedFlows) {
  const PacketSpec packet = From(kA4, kR4);
  EXPECT_EQ(Sent(packet), 0);
  Ok(world_->Closed(1, DIRECTION_EGRESS));
  EXPECT_EQ(Sent(Data(packet)), DROP_ENDPOINT_CLOSED);
  EXPECT_EQ(Received(packet.Reply()), DROP_ENDPOINT_CLOSED);
  // Not a verdict: when the policy is back, so is the flow.
  Egress(kAllowAll);
  EXPECT_EQ(Received(packet.Reply()), 0);
}

TEST_F(ConntrackTest, PeerThatNobodyKnowsAnyMoreIsNotJudged) {
  const PacketSpec packet = From(kA4, kR4);
  EXPECT_EQ(Sent(packet), 0);
  Ok(world_->NotKnown(kIdR));
  Egress(kAllowAll);
  EXPECT_EQ(Sent(Data(packet)), DROP_UNKNOWN_IDENTITY);
}

// ---- audit

TEST_F(ConntrackTest, AuditEndsWithTheMode) {
  Ingress(kNothing);
  Egress(kNothing, ENDPOINT_POLICY_AUDIT);
  const PacketSpec packet = From(kA4, kR4);
  EXPECT_EQ(Sent(packet), 0);
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].reason, 0);
  EXPECT_EQ(Received(packet.Reply()), 0) << "the reply of an audited flow passes too";
  EXPECT_THAT(events_, IsEmpty()) << "one event a flow, not a packet";
  Egress(kNothing);
  EXPECT_EQ(Received(packet.Reply()), DROP_POLICY_DENIED) << "the same rule set, but no longer audited";
  Egress(kNothing, ENDPOINT_POLICY_AUDIT);
  EXPECT_EQ(Sent(Data(packet)), 0);
}

// ---- full maps

TEST_F(ConntrackTest, FlowThatCannotBeRememberedDoesNotPass) {
  DatapathOptions options = PacketTester::SmallMaps();
  options.sizes.conntrack = 1;
  options.before_load = [](bpf_object* object) {
    bpf_map* map = bpf_object__find_map_by_name(object, "ct_allowed");
    ASSERT_EQ(bpf_map__set_type(map, BPF_MAP_TYPE_HASH), 0);  // an LRU makes room, this does not
  };
  Start(options);
  EXPECT_EQ(Sent(From(kA4, kR4)), 0);
  EXPECT_EQ(Sent(From(kA4, kN4)), DROP_CT_FULL);
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].reason, DROP_CT_FULL);
  EXPECT_EQ(Sent(Data(From(kA4, kR4))), 0);
}

TEST_F(ConntrackTest, DeniedStaysDeniedWithTheMapOfMarksFull) {
  DatapathOptions options = PacketTester::SmallMaps();
  options.sizes.conntrack_denied = 1;
  Start(options);
  const PacketSpec first = From(kA4, kR4), second = From(kA4, kN4);
  EXPECT_EQ(Sent(first), 0);
  EXPECT_EQ(Sent(second), 0);
  Egress(kNothing);
  EXPECT_EQ(Sent(Data(first)), DROP_POLICY_DENIED);
  EXPECT_EQ(Sent(Data(second)), DROP_POLICY_DENIED);
  EXPECT_EQ(Received(first.Reply()), DROP_CT_DENIED);
  EXPECT_EQ(Received(second.Reply(), kIdN), DROP_CT_DENIED);
  Egress(kAllowAll);
  EXPECT_EQ(Received(second.Reply(), kIdN), 0);
}

}  // namespace
}  // namespace trivium
