// What the agent asks of the node's network devices, apart from maps: programs on devices, the overlay
// device, routes and neighbours. KernelDeviceIo (nodeagent/kernel/) does it for real; FakeDeviceIo
// (tests/support/) records it. Every call is idempotent. Not thread-safe: used from the agent's executor
// only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace trivium {

struct PodDevice {
  std::string ifname;    // host side of the veth
  uint32_t ifindex = 0;  // filled by AttachPod
  std::string host_mac;  // 6 bytes, filled by AttachPod
  std::string pod_mac;   // 6 bytes; given by the caller of the endpoint API or learnt by AttachPod's peer
  std::vector<std::string> ips;  // 4 or 16 bytes each
};

class DeviceIo {
 public:
  virtual ~DeviceIo() = default;

  // Overlay device and uplink: creates or adopts the VXLAN device, attaches its program and the uplink's,
  // sets MTU.
  virtual absl::Status SetUpNode() = 0;
  // Attaches both programs to the (still down) host side of a pod's veth; kNotFound if there is no such
  // device.
  virtual absl::StatusOr<PodDevice> AttachPod(const PodDevice& device) = 0;
  // Raises the link and sets neighbour entries and routes to the pod's addresses: packets may flow from here
  // on.
  virtual absl::Status RaisePod(const PodDevice& device) = 0;
  // Routes and neighbours away; OK if the device is gone already.
  virtual absl::Status DetachPod(const PodDevice& device) = 0;
  // Routes that lead into the overlay for these pod networks (address/length, 4 or 16 bytes); others of ours
  // go.
  virtual absl::Status SetOverlayRoutes(const std::vector<std::pair<std::string, int>>& pod_networks) = 0;
  // Names of pod devices that carry our programs now.
  virtual absl::StatusOr<std::vector<std::string>> AttachedPods() = 0;
};

}  // namespace trivium
