// The few rtnetlink requests that the agent makes: links, addresses, neighbours, routes. Acts in the network
// namespace that the thread was in when it was opened. Calls block for the kernel's answer, which takes
// microseconds. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct mnl_socket;
struct nlmsghdr;

namespace trivium {

// Routes of ours bear this protocol number, so that a later agent recognises them.
inline constexpr uint8_t kRouteProtocol = 84;

struct Link {
  uint32_t index = 0;
  std::string name;
  std::string kind;  // "veth", "vxlan", ... ; empty for devices without one
  std::string mac;   // 6 bytes
  uint32_t mtu = 0;
  bool up = false;
  // VXLAN devices only.
  bool external = false;
  uint16_t port = 0;
  // Of a veth: the other end, and the id of its namespace as seen from here (-1: this one).
  uint32_t peer = 0;
  int peer_namespace = -1;
};

struct LinkChange {
  std::optional<bool> up;
  std::optional<uint32_t> mtu;
  bool no_arp = false;  // true: set; neighbours are not asked for
};

struct Route {
  std::string network;  // 4 or 16 bytes
  int length = 0;
  uint32_t ifindex = 0;
  std::string source;  // preferred source address; empty: the kernel's choice
  friend bool operator==(const Route&, const Route&) = default;
};

class Netlink {
 public:
  static absl::StatusOr<std::unique_ptr<Netlink>> Open();
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  // kNotFound if there is none.
  absl::StatusOr<Link> FindLink(const std::string& name);
  absl::StatusOr<std::vector<Link>> Links();
  // A device in another namespace, by that namespace's id.
  absl::StatusOr<Link> PeerLink(uint32_t index, int namespace_id);
  // VXLAN in metadata mode, both families, zero UDP checksums accepted and sent; down. kAlreadyExists.
  absl::Status CreateVxlan(const std::string& name, uint16_t port);
  absl::Status ChangeLink(uint32_t index, const LinkChange& change);
  absl::Status DeleteLink(uint32_t index);

  // The rest is idempotent.
  absl::Status AddAddress(uint32_t index, const std::string& ip);                            // /32 or /128
  absl::Status SetNeighbour(uint32_t index, const std::string& ip, const std::string& mac);  // permanent
  absl::Status DeleteNeighbour(uint32_t index, const std::string& ip);
  absl::StatusOr<std::vector<std::string>> PermanentNeighbours(uint32_t index);
  absl::Status SetRoute(const Route& route);
  absl::Status DeleteRoute(const Route& route);
  absl::StatusOr<std::vector<Route>> Routes();  // of ours, on every device
  // Whether clsact on the device has any filter, whoever's.
  absl::StatusOr<bool> HasFilters(uint32_t index);

 private:
  class Message;
  explicit Netlink(mnl_socket* socket) : socket_(socket) {}
  // Sends and waits for the acknowledgement; 0 or an errno.
  int Send(Message* message);
  int Receive(uint32_t sequence, absl::FunctionRef<void(const nlmsghdr*)> take);
  int Dump(Message* message, absl::FunctionRef<void(const nlmsghdr*)> take);

  mnl_socket* const socket_;
  uint32_t sequence_ = 0;
};

}  // namespace trivium
