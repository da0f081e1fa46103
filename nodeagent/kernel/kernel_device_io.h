// DeviceIo on the real devices of the network namespace that the thread is in.
//
// What it leaves on a node: the overlay device with the node's inner addresses (so that the host itself has
// an address that other nodes accept in the tunnel), filters on it, on the uplink and on pods' veths, routes
// with kRouteProtocol, permanent neighbours on pods' veths. It turns on forwarding for both families; with
// that, a host takes no IPv6 router advertisements unless its uplink has accept_ra=2.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nodeagent/endpoint/device_io.h"
#include "nodeagent/kernel/datapath.h"
#include "nodeagent/kernel/netlink.h"
#include "nodeagent/kernel/overlay_device.h"

namespace trivium {

struct KernelDeviceOptions {
  OverlayOptions overlay;
  std::string uplink;
  std::vector<std::string> inner_addresses;  // 4 or 16 bytes
  bool underlay_ipv6 = false;                // a tunnel may go over IPv6: 20 bytes more per packet
};

class KernelDeviceIo final : public DeviceIo {
 public:
  // `datapath` outlives this.
  static absl::StatusOr<std::unique_ptr<KernelDeviceIo>> Create(const Datapath* datapath,
                                                                KernelDeviceOptions options);

  absl::Status SetUpNode() override;
  absl::StatusOr<PodDevice> AttachPod(const PodDevice& device) override;
  absl::Status RaisePod(const PodDevice& device) override;
  absl::Status DetachPod(const PodDevice& device) override;
  absl::Status SetOverlayRoutes(const std::vector<std::pair<std::string, int>>& pod_networks) override;
  absl::StatusOr<std::vector<std::string>> AttachedPods() override;

 private:
  KernelDeviceIo(const Datapath* datapath, KernelDeviceOptions options, std::unique_ptr<Netlink> netlink)
      : datapath_(datapath), options_(std::move(options)), netlink_(std::move(netlink)) {}
  // The node's own inner address of that family; empty if it has none.
  std::string InnerAddress(size_t size) const;

  const Datapath* const datapath_;
  const KernelDeviceOptions options_;
  const std::unique_ptr<Netlink> netlink_;
};

}  // namespace trivium
