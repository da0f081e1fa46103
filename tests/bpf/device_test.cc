// KernelDeviceIo and cleanup on real devices of namespaces of their own.
#include <bpf/libbpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "nodeagent/kernel/cleanup.h"
#include "nodeagent/kernel/kernel_device_io.h"
#include "nodeagent/kernel/traffic_control.h"
#include "tests/bpf/netns.h"
#include "tests/bpf/packet_builder.h"
#include "tests/bpf/packet_tester.h"

namespace trivium {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class DeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    node_.Ip("link add eth0 mtu 1450 up type veth peer name far");
    node_.Ip("link add lxc1 type veth peer name eth0 address 02:aa:00:00:00:01 netns " + pod_.path());
    scope_ = std::make_unique<Netns::Scope>(node_);
    pin_root_ = "/sys/fs/bpf/trivium-device-test-" + std::to_string(getpid());
    Open();
  }
  void TearDown() override {
    io_.reset();
    datapath_.reset();
    EXPECT_TRUE(RemoveFromKernel({.pin_root = pin_root_}).ok());
    scope_.reset();
  }
  // As a starting agent does.
  void Open() {
    const auto overlay = EnsureOverlayDevice({});
    ASSERT_TRUE(overlay.ok()) << overlay.status();
    DatapathOptions options = PacketTester::SmallMaps();
    options.pin_root = pin_root_;
    options.overlay_ifindex = *overlay;
    auto datapath = Datapath::Load(options);
    ASSERT_TRUE(datapath.ok()) << datapath.status();
    datapath_ = *std::move(datapath);
    auto io = KernelDeviceIo::Create(
        datapath_.get(), {.uplink = "eth0", .inner_addresses = {Ip("10.1.1.1"), Ip("fd00:1:1::1")}});
    ASSERT_TRUE(io.ok()) << io.status();
    io_ = *std::move(io);
    auto netlink = Netlink::Open();
    ASSERT_TRUE(netlink.ok()) << netlink.status();
    netlink_ = *std::move(netlink);
  }
  std::string Attached(const std::string& name, Hook hook) {
    const auto link = netlink_->FindLink(name);
    EXPECT_TRUE(link.ok()) << link.status();
    const auto program = AttachedProgram(link->index, hook);
    EXPECT_TRUE(program.ok()) << program.status();
    return program.ok() ? *program : "?";
  }
  PodDevice Pod() const { return {.ifname = "lxc1", .ips = {Ip("10.1.1.11"), Ip("fd00:1:1::11")}}; }

  Netns node_, pod_;
  std::unique_ptr<Netns::Scope> scope_;
  std::string pin_root_;
  std::unique_ptr<Datapath> datapath_;
  std::unique_ptr<KernelDeviceIo> io_;
  std::unique_ptr<Netlink> netlink_;
};

TEST_F(DeviceTest, NodeIsSetUpTwice) {
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = io_->SetUpNode();
    ASSERT_TRUE(status.ok()) << status;
    const auto overlay = netlink_->FindLink("trivium0");
    ASSERT_TRUE(overlay.ok());
    EXPECT_TRUE(overlay->up);
    EXPECT_TRUE(overlay->external);
    EXPECT_EQ(overlay->port, 8472);
    EXPECT_EQ(overlay->mtu, 1400u);
    EXPECT_EQ(Attached("trivium0", Hook::kIngress), "tv_from_overlay");
    EXPECT_EQ(Attached("trivium0", Hook::kEgress), "tv_to_overlay");
    EXPECT_EQ(Attached("eth0", Hook::kIngress), "tv_from_uplink");
    EXPECT_EQ(Attached("eth0", Hook::kEgress), "");
    Open();  // a restarted agent adopts what is there
  }
}

TEST_F(DeviceTest, SomethingElseWithTheOverlaysNameIsRefused) {
  const auto other = EnsureOverlayDevice({.device = "eth0"});
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("eth0 is a veth"));
  EXPECT_EQ(EnsureOverlayDevice({.port = 4789}).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DeviceTest, UplinkThatIsNotThereOrTooSmall) {
  auto io = KernelDeviceIo::Create(datapath_.get(), {.uplink = "nic9"});
  ASSERT_TRUE(io.ok());
  EXPECT_EQ((*io)->SetUpNode().code(), absl::StatusCode::kNotFound);
  node_.Ip("link set eth0 mtu 1300");
  EXPECT_EQ(io_->SetUpNode().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DeviceTest, PodIsAttachedWhileDownAndThenRaised) {
  ASSERT_TRUE(io_->SetUpNode().ok());
  EXPECT_THAT(*io_->AttachedPods(), IsEmpty());
  const auto pod = io_->AttachPod(Pod());
  ASSERT_TRUE(pod.ok()) << pod.status();
  EXPECT_EQ(pod->pod_mac, std::string("\x02\xaa\0\0\0\x01", 6)) << "learnt from the other end";
  EXPECT_EQ(Attached("lxc1", Hook::kIngress), "tv_from_pod");
  EXPECT_EQ(Attached("lxc1", Hook::kEgress), "tv_to_pod");
  auto link = netlink_->FindLink("lxc1");
  EXPECT_EQ(pod->ifindex, link->index);
  EXPECT_EQ(pod->host_mac, link->mac);
  EXPECT_FALSE(link->up);
  EXPECT_THAT(*netlink_->Routes(), IsEmpty());

  for (int i = 0; i < 2; ++i) {
    const absl::Status raised = io_->RaisePod(*pod);
    ASSERT_TRUE(raised.ok()) << raised;
    EXPECT_TRUE(netlink_->FindLink("lxc1")->up);
    EXPECT_THAT(*netlink_->Routes(),
                UnorderedElementsAre(Route{Ip("10.1.1.11"), 32, pod->ifindex, Ip("10.1.1.1")},
                                     Route{Ip("fd00:1:1::11"), 128, pod->ifindex, Ip("fd00:1:1::1")}));
    EXPECT_THAT(*netlink_->PermanentNeighbours(pod->ifindex),
                testing::IsSupersetOf({Ip("10.1.1.11"), Ip("fd00:1:1::11")}));
    EXPECT_THAT(*io_->AttachedPods(), ElementsAre("lxc1"));
    Open();
    ASSERT_TRUE(io_->AttachPod(Pod()).ok()) << "programs are replaced";
  }

  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(io_->DetachPod(*pod).ok());
    EXPECT_THAT(*netlink_->Routes(), IsEmpty());
  }
  EXPECT_EQ(Attached("lxc1", Hook::kIngress), "tv_from_pod") << "what the pod still sends is still judged";
  node_.Ip("link delete lxc1");
  EXPECT_TRUE(io_->DetachPod(*pod).ok());
  EXPECT_THAT(*io_->AttachedPods(), IsEmpty());
}

