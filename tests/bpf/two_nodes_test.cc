// Two nodes with real veths, real VXLAN devices and real sockets; the maps are filled by hand. What passes
// and what does not, the VNI on the wire, and that an agent's restart breaks nothing.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "nodeagent/kernel/cleanup.h"
#include "nodeagent/kernel/counters.h"
#include "nodeagent/kernel/kernel_device_io.h"
#include "nodeagent/kernel/kernel_map_io.h"
#include "tests/bpf/netns.h"
#include "tests/bpf/packet_case.h"
#include "tests/bpf/world.h"

namespace trivium {
namespace {

constexpr uint16_t kPort = 8080;
constexpr int kPatience = 5000;  // milliseconds: far longer than anything here takes

struct Address {
  sockaddr_storage storage = {};
  socklen_t length = 0;
};
Address SocketAddress(const std::string& ip, uint16_t port) {
  Address address;
  if (ip.size() == 4) {
    sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    std::memcpy(&in.sin_addr, ip.data(), 4);
    std::memcpy(&address.storage, &in, address.length = sizeof(in));
  } else {
    sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    std::memcpy(&in6.sin6_addr, ip.data(), 16);
    std::memcpy(&address.storage, &in6, address.length = sizeof(in6));
  }
  return address;
}

// Of cluster 1: node 1 at 192.168.60.11 with pod a, node 2 at .12 with pod n. They know each other.
class Node {
 public:
  Node(uint32_t number, const std::string& pin_root) : number_(number), pin_root_(pin_root) {}

  void Start(bool underlay_ipv6) {
    const Netns::Scope scope(netns);
    const auto overlay = EnsureOverlayDevice({});
    ASSERT_TRUE(overlay.ok()) << overlay.status();
    DatapathOptions options = PacketTester::SmallMaps();
    options.pin_root = pin_root_;
    options.overlay_ifindex = *overlay;
    options.underlay_ipv4 = !underlay_ipv6;
    options.underlay_ipv6 = underlay_ipv6;
    auto loaded = Datapath::Load(options);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    auto io = KernelDeviceIo::Create(
        loaded->get(),
        {.uplink = "uplink", .inner_addresses = {Inner(4), Inner(6)}, .underlay_ipv6 = underlay_ipv6});
    ASSERT_TRUE(io.ok()) << io.status();
    devices = *std::move(io);
    datapath = *std::move(loaded);
    maps = std::make_unique<KernelMapIo>(datapath.get());
    Ok(devices->SetUpNode());
    const uint32_t other = 3 - number_;
    Ok(devices->SetOverlayRoutes({{trivium::Ip("10.1." + std::to_string(other) + ".0"), 24},
                                  {trivium::Ip("fd00:1:" + std::to_string(other) + "::"), 64}}));
    const auto attached = devices->AttachPod({.ifname = "lxc", .ips = {PodIp(4), PodIp(6)}});
    ASSERT_TRUE(attached.ok()) << attached.status();
    Ok(devices->RaisePod(*attached));
    device = *attached;
  }

