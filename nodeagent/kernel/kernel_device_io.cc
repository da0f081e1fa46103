#include "nodeagent/kernel/kernel_device_io.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nodeagent/kernel/fd.h"
#include "nodeagent/kernel/traffic_control.h"

namespace trivium {
namespace {

constexpr uint32_t kVxlanOverIpv4 = 50, kVxlanOverIpv6 = 70;

// Of the thread's own network namespace. A kernel without IPv6 has none of its settings, and needs none.
absl::Status SetSysctl(const std::string& name, const std::string& value) {
  const std::string path = absl::StrCat("/proc/sys/net/", name);
  const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.ok()) {
    if (errno == ENOENT && absl::StartsWith(name, "ipv6/")) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  }
  if (write(file.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
    return absl::ErrnoToStatus(errno, absl::StrCat("write ", value, " to ", path));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<KernelDeviceIo>> KernelDeviceIo::Create(const Datapath* datapath,
                                                                       KernelDeviceOptions options) {
  TRIVIUM_ASSIGN_OR_RETURN(auto netlink, Netlink::Open());
  return std::unique_ptr<KernelDeviceIo>(
      new KernelDeviceIo(datapath, std::move(options), std::move(netlink)));
}

std::string KernelDeviceIo::InnerAddress(size_t size) const {
  for (const std::string& address : options_.inner_addresses) {
    if (address.size() == size) return address;
  }
  return "";
}

absl::Status KernelDeviceIo::SetUpNode() {
  TRIVIUM_RETURN_IF_ERROR(SetSysctl("ipv4/ip_forward", "1"));
  TRIVIUM_RETURN_IF_ERROR(SetSysctl("ipv6/conf/all/forwarding", "1"));

  TRIVIUM_ASSIGN_OR_RETURN(const Link uplink, netlink_->FindLink(options_.uplink));
  TRIVIUM_RETURN_IF_ERROR(AttachProgram(*datapath_, Program::kFromUplink, uplink.index, Hook::kIngress));

  const std::string& name = options_.overlay.device;
  TRIVIUM_ASSIGN_OR_RETURN(const uint32_t overlay, EnsureOverlayDevice(options_.overlay));
  TRIVIUM_RETURN_IF_ERROR(AttachProgram(*datapath_, Program::kFromOverlay, overlay, Hook::kIngress));
  TRIVIUM_RETURN_IF_ERROR(AttachProgram(*datapath_, Program::kToOverlay, overlay, Hook::kEgress));
  // Nobody lives on the device itself: no neighbours to ask for, no address to make up, nobody to advertise
  // routes.
  TRIVIUM_RETURN_IF_ERROR(SetSysctl(absl::StrCat("ipv6/conf/", name, "/addr_gen_mode"), "1"));
  TRIVIUM_RETURN_IF_ERROR(SetSysctl(absl::StrCat("ipv6/conf/", name, "/accept_ra"), "0"));
  TRIVIUM_RETURN_IF_ERROR(SetSysctl(absl::StrCat("ipv4/conf/", name, "/rp_filter"), "0"));
  const uint32_t overhead = options_.underlay_ipv6 ? kVxlanOverIpv6 : kVxlanOverIpv4;
  if (uplink.mtu < 1280 + overhead) {
    return absl::FailedPreconditionError(absl::StrCat("uplink ", uplink.name, " has MTU ", uplink.mtu,
                                                      ": too small for IPv6 in a tunnel, want ",
                                                      1280 + overhead));
  }
  TRIVIUM_RETURN_IF_ERROR(
      netlink_->ChangeLink(overlay, {.up = true, .mtu = uplink.mtu - overhead, .no_arp = true}));
  for (const std::string& address : options_.inner_addresses) {
    TRIVIUM_RETURN_IF_ERROR(netlink_->AddAddress(overlay, address));
  }
  return absl::OkStatus();
}

absl::StatusOr<PodDevice> KernelDeviceIo::AttachPod(const PodDevice& device) {
  TRIVIUM_ASSIGN_OR_RETURN(const Link link, netlink_->FindLink(device.ifname));
  PodDevice attached = device;
  attached.ifindex = link.index;
  attached.host_mac = link.mac;
  if (attached.pod_mac.empty() && link.peer != 0 && link.peer_namespace >= 0) {
    TRIVIUM_ASSIGN_OR_RETURN(const Link peer, netlink_->PeerLink(link.peer, link.peer_namespace));
    attached.pod_mac = peer.mac;
  }
  if (attached.pod_mac.size() != 6 || attached.host_mac.size() != 6) {
    return absl::InvalidArgumentError(
        absl::StrCat("device ", device.ifname,
                     ": the pod's MAC is not given and cannot be learnt (want a veth whose "
                     "other end is in the pod's namespace)"));
  }
  // A pod must not be able to configure its host.
  for (const char* setting : {"ipv6/conf/%/accept_ra", "ipv6/conf/%/accept_redirects",
                              "ipv4/conf/%/accept_redirects", "ipv4/conf/%/rp_filter"}) {
    std::string name = setting;
    name.replace(name.find('%'), 1, device.ifname);
    TRIVIUM_RETURN_IF_ERROR(SetSysctl(name, "0"));
  }
  TRIVIUM_RETURN_IF_ERROR(AttachProgram(*datapath_, Program::kFromPod, link.index, Hook::kIngress));
  TRIVIUM_RETURN_IF_ERROR(AttachProgram(*datapath_, Program::kToPod, link.index, Hook::kEgress));
  return attached;
}

absl::Status KernelDeviceIo::RaisePod(const PodDevice& device) {
  TRIVIUM_RETURN_IF_ERROR(netlink_->ChangeLink(device.ifindex, {.up = true}));
  for (const std::string& ip : device.ips) {
    TRIVIUM_RETURN_IF_ERROR(netlink_->SetNeighbour(device.ifindex, ip, device.pod_mac));
    TRIVIUM_RETURN_IF_ERROR(netlink_->SetRoute({.network = ip,
                                                .length = static_cast<int>(ip.size() * 8),
                                                .ifindex = device.ifindex,
                                                .source = InnerAddress(ip.size())}));
  }
  return absl::OkStatus();
}

absl::Status KernelDeviceIo::DetachPod(const PodDevice& device) {
  for (const std::string& ip : device.ips) {
    TRIVIUM_RETURN_IF_ERROR(netlink_->DeleteRoute(
        {.network = ip, .length = static_cast<int>(ip.size() * 8), .ifindex = device.ifindex}));
    TRIVIUM_RETURN_IF_ERROR(netlink_->DeleteNeighbour(device.ifindex, ip));
  }
  return absl::OkStatus();
}

absl::Status KernelDeviceIo::SetOverlayRoutes(const std::vector<std::pair<std::string, int>>& pod_networks) {
  TRIVIUM_ASSIGN_OR_RETURN(const Link overlay, netlink_->FindLink(options_.overlay.device));
  std::vector<Route> wanted;
  for (const auto& [network, length] : pod_networks) {
    wanted.push_back({.network = network,
                      .length = length,
                      .ifindex = overlay.index,
                      .source = InnerAddress(network.size())});
  }
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Route> present, netlink_->Routes());
  const auto in = [](const std::vector<Route>& routes, const Route& route) {
    return std::find(routes.begin(), routes.end(), route) != routes.end();
  };
  const auto same_place = [](const Route& a, const Route& b) {
    return a.network == b.network && a.length == b.length;
  };
  for (const Route& route : wanted) {
    if (!in(present, route)) TRIVIUM_RETURN_IF_ERROR(netlink_->SetRoute(route));
  }
  for (const Route& route : present) {
    const bool kept =
        std::any_of(wanted.begin(), wanted.end(), [&](const Route& w) { return same_place(w, route); });
    if (route.ifindex == overlay.index && !kept) TRIVIUM_RETURN_IF_ERROR(netlink_->DeleteRoute(route));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> KernelDeviceIo::AttachedPods() {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Link> links, netlink_->Links());
  std::vector<std::string> names;
  for (const Link& link : links) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::string in, AttachedProgram(link.index, Hook::kIngress));
    TRIVIUM_ASSIGN_OR_RETURN(const std::string out, AttachedProgram(link.index, Hook::kEgress));
    if (in == ProgramName(Program::kFromPod) && out == ProgramName(Program::kToPod))
      names.push_back(link.name);
  }
  return names;
}

}  // namespace trivium
