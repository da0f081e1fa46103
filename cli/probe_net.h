// Pods made for a test of the network, and connections between them. A pod is a network namespace, joined to
// its node by veth as a CNI plugin would do it. Needs root, the `ip` command, and a main thread of its own:
// sockets are made by moving this thread into a namespace and back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"

namespace trivium::cli {

class ProbePod {
 public:
  // `netns` is its name; one of that name that an earlier run left is removed. `node_netns` is the node's
  // namespace, empty: the one this program runs in. `ip`: 4 bytes. The host side stays down: the agent raises
  // it. Listens on `port`, TCP and UDP. Destroying it removes it.
  static absl::StatusOr<std::unique_ptr<ProbePod>> Make(const std::string& netns,
                                                        const std::string& node_netns,
                                                        const std::string& ifname, const std::string& ip,
                                                        uint16_t port);
  ~ProbePod();
  ProbePod(const ProbePod&) = delete;
  ProbePod& operator=(const ProbePod&) = delete;

  const std::string& ip() const { return ip_; }
  const std::string& ifname() const { return ifname_; }
  const std::string& mac() const { return mac_; }  // 6 bytes, of the pod's side
  uint16_t port() const { return port_; }
  int tcp() const { return tcp_; }  // what listens
  int udp() const { return udp_; }
  // A socket inside; the caller closes it.
  absl::StatusOr<int> Socket(int type) const;

 private:
  ProbePod() = default;
  absl::Status Build(const std::string& node_netns);
  absl::Status Listen();

  std::string netns_, ifname_, ip_, mac_;
  uint16_t port_ = 0;
  int tcp_ = -1, udp_ = -1;
};

struct Probe {
  size_t from = 0;
  size_t to = 0;
  bool udp = false;
  bool open = false;    // set by RunProbes
  absl::Duration took;  // if open
};

// Tries all of them at once and answers for the pods meanwhile. What has not come back within `timeout` is
// closed.
absl::Status RunProbes(absl::Span<const std::unique_ptr<ProbePod>> pods, absl::Span<Probe> probes,
                       absl::Duration timeout, Clock* clock);

}  // namespace trivium::cli