  // The map entries that both nodes share, and the own pod's.
  void Fill() {
    World world(maps.get());
    for (const uint32_t identity :
         {uint32_t{IDENTITY_HOST}, uint32_t{IDENTITY_REMOTE_NODE}, uint32_t{IDENTITY_WORLD}}) {
      Ok(world.Known(identity, 0));
    }
    for (const uint32_t node : {1u, 2u}) {
      const uint32_t identity = node == 1 ? kIdA : kIdN;
      Ok(world.Known(identity, 1));
      const std::string third = std::to_string(node);
      for (const std::string& ip :
           {trivium::Ip("10.1." + third + ".11"), trivium::Ip("fd00:1:" + third + "::11")}) {
        Ok(world.Address(ip, identity, 1, node));
      }
      for (const std::string& ip :
           {trivium::Ip("10.1." + third + ".1"), trivium::Ip("fd00:1:" + third + "::1")}) {
        Ok(world.Address(ip, node == number_ ? IDENTITY_HOST : IDENTITY_REMOTE_NODE, 1, node, IPCACHE_NODE));
      }
      const std::string underlay4 = trivium::Ip("192.168.60.1" + third),
                        underlay6 = trivium::Ip("fd99::1" + third);
      Ok(world.Node(1, node, underlay4, underlay6));
      Ok(world.Underlay(underlay4, 1, node));
      Ok(world.Underlay(underlay6, 1, node));
    }
    Ok(world.Prefix(trivium::Ip("10.1.0.0"), 16, 0, 1, IPCACHE_UNKNOWN));
    Ok(world.Prefix(trivium::Ip("fd00:1::"), 32, 0, 1, IPCACHE_UNKNOWN));
    endpoint_value value = {.endpoint = 1, .ifindex = device.ifindex, .identity = number_ == 1 ? kIdA : kIdN};
    std::memcpy(value.pod_mac, device.pod_mac.data(), 6);
    std::memcpy(value.host_mac, device.host_mac.data(), 6);
    for (const std::string& ip : {PodIp(4), PodIp(6)}) Ok(world.Endpoint(ip, value));
    Ok(world.Verdict(AnyVerdict(1), POLICY_ALLOW));  // rule set 1 allows all
  }
  void Policy(uint32_t direction, uint32_t rule_set) { Ok(World(maps.get()).Policy(1, direction, rule_set)); }
  void Stop() {
    maps.reset();
    devices.reset();
    datapath.reset();
  }
  // Packets dropped for that reason; without one: for any.
  uint64_t Dropped(int reason = 0) const {
    const auto counters = ReadCounters(*datapath);
    EXPECT_TRUE(counters.ok()) << counters.status();
    uint64_t sum = 0;
    for (const Counter& counter : counters->counters) {
      if (counter.reason != 0 && (reason == 0 || counter.reason == reason)) sum += counter.packets;
    }
    return sum;
  }

  std::string PodIp(int family) const { return Own(family, "11"); }
  std::string Inner(int family) const { return Own(family, "1"); }

  Netns netns, pod;
  std::unique_ptr<Datapath> datapath;
  std::unique_ptr<KernelDeviceIo> devices;
  std::unique_ptr<KernelMapIo> maps;
  PodDevice device;

 private:
  std::string Own(int family, const std::string& last) const {
    const std::string third = std::to_string(number_);
    return trivium::Ip(family == 4 ? "10.1." + third + "." + last : "fd00:1:" + third + "::" + last);
  }
  const uint32_t number_;
  const std::string pin_root_;
};

class TwoNodesTest : public testing::TestWithParam<bool> {  // whether the underlay is IPv6
 protected:
  TwoNodesTest() : one_(1, Root(1)), two_(2, Root(2)) {}

  static std::string Root(int node) {
    return "/sys/fs/bpf/trivium-two-nodes-" + std::to_string(getpid()) + "-" + std::to_string(node);
  }

  void SetUp() override {
    one_.netns.Ip("link add uplink mtu 1500 type veth peer name uplink mtu 1500 netns " + two_.netns.path());
    Prepare(one_, "1");
    Prepare(two_, "2");
    for (Node* node : {&one_, &two_}) {
      node->Start(GetParam());
      node->Fill();
    }
    {
      const Netns::Scope scope(one_.netns);
      wire_ = Fd(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL)));
      ASSERT_TRUE(wire_.ok());
      sockaddr_ll place = {};
      place.sll_family = AF_PACKET;
      place.sll_protocol = htons(ETH_P_ALL);
      place.sll_ifindex = static_cast<int>(if_nametoindex("uplink"));
      ASSERT_EQ(bind(wire_.get(), reinterpret_cast<sockaddr*>(&place), sizeof(place)), 0);
    }
  }

