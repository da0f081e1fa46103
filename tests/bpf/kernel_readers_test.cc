// What the agent reads from the running datapath: counters, events, conntrack; and where a packet would go.
#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "nodeagent/kernel/conntrack_sweeper.h"
#include "nodeagent/kernel/counters.h"
#include "nodeagent/kernel/event_reader.h"
#include "tests/bpf/packet_case.h"

namespace trivium {
namespace {

class KernelReadersTest : public testing::Test {
 protected:
  void SetUp() override {
    auto tester = PacketTester::Create();
    ASSERT_TRUE(tester.ok()) << tester.status();
    tester_ = *std::move(tester);
    Ok(World(tester_.get()).Fill());
  }
  // An entry of pod a with its own source port, which expires at `expires` after boot.
  void Put(int fd, uint16_t port, absl::Duration expires) {
    ct_key key = {.endpoint = 1, .family = 4, .protocol = kTcp};
    std::memcpy(key.local_port, &port, 2);
    const ct_value value = {.expires_ns = static_cast<uint64_t>(absl::ToInt64Nanoseconds(expires))};
    ASSERT_EQ(bpf_map_update_elem(fd, &key, &value, BPF_ANY), 0);
  }
  std::set<uint16_t> Ports() {
    std::set<uint16_t> ports;
    const auto entries = tester_->Conntrack();
    EXPECT_TRUE(entries.ok());
    for (const auto& [key, value] : *entries) {
      uint16_t port;
      std::memcpy(&port, key.local_port, 2);
      ports.insert(port);
    }
    return ports;
  }

  std::unique_ptr<PacketTester> tester_;
};

TEST_F(KernelReadersTest, CountersSumPacketsAndBytes) {
  EXPECT_TRUE(ReadCounters(tester_->datapath())->counters.empty());
  const std::string passes = Frame(From(kA4, kB4)), dropped = Frame(From(kA4, kUnheard4));
  Ok(tester_->Flood(passes, 1));
  Ok(tester_->Flood(dropped, 3));
  const auto counters = ReadCounters(tester_->datapath());
  ASSERT_TRUE(counters.ok());
  ASSERT_EQ(counters->counters.size(), 2u);
  const Counter &pass = counters->counters[0], &drop = counters->counters[1];
  EXPECT_EQ(pass.reason, 0);
  EXPECT_EQ(pass.packets, 1u);
  EXPECT_EQ(pass.bytes, passes.size());
  EXPECT_EQ(drop.reason, DROP_UNKNOWN_POD);
  EXPECT_EQ(drop.direction, DIRECTION_EGRESS);
  EXPECT_EQ(drop.packets, 3u);
  EXPECT_EQ(drop.bytes, 3 * dropped.size());
  EXPECT_EQ(counters->events_lost, 0u);
}

// What audit mode lets pass counts as passed, and once more by itself.
TEST_F(KernelReadersTest, AuditedPassesAreCountedBesideThePassed) {
  World world(tester_.get());
  Ok(world.Policy(1, DIRECTION_EGRESS, 999, ENDPOINT_POLICY_AUDIT));  // a rule set without any rule
  Ok(tester_->Flood(Frame(From(kA4, kB4)), 2));
  const auto counters = ReadCounters(tester_->datapath());
  ASSERT_TRUE(counters.ok());
  uint64_t passed = 0, audited = 0;
  for (const Counter& counter : counters->counters) {
    if (counter.direction != DIRECTION_EGRESS) continue;
    if (counter.reason == 0) passed = counter.packets;
    if (counter.reason == COUNTER_AUDITED) audited = counter.packets;
  }
  EXPECT_EQ(passed, 2u);
  EXPECT_EQ(audited, 1u) << "the flow, not its every packet";
}

TEST(DropReasonName, IsTheListsName) {
  EXPECT_EQ(DropReasonName(0), "passed");
  EXPECT_EQ(DropReasonName(DROP_FRAGMENT), "fragments are not supported");
  EXPECT_EQ(DropReasonName(62), "reason 62");
  EXPECT_EQ(DropReasonName(COUNTER_AUDITED), "audited: passed, though its policy denies it");
}

// Nobody reads: what finds the buffer full is dropped all the same, counted all the same, and its event
// counted as lost.
TEST_F(KernelReadersTest, FloodLosesEventsAndCountsThem) {
  constexpr int kFlood = 10000;
  Ok(tester_->Flood(Frame(From(kA4, kUnheard4)), kFlood));
  const auto counters = ReadCounters(tester_->datapath());
  ASSERT_TRUE(counters.ok());
  ASSERT_EQ(counters->counters.size(), 1u);
  EXPECT_EQ(counters->counters[0].packets, static_cast<uint64_t>(kFlood));
  EXPECT_GT(counters->events_lost, 0u);

  uint64_t read = 0;
  auto reader = EventReader::Open(tester_->datapath(), [&](const flow_event& event) {
    EXPECT_EQ(event.reason, DROP_UNKNOWN_POD);
    ++read;
  });
  ASSERT_TRUE(reader.ok()) << reader.status();
  const int drained = (*reader)->Drain().value_or(-1);
  EXPECT_EQ(drained, static_cast<int>(read));
  EXPECT_EQ(read + counters->events_lost, static_cast<uint64_t>(kFlood));
  EXPECT_EQ((*reader)->Drain().value_or(-1), 0);
}

TEST_F(KernelReadersTest, SweepRemovesWhatExpiredAMinuteAgo) {
  const Datapath& datapath = tester_->datapath();
  const absl::Duration now = absl::Hours(5);
  for (const int fd : {datapath.conntrack_fd(), datapath.conntrack_denied_fd()}) {
    const uint16_t base = fd == datapath.conntrack_fd() ? 10 : 20;
    Put(fd, base + 1, now - absl::Seconds(61));
    Put(fd, base + 2, now - absl::Seconds(59));
    Put(fd, base + 3, now + absl::Seconds(1));
  }
  const auto sweep = SweepConntrack(datapath, now);
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  EXPECT_EQ(sweep->removed, 2u);
  EXPECT_EQ(sweep->allowed, 2u);
  EXPECT_EQ(sweep->denied, 2u);
  EXPECT_THAT(Ports(), testing::ElementsAre(12, 13, 22, 23));
  // Right after boot there is nothing that could have expired a minute ago.
  EXPECT_EQ(SweepConntrack(datapath, absl::Seconds(10))->removed, 0u);
}

TEST_F(KernelReadersTest, SweepOfManyEntries) {
  const int fd = tester_->datapath().conntrack_denied_fd();
  for (uint16_t port = 0; port < 1000; ++port) Put(fd, port, absl::Seconds(port % 2 ? 1 : 10000));
  const auto sweep = SweepConntrack(tester_->datapath(), absl::Seconds(500));
  ASSERT_TRUE(sweep.ok()) << sweep.status();
  EXPECT_EQ(sweep->removed, 500u);
  EXPECT_EQ(sweep->denied, 500u);
  EXPECT_EQ(Ports().size(), 500u);
}

// ---- PacketTester::Probe: whole paths

const std::string kUnderlay1 = Ip("192.168.60.11");

class ProbeTest : public KernelReadersTest {
 protected:
  void SetUp() override {
    KernelReadersTest::SetUp();
    // The other node: node 2 of cluster 1, where pod n is endpoint 3.
    auto other = PacketTester::Create();
    ASSERT_TRUE(other.ok()) << other.status();
    other_ = *std::move(other);
    World world(other_.get());
    Ok(world.Fill());
    Ok(world.Endpoint(kN4, 3, kIdN));
    for (const uint32_t direction : {DIRECTION_INGRESS, DIRECTION_EGRESS})
      Ok(world.Policy(3, direction, 30 + direction));
    Ok(world.Verdict(AnyVerdict(30 + DIRECTION_EGRESS), POLICY_ALLOW));
    Ok(world.Class(30 + DIRECTION_INGRESS, kIdA, 1));
    Ok(world.Verdict(PortVerdict(30 + DIRECTION_INGRESS, kTcp, 80, 16, 1), POLICY_ALLOW));
    Ok(world.Underlay(kUnderlay1, 1, 1));
  }
  ProbeResult Probe(PacketTester* source, PacketTester* destination, const PacketSpec& packet,
                    const std::string& underlay = kUnderlay1) {
    const auto result =
        PacketTester::Probe(source, destination, {.packet = packet, .source_underlay = underlay});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(ProbeResult{});
  }

