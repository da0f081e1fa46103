// Runs the packet cases. Among them is one for every drop reason; the last test checks that none is missing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <utility>

#include "tests/bpf/packet_case.h"

namespace trivium {

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

namespace {

std::vector<Case> Cases() {
  std::vector<Case> all = FromPodCases();
  for (const auto& more : {ToPodCases(), NodeCases()}) all.insert(all.end(), more.begin(), more.end());
  return all;
}

int DirectionOf(Where where) {
  return where == Where::kFromPod || where == Where::kToOverlay ? DIRECTION_EGRESS : DIRECTION_INGRESS;
}

absl::StatusOr<RunResult> RunCase(PacketTester& tester, const Case& c, const std::string& frame) {
  switch (c.where) {
    case Where::kFromPod:
      return c.tunnel ? tester.FromPodObserved(frame) : tester.FromPod(frame);
    case Where::kToPod:
      return tester.ToPod(frame, c.mark);
    case Where::kFromOverlay:
      return tester.FromOverlay(frame, c.outer);
    case Where::kToOverlay:
      return tester.ToOverlay(frame, c.mark);
    case Where::kFromUplink:
      return tester.FromUplink(frame);
  }
  return absl::InternalError("no such program");
}

// What a program hands to a pod: the veth's two MACs, one hop less, a header checksum that is still right.
void ExpectDelivered(const Case& c, const std::string& before, const std::string& after) {
  const uint8_t endpoint = c.packet.destination == kB4 || c.packet.destination == kB6 ? 2 : 1;
  const uint8_t macs[12] = {2, 0xaa, 0, 0, 0, endpoint, 2, 0xbb, 0, 0, 0, endpoint};
  ASSERT_EQ(after.size(), before.size());
  EXPECT_EQ(after.substr(0, 12), std::string(reinterpret_cast<const char*>(macs), 12));
  const bool v4 = c.packet.source.size() == 4;
  const size_t ttl = kIpOffset + (v4 ? 8 : 7);
  EXPECT_EQ(after[ttl], before[ttl] - 1);
  EXPECT_TRUE(!v4 || Ipv4ChecksumOk(after));
  const size_t behind = kIpOffset + (v4 ? 12 : 8);
  EXPECT_EQ(after.substr(behind), before.substr(behind));
}

class PacketTest : public testing::TestWithParam<Case> {};

TEST_P(PacketTest, Verdict) {
  const Case& c = GetParam();
  PacketTester* tester = FreshTester(c.overlay, c.underlay_ipv4, c.underlay_ipv6);
  World world(tester);
  if (c.change) c.change(world);

  std::string frame = Frame(c.packet);
  if (c.damage) c.damage(&frame);
  const auto result = RunCase(*tester, c, frame);
  ASSERT_TRUE(result.ok()) << result.status();

  EXPECT_EQ(result->action, c.reason ? kDrop : c.action);
  EXPECT_EQ(result->reason(), c.reason);
  EXPECT_EQ(result->mark, c.reason ? result->mark : c.mark_after);
  if (c.tunnel) {
    ASSERT_TRUE(result->tunnel.has_value());
    EXPECT_EQ(result->tunnel->address, c.tunnel->address);
    EXPECT_EQ(result->tunnel->vni, c.tunnel->vni);
  }

  if (c.reason == 0 && c.action == kRedirect && !c.tunnel) ExpectDelivered(c, frame, result->frame);

  // What is counted and reported.
  const std::pair<int, int> counter(c.reason, DirectionOf(c.where));
  const bool counted = !c.silent && (c.reason != 0 || c.where == Where::kFromPod || c.where == Where::kToPod);
  std::map<std::pair<int, int>, uint64_t> expected;
  if (counted) expected[counter] = 1;
  if (c.audited) expected[{COUNTER_AUDITED, DirectionOf(c.where)}] = 1;
  EXPECT_EQ(result->counted, expected);
  if (c.reason == 0 && !c.audited) {
    EXPECT_THAT(result->events, testing::IsEmpty());
    return;
  }
  ASSERT_EQ(result->events.size(), 1u);
  const flow_event& event = result->events[0];
  EXPECT_EQ(event.reason, c.reason);
  EXPECT_EQ(event.direction, DirectionOf(c.where));
  EXPECT_EQ(event.ifindex, PacketTester::kIfindex);
  EXPECT_GT(event.time_ns, 0u);
  if (!c.damage) {
    EXPECT_EQ(event.family, c.packet.source.size() == 4 ? 4 : 6);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(event.source), c.packet.source.size()),
              c.packet.source);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(event.destination), c.packet.source.size()),
              c.packet.destination);
  }
}

INSTANTIATE_TEST_SUITE_P(All, PacketTest, testing::ValuesIn(Cases()), [](const auto& c) {
  std::string name;
  for (const char letter : c.param.name)
    name += std::isalnum(static_cast<unsigned char>(letter)) ? letter : '_';
  return name + "_" + std::to_string(c.index);
});

// These two need more than one packet: conntrack_packet_test.cc has them.
TEST(PacketCases, CoverEveryDropReason) {
  std::set<int> covered = {DROP_CT_FULL, DROP_CT_DENIED};
  for (const Case& c : Cases()) covered.insert(c.reason);
#define TRIVIUM_EXPECT_COVERED(number, constant, text) EXPECT_TRUE(covered.contains(constant)) << text;
  TRIVIUM_DROP_REASONS(TRIVIUM_EXPECT_COVERED)
#undef TRIVIUM_EXPECT_COVERED
}

}  // namespace
}  // namespace trivium