TEST_F(DeviceTest, PodWithoutADevice) {
  PodDevice pod = Pod();
  pod.ifname = "lxc9";
  EXPECT_EQ(io_->AttachPod(pod).status().code(), absl::StatusCode::kNotFound);
  pod.ifname = "a-name-too-long-for-a-device";
  EXPECT_EQ(io_->AttachPod(pod).status().code(), absl::StatusCode::kInvalidArgument);
  pod.ifname = "";
  EXPECT_EQ(io_->AttachPod(pod).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DeviceTest, OverlayRoutesAreExactlyThoseWanted) {
  ASSERT_TRUE(io_->SetUpNode().ok());
  const uint32_t overlay = netlink_->FindLink("trivium0")->index;
  const auto route = [&](const std::string& network, int length) {
    const std::string ip = Ip(network);
    return Route{ip, length, overlay, ip.size() == 4 ? Ip("10.1.1.1") : Ip("fd00:1:1::1")};
  };
  const auto set = [&](const std::vector<std::pair<std::string, int>>& networks) {
    const absl::Status status = io_->SetOverlayRoutes(networks);
    EXPECT_TRUE(status.ok()) << status;
  };
  set({{Ip("10.2.0.0"), 16}, {Ip("fd00:2::"), 32}});
  EXPECT_THAT(*netlink_->Routes(), UnorderedElementsAre(route("10.2.0.0", 16), route("fd00:2::", 32)));
  set({{Ip("10.2.0.0"), 16}, {Ip("10.3.0.0"), 16}, {Ip("fd00:3::"), 32}});
  EXPECT_THAT(*netlink_->Routes(),
              UnorderedElementsAre(route("10.2.0.0", 16), route("10.3.0.0", 16), route("fd00:3::", 32)));
  node_.Ip("route add 10.9.0.0/16 dev trivium0");  // somebody else's stays
  set({});
  EXPECT_THAT(*netlink_->Routes(), IsEmpty());
  node_.Ip("route delete 10.9.0.0/16 dev trivium0");
}

TEST_F(DeviceTest, CleanupLeavesNothing) {
  ASSERT_TRUE(io_->SetUpNode().ok());
  const auto pod = io_->AttachPod(Pod());
  ASSERT_TRUE(pod.ok());
  ASSERT_TRUE(io_->RaisePod(*pod).ok());
  ASSERT_TRUE(io_->SetOverlayRoutes({{Ip("10.2.0.0"), 16}}).ok());
  EXPECT_TRUE(std::filesystem::exists(pin_root_));
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = RemoveFromKernel({.pin_root = pin_root_});
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_FALSE(std::filesystem::exists(pin_root_));
    EXPECT_EQ(netlink_->FindLink("trivium0").status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(*netlink_->Routes(), IsEmpty());
    EXPECT_FALSE(netlink_->FindLink("lxc1")->up);
    for (const char* name : {"eth0", "lxc1"}) {
      EXPECT_EQ(Attached(name, Hook::kIngress), "");
      EXPECT_EQ(Attached(name, Hook::kEgress), "");
    }
  }
}

TEST_F(DeviceTest, CleanupTouchesNothingOfOthers) {
  node_.Ip("link add other type vxlan id 7 dstport 9999 dev eth0");
  node_.Ip("route add 10.77.0.0/16 dev eth0");
  ASSERT_TRUE(io_->SetUpNode().ok());
  const auto eth0 = netlink_->FindLink("eth0");
  bpf_tc_hook hook = {};
  hook.sz = sizeof(hook);
  hook.ifindex = static_cast<int>(eth0->index);
  hook.attach_point = BPF_TC_EGRESS;
  bpf_tc_opts filter = {};
  filter.sz = sizeof(filter);
  filter.prog_fd = datapath_->program_fd(Program::kFromUplink);
  filter.handle = 7;
  filter.priority = 9;
  ASSERT_EQ(bpf_tc_attach(&hook, &filter), 0);
  EXPECT_TRUE(RemoveFromKernel({.pin_root = pin_root_, .overlay_device = "other"}).ok());
  EXPECT_TRUE(netlink_->FindLink("other").ok()) << "not a device in metadata mode";
  EXPECT_TRUE(*netlink_->HasFilters(eth0->index));
  EXPECT_EQ(Attached("eth0", Hook::kIngress), "");
}

}  // namespace
}  // namespace trivium