  // What the maker of a pod does: namespace, veth (down at the host), addresses, the route by way of the
  // gateway.
  static void Prepare(Node& node, const std::string& number) {
    node.netns.Ip("address add 192.168.60.1" + number + "/24 dev uplink");
    node.netns.Ip("-6 address add fd99::1" + number + "/64 dev uplink nodad");
    node.netns.Ip("link set uplink up");
    const Netns& pod = node.pod;
    node.netns.Ip("link add lxc mtu 1430 address 02:bb:00:00:00:0" + number +
                  " type veth peer name eth0 mtu 1430 netns " + pod.path());
    pod.Ip("link set eth0 up");
    pod.Ip("address add 10.1." + number + ".11/32 dev eth0");
    pod.Ip("-6 address add fd00:1:" + number + "::11/128 dev eth0 nodad");
    const std::string gateway = " lladdr 02:bb:00:00:00:0" + number + " dev eth0 nud permanent";
    pod.Ip("neighbour add 169.254.1.1" + gateway);
    pod.Ip("-6 neighbour add fe80::1" + gateway);
    pod.Ip("route add default via 169.254.1.1 dev eth0 onlink");
    pod.Ip("-6 route add default via fe80::1 dev eth0 onlink");
  }

  void TearDown() override {
    one_.Stop();
    two_.Stop();
    int number = 0;
    for (Node* node : {&one_, &two_}) {
      const Netns::Scope scope(node->netns);
      const absl::Status status = RemoveFromKernel({.pin_root = Root(++number)});
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_FALSE(std::filesystem::exists(Root(number)));
    }
  }

  void AllowAll() {
    for (Node* node : {&one_, &two_}) {
      node->Policy(DIRECTION_INGRESS, 1);
      node->Policy(DIRECTION_EGRESS, 1);
    }
  }

