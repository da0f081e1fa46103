// The node's devices in memory: which exist, what was done to them, and faults on demand. One thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "nodeagent/endpoint/device_io.h"

namespace trivium {

class FakeDeviceIo final : public DeviceIo {
 public:
  struct Device {
    uint32_t ifindex = 0;
    bool attached = false;
    bool up = false;
    int attaches = 0;
  };

  // What a pod's creator does before it asks for an endpoint.
  void MakeVeth(const std::string& ifname) {
    devices_.try_emplace(ifname, Device{static_cast<uint32_t>(100 + devices_.size())});
  }
  void RemoveVeth(const std::string& ifname) { devices_.erase(ifname); }
  const std::map<std::string, Device>& devices() const { return devices_; }
  const std::vector<std::pair<std::string, int>>& routes() const { return routes_; }
  // What each following call answers instead of working.
  void SetFault(absl::Status status) { fault_ = std::move(status); }

  absl::Status SetUpNode() override { return fault_; }
  absl::StatusOr<PodDevice> AttachPod(const PodDevice& device) override {
    if (!fault_.ok()) return fault_;
    const auto it = devices_.find(device.ifname);
    if (it == devices_.end()) return absl::NotFoundError(absl::StrCat("no device ", device.ifname));
    it->second.attached = true;
    ++it->second.attaches;
    PodDevice filled = device;
    filled.ifindex = it->second.ifindex;
    filled.host_mac = std::string("\x02\0\0\0\0\x01", 6);
    return filled;
  }
  absl::Status RaisePod(const PodDevice& device) override {
    if (!fault_.ok()) return fault_;
    const auto it = devices_.find(device.ifname);
    if (it == devices_.end()) return absl::NotFoundError(absl::StrCat("no device ", device.ifname));
    if (!it->second.attached) return absl::FailedPreconditionError("raised without programs");
    it->second.up = true;
    return absl::OkStatus();
  }
  absl::Status DetachPod(const PodDevice& device) override {
    if (!fault_.ok()) return fault_;
    const auto it = devices_.find(device.ifname);
    if (it != devices_.end()) it->second.attached = it->second.up = false;
    return absl::OkStatus();
  }
  absl::Status SetOverlayRoutes(const std::vector<std::pair<std::string, int>>& pod_networks) override {
    if (fault_.ok()) routes_ = pod_networks;
    return fault_;
  }
  absl::StatusOr<std::vector<std::string>> AttachedPods() override {
    std::vector<std::string> names;
    for (const auto& [name, device] : devices_) {
      if (device.attached) names.push_back(name);
    }
    return names;
  }

 private:
  std::map<std::string, Device> devices_;
  std::vector<std::pair<std::string, int>> routes_;
  absl::Status fault_;
};

}  // namespace trivium