  std::unique_ptr<PacketTester> other_;
};

TEST_F(ProbeTest, AcrossNodes) {
  EXPECT_TRUE(Probe(tester_.get(), other_.get(), From(kA4, kN4)).passed);
  EXPECT_TRUE(Probe(other_.get(), tester_.get(), From(kA4, kN4).Reply(), kUnderlay2).passed);
  const ProbeResult other_pod = Probe(tester_.get(), other_.get(), From(kB4, kN4));
  EXPECT_FALSE(other_pod.passed);
  EXPECT_EQ(other_pod.reason, DROP_POLICY_DENIED);
  EXPECT_FALSE(other_pod.at_source);
  EXPECT_EQ(other_pod.program, "to_pod");
  PacketSpec other_port = From(kA4, kN4);
  other_port.destination_port = 81;
  EXPECT_EQ(Probe(tester_.get(), other_.get(), other_port).reason, DROP_POLICY_DENIED);
  const ProbeResult stranger = Probe(tester_.get(), other_.get(), From(kA4, kN4), kUnderlay7);
  EXPECT_EQ(stranger.reason, DROP_TUNNEL_FOREIGN_IDENTITY);
  EXPECT_EQ(stranger.program, "from_overlay");
}

TEST_F(ProbeTest, OnOneNodeAndOutside) {
  EXPECT_TRUE(Probe(tester_.get(), tester_.get(), From(kA4, kB4)).passed);
  EXPECT_TRUE(Probe(tester_.get(), nullptr, From(kA4, kWorld4)).passed);
  EXPECT_TRUE(Probe(nullptr, tester_.get(), From(kCidr4, kA4)).passed);
  EXPECT_EQ(Probe(nullptr, other_.get(), From(kWorld4, kN4)).reason, DROP_POLICY_DENIED);
  Ok(World(tester_.get()).Policy(1, DIRECTION_EGRESS, 500));
  PacketSpec fresh = From(kA4, kB4);
  ++fresh.source_port;
  const ProbeResult denied = Probe(tester_.get(), tester_.get(), fresh);
  EXPECT_EQ(denied.reason, DROP_POLICY_DENIED);
  EXPECT_TRUE(denied.at_source);
  EXPECT_EQ(denied.program, "from_pod");
}

}  // namespace
}  // namespace trivium