  static Fd Listen(const Netns& where, const std::string& ip, uint16_t port = kPort) {
    const Netns::Scope scope(where);
    const Address address = SocketAddress(ip, port);
    Fd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length), 0)
        << std::strerror(errno);
    EXPECT_EQ(listen(fd.get(), 8), 0);
    return fd;
  }
  // Connects and lets the server accept. Without a connection: returns as soon as one of the nodes has
  // dropped a packet.
  bool Connect(const Netns& from, const std::string& ip, const Fd& listener, Fd* client, Fd* server,
               uint16_t port = kPort) {
    const uint64_t before = one_.Dropped() + two_.Dropped();
    {
      const Netns::Scope scope(from);
      const Address address = SocketAddress(ip, port);
      *client = Fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      if (connect(client->get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0 &&
          errno != EINPROGRESS) {
        ADD_FAILURE() << "connect: " << std::strerror(errno);
        return false;
      }
    }
    for (int waited = 0; waited < kPatience; waited += 20) {
      pollfd ready = {.fd = listener.get(), .events = POLLIN};
      if (poll(&ready, 1, 20) == 1) {
        *server = Fd(accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        return server->ok();
      }
      if (one_.Dropped() + two_.Dropped() > before) return false;
    }
    ADD_FAILURE() << "neither connected nor dropped";
    return false;
  }
  static bool Send(const Fd& from, const Fd& to, int patience = kPatience) {
    if (write(from.get(), "ping", 4) != 4) return false;
    pollfd ready = {.fd = to.get(), .events = POLLIN};
    if (poll(&ready, 1, patience) != 1) return false;
    char text[8];
    return read(to.get(), text, sizeof(text)) == 4;
  }

  // VNIs of what node 1's uplink has sent and received since the last call.
  std::set<uint32_t> Vnis() {
    std::set<uint32_t> vnis;
    uint8_t frame[256];
    while (recv(wire_.get(), frame, sizeof(frame), 0) > 0) {
      const size_t udp = frame[12] == 0x08 ? 14 + (frame[14] & 0xf) * 4 : 14 + 40;
      const bool is_udp = frame[frame[12] == 0x08 ? 23 : 20] == 17;
      if (!is_udp || (frame[udp + 2] << 8 | frame[udp + 3]) != 8472) continue;
      vnis.insert(static_cast<uint32_t>(frame[udp + 12] << 16 | frame[udp + 13] << 8 | frame[udp + 14]));
    }
    return vnis;
  }

  Node one_, two_;
  Fd wire_;
};

TEST_P(TwoNodesTest, ClosedUntilThereIsAPolicy) {
  const Fd listener = Listen(two_.pod, two_.PodIp(4));
  Fd client, server;
  EXPECT_FALSE(Connect(one_.pod, two_.PodIp(4), listener, &client, &server));
  EXPECT_GT(one_.Dropped(DROP_ENDPOINT_CLOSED), 0u);
  EXPECT_THAT(Vnis(), testing::IsEmpty()) << "nothing has left the node";
}

TEST_P(TwoNodesTest, AllowedAcrossNodesWithTheIdentityInTheTunnel) {
  AllowAll();
  for (const int family : {4, 6}) {
    const Fd listener = Listen(two_.pod, two_.PodIp(family));
    Fd client, server;
    Vnis();
    ASSERT_TRUE(Connect(one_.pod, two_.PodIp(family), listener, &client, &server)) << family;
    EXPECT_TRUE(Send(client, server));
    EXPECT_TRUE(Send(server, client));
    EXPECT_THAT(Vnis(), testing::UnorderedElementsAre(kIdA, kIdN));
  }
}

TEST_P(TwoNodesTest, DestinationDeniesByTheIdentityInTheTunnel) {
  AllowAll();
  for (const int family : {4, 6}) {
    World world(two_.maps.get());
    const uint32_t rule_set = 10 + family;
    two_.Policy(DIRECTION_INGRESS, rule_set);
    const Fd listener = Listen(two_.pod, two_.PodIp(family));
    Fd client, server;
    EXPECT_FALSE(Connect(one_.pod, two_.PodIp(family), listener, &client, &server));
    EXPECT_GT(two_.Dropped(DROP_POLICY_DENIED), 0u);
    // Only pod a's identity, only this port.
    Ok(world.Class(rule_set, kIdA, 3));
    Ok(world.Verdict(PortVerdict(rule_set, kTcp, kPort, 16, 3), POLICY_ALLOW));
    EXPECT_TRUE(Connect(one_.pod, two_.PodIp(family), listener, &client, &server));
    const Fd other = Listen(two_.pod, two_.PodIp(family), kPort + 1);
    EXPECT_FALSE(Connect(one_.pod, two_.PodIp(family), other, &client, &server, kPort + 1));
  }
}

TEST_P(TwoNodesTest, PolicyChangeStopsAnEstablishedConnection) {
  AllowAll();
  const Fd listener = Listen(two_.pod, two_.PodIp(4));
  Fd client, server;
  ASSERT_TRUE(Connect(one_.pod, two_.PodIp(4), listener, &client, &server));
  ASSERT_TRUE(Send(client, server));
  two_.Policy(DIRECTION_INGRESS, 10);  // has no verdicts
  const auto stopped = [&](const Fd& from, const Fd& to) {
    const uint64_t before = one_.Dropped() + two_.Dropped();
    EXPECT_EQ(write(from.get(), "ping", 4), 4);
    for (int waited = 0; waited < kPatience; waited += 20) {
      pollfd ready = {.fd = to.get(), .events = POLLIN};
      if (poll(&ready, 1, 20) != 0) return false;
      if (one_.Dropped() + two_.Dropped() > before) return true;
    }
    return false;
  };
  EXPECT_TRUE(stopped(client, server));
  EXPECT_TRUE(stopped(server, client));
  EXPECT_GT(two_.Dropped(DROP_CT_DENIED), 0u);
}

// From the first packet after the change nothing of it arrives, in either direction, however often both ends
// try; and when it is allowed again, what they tried arrives.
TEST_P(TwoNodesTest, AForbiddenConnectionStaysStoppedWhileBothEndsRetransmit) {
  AllowAll();
  for (const int family : {4, 6}) {
    const Fd listener = Listen(two_.pod, two_.PodIp(family));
    Fd client, server;
    ASSERT_TRUE(Connect(one_.pod, two_.PodIp(family), listener, &client, &server));
    ASSERT_TRUE(Send(client, server));
    ASSERT_TRUE(Send(server, client));
    two_.Policy(DIRECTION_INGRESS, 10);  // has no verdicts
    const uint64_t before = two_.Dropped();
    ASSERT_EQ(write(client.get(), "ping", 4), 4);
    ASSERT_EQ(write(server.get(), "pong", 4), 4);
    // The two packets, and at least three retransmits of each end's.
    for (int waited = 0; waited < kPatience && two_.Dropped() < before + 8; waited += 20) {
      pollfd ready[] = {{.fd = client.get(), .events = POLLIN}, {.fd = server.get(), .events = POLLIN}};
      ASSERT_EQ(poll(ready, 2, 20), 0) << "something arrived after " << two_.Dropped() - before << " drops";
    }
    EXPECT_GE(two_.Dropped(), before + 8);
    two_.Policy(DIRECTION_INGRESS, 1);
    for (const Fd* end : {&client, &server}) {
      pollfd ready = {.fd = end->get(), .events = POLLIN};
      EXPECT_EQ(poll(&ready, 1, kPatience), 1) << "retransmits of an allowed connection arrive";
    }
  }
}

// Replaced again and again by another that allows it, a policy is no reason to lose a single packet of a
// stream.
TEST_P(TwoNodesTest, AnAllowedConnectionDoesNotNoticeReplacements) {
  AllowAll();
  World world(two_.maps.get());
  Ok(world.Verdict(PortVerdict(20, kTcp, kPort), POLICY_ALLOW));
  const Fd listener = Listen(two_.pod, two_.PodIp(4));
  Fd client, server;
  ASSERT_TRUE(Connect(one_.pod, two_.PodIp(4), listener, &client, &server));
  for (int i = 0; i < 1000; ++i) {
    two_.Policy(DIRECTION_INGRESS, i % 2 == 0 ? 20 : 1);
    ASSERT_TRUE(Send(client, server)) << i;
    ASSERT_TRUE(Send(server, client)) << i;
  }
  EXPECT_EQ(one_.Dropped() + two_.Dropped(), 0u);
}

// The agent goes, and comes back with new programs on the same maps: the connection never notices.
TEST_P(TwoNodesTest, AgentsRestartBreaksNothing) {
  AllowAll();
  const Fd listener = Listen(two_.pod, two_.PodIp(4));
  Fd client, server;
  ASSERT_TRUE(Connect(one_.pod, two_.PodIp(4), listener, &client, &server));
  two_.Stop();
  EXPECT_TRUE(Send(client, server)) << "without an agent";
  two_.Start(GetParam());
  EXPECT_TRUE(Send(client, server));
  EXPECT_TRUE(Send(server, client));
  EXPECT_EQ(one_.Dropped() + two_.Dropped(), 0u);
}

TEST_P(TwoNodesTest, HostReachesItsOwnPodAndRemoteOnes) {
  AllowAll();
  for (const int family : {4, 6}) {
    const Fd near = Listen(one_.pod, one_.PodIp(family)), far = Listen(two_.pod, two_.PodIp(family));
    Fd client, server;
    EXPECT_TRUE(Connect(one_.netns, one_.PodIp(family), near, &client, &server)) << family;
    Vnis();
    EXPECT_TRUE(Connect(one_.netns, two_.PodIp(family), far, &client, &server)) << family;
    EXPECT_TRUE(Send(server, client));
    EXPECT_THAT(Vnis(), testing::UnorderedElementsAre(IDENTITY_REMOTE_NODE, kIdN));
    // And a pod reaches the other node itself.
    const Fd host = Listen(two_.netns, two_.Inner(family));
    EXPECT_TRUE(Connect(one_.pod, two_.Inner(family), host, &client, &server)) << family;
    EXPECT_TRUE(Send(server, client));
  }
}

// Somebody on the underlay claims a pod's address, outside the tunnel.
TEST_P(TwoNodesTest, PodAddressOnTheUnderlayIsDropped) {
  AllowAll();
  one_.netns.Ip("address add 10.1.1.200/32 dev lo");
  one_.netns.Ip("route add 10.1.2.11/32 via 192.168.60.12 src 10.1.1.200");
  const Fd listener = Listen(two_.pod, two_.PodIp(4));
  Fd client, server;
  EXPECT_FALSE(Connect(one_.netns, two_.PodIp(4), listener, &client, &server));
  EXPECT_GT(two_.Dropped(DROP_UPLINK_POD_SOURCE), 0u);
}

INSTANTIATE_TEST_SUITE_P(Underlay, TwoNodesTest, testing::Bool(),
                         [](const auto& v6) { return v6.param ? "ipv6" : "ipv4"; });

}  // namespace
}  // namespace trivium
