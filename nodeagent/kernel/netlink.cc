#include "nodeagent/kernel/netlink.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace trivium {
namespace {

absl::Status Failed(int error, absl::string_view what) {
  return error == 0 ? absl::OkStatus() : absl::ErrnoToStatus(error, what);
}

// An address or number in `attribute`, for messages.
std::string BytesOf(const nlattr* attribute) {
  return std::string(static_cast<const char*>(mnl_attr_get_payload(attribute)),
                     mnl_attr_get_payload_len(attribute));
}

std::string Text(const std::string& ip) {
  char text[INET6_ADDRSTRLEN] = "?";
  inet_ntop(ip.size() == 4 ? AF_INET : AF_INET6, ip.data(), text, sizeof(text));
  return text;
}

uint8_t FamilyOf(const std::string& ip) { return ip.size() == 4 ? AF_INET : AF_INET6; }

absl::Status CheckAddress(const std::string& ip) {
  if (ip.size() == 4 || ip.size() == 16) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("an address of ", ip.size(), " bytes; want 4 or 16"));
}

using Take = absl::FunctionRef<void(const nlattr*)>;

int CallTake(const nlattr* attribute, void* take) {
  (*static_cast<Take*>(take))(attribute);
  return MNL_CB_OK;
}

// Calls `take` for each attribute behind a message's fixed part, or inside a nest. The kernel's own messages
// are well formed; what is not ends the walk.
void EachAttribute(const nlmsghdr* header, size_t fixed, Take take) {
  mnl_attr_parse(header, static_cast<unsigned>(fixed), CallTake, &take);
}
void EachNested(const nlattr* nest, Take take) { mnl_attr_parse_nested(nest, CallTake, &take); }

void ReadLinkInfo(const nlattr* info, Link* link) {
  EachNested(info, [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND) link->kind = mnl_attr_get_str(attribute);
  });
  if (link->kind != "vxlan") return;
  EachNested(info, [&](const nlattr* attribute) {
    if (mnl_attr_get_type(attribute) != IFLA_INFO_DATA) return;
    EachNested(attribute, [&](const nlattr* data) {
      if (mnl_attr_get_type(data) == IFLA_VXLAN_COLLECT_METADATA) link->external = mnl_attr_get_u8(data) != 0;
      if (mnl_attr_get_type(data) == IFLA_VXLAN_PORT) link->port = ntohs(mnl_attr_get_u16(data));
    });
  });
}

Link ReadLink(const nlmsghdr* header) {
  const auto* info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(header));
  Link link = {.index = static_cast<uint32_t>(info->ifi_index), .up = (info->ifi_flags & IFF_UP) != 0};
  EachAttribute(header, sizeof(*info), [&](const nlattr* attribute) {
    switch (mnl_attr_get_type(attribute)) {
      case IFLA_IFNAME:
        link.name = mnl_attr_get_str(attribute);
        break;
      case IFLA_ADDRESS:
        link.mac = BytesOf(attribute);
        break;
      case IFLA_MTU:
        link.mtu = mnl_attr_get_u32(attribute);
        break;
      case IFLA_LINK:
        link.peer = mnl_attr_get_u32(attribute);
        break;
      case IFLA_LINK_NETNSID:
        link.peer_namespace = static_cast<int>(mnl_attr_get_u32(attribute));
        break;
      case IFLA_LINKINFO:
        ReadLinkInfo(attribute, &link);
        break;
    }
  });
  return link;
}

}  // namespace

class Netlink::Message {
 public:
  Message(uint16_t type, uint16_t flags) : header_(mnl_nlmsg_put_header(buffer_)) {
    header_->nlmsg_type = type;
    header_->nlmsg_flags = NLM_F_REQUEST | flags;
  }
  nlmsghdr* header() { return header_; }
  template <typename T>
  T* Fixed() {
    return static_cast<T*>(mnl_nlmsg_put_extra_header(header_, sizeof(T)));
  }
  void Put(uint16_t type, const std::string& bytes) {
    mnl_attr_put(header_, type, bytes.size(), bytes.data());
  }
  void PutText(uint16_t type, const std::string& text) { mnl_attr_put_strz(header_, type, text.c_str()); }
  void Put8(uint16_t type, uint8_t value) { mnl_attr_put_u8(header_, type, value); }
  void Put16(uint16_t type, uint16_t value) { mnl_attr_put_u16(header_, type, value); }
  void Put32(uint16_t type, uint32_t value) { mnl_attr_put_u32(header_, type, value); }
  nlattr* Open(uint16_t type) { return mnl_attr_nest_start(header_, type); }
  void Close(nlattr* nest) { mnl_attr_nest_end(header_, nest); }

 private:
  alignas(nlmsghdr) char buffer_[4096] = {};  // the largest request has a few hundred bytes
  nlmsghdr* header_;
};

absl::StatusOr<std::unique_ptr<Netlink>> Netlink::Open() {
  mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
  if (socket == nullptr) return Failed(errno, "open a netlink socket");
  std::unique_ptr<Netlink> netlink(new Netlink(socket));
  if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) != 0) return Failed(errno, "bind a netlink socket");
  return netlink;
}

Netlink::~Netlink() { mnl_socket_close(socket_); }

int Netlink::Receive(uint32_t sequence, absl::FunctionRef<void(const nlmsghdr*)> take) {
  struct Context {
    absl::FunctionRef<void(const nlmsghdr*)> take;
  } context{take};
  std::vector<char> buffer(64 * 1024);
  while (true) {
    const ssize_t received = mnl_socket_recvfrom(socket_, buffer.data(), buffer.size());
    if (received < 0) return errno;
    const int more = mnl_cb_run(
        buffer.data(), static_cast<size_t>(received), sequence, mnl_socket_get_portid(socket_),
        [](const nlmsghdr* header, void* data) {
          static_cast<Context*>(data)->take(header);
          return MNL_CB_OK;
        },
        &context);
    if (more < 0) return errno;
    if (more == MNL_CB_STOP) return 0;
  }
}

int Netlink::Send(Message* message) {
  message->header()->nlmsg_seq = ++sequence_;
  message->header()->nlmsg_flags |= NLM_F_ACK;
  if (mnl_socket_sendto(socket_, message->header(), message->header()->nlmsg_len) < 0) return errno;
  return Receive(sequence_, [](const nlmsghdr*) {});
}

int Netlink::Dump(Message* message, absl::FunctionRef<void(const nlmsghdr*)> take) {
  message->header()->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_, message->header(), message->header()->nlmsg_len) < 0) return errno;
  return Receive(sequence_, take);
}

absl::StatusOr<Link> Netlink::FindLink(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    return absl::InvalidArgumentError(absl::StrCat("no device name: \"", name, "\""));
  }
  Message message(RTM_GETLINK, NLM_F_ACK);
  message.Fixed<ifinfomsg>();
  message.PutText(IFLA_IFNAME, name);
  Link link;
  const int error = Dump(&message, [&](const nlmsghdr* header) { link = ReadLink(header); });
  if (error == ENODEV) return absl::NotFoundError(absl::StrCat("no network device ", name));
  if (error != 0) return Failed(error, absl::StrCat("look up network device ", name));
  return link;
}

absl::StatusOr<Link> Netlink::PeerLink(uint32_t index, int namespace_id) {
  Message message(RTM_GETLINK, NLM_F_ACK);
  message.Fixed<ifinfomsg>()->ifi_index = static_cast<int>(index);
  message.Put32(IFLA_TARGET_NETNSID, static_cast<uint32_t>(namespace_id));
  Link link;
  if (const int error = Dump(&message, [&](const nlmsghdr* header) { link = ReadLink(header); })) {
    return Failed(error, absl::StrCat("look up device ", index, " of network namespace ", namespace_id));
  }
  return link;
}

absl::StatusOr<std::vector<Link>> Netlink::Links() {
  Message message(RTM_GETLINK, NLM_F_DUMP);
  message.Fixed<ifinfomsg>();
  std::vector<Link> links;
  if (const int error = Dump(&message, [&](const nlmsghdr* header) { links.push_back(ReadLink(header)); })) {
    return Failed(error, "list network devices");
  }
  return links;
}

absl::Status Netlink::CreateVxlan(const std::string& name, uint16_t port) {
  Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  message.Fixed<ifinfomsg>();
  message.PutText(IFLA_IFNAME, name);
  nlattr* info = message.Open(IFLA_LINKINFO);
  message.PutText(IFLA_INFO_KIND, "vxlan");
  nlattr* data = message.Open(IFLA_INFO_DATA);
  message.Put8(IFLA_VXLAN_COLLECT_METADATA, 1);
  message.Put8(IFLA_VXLAN_LEARNING, 0);
  message.Put16(IFLA_VXLAN_PORT, htons(port));
  message.Put8(IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 1);
  message.Put8(IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 1);
  message.Close(data);
  message.Close(info);
  return Failed(Send(&message), absl::StrCat("create VXLAN device ", name));
}

absl::Status Netlink::ChangeLink(uint32_t index, const LinkChange& change) {
  Message message(RTM_NEWLINK, 0);
  auto* info = message.Fixed<ifinfomsg>();
  info->ifi_index = static_cast<int>(index);
  if (change.up) {
    info->ifi_change |= IFF_UP;
    if (*change.up) info->ifi_flags |= IFF_UP;
  }
  if (change.no_arp) {
    info->ifi_change |= IFF_NOARP;
    info->ifi_flags |= IFF_NOARP;
  }
  if (change.mtu) message.Put32(IFLA_MTU, *change.mtu);
  return Failed(Send(&message), absl::StrCat("change network device ", index));
}

absl::Status Netlink::DeleteLink(uint32_t index) {
  Message message(RTM_DELLINK, 0);
  message.Fixed<ifinfomsg>()->ifi_index = static_cast<int>(index);
  const int error = Send(&message);
  return error == ENODEV ? absl::OkStatus() : Failed(error, absl::StrCat("delete network device ", index));
}

absl::Status Netlink::AddAddress(uint32_t index, const std::string& ip) {
  TRIVIUM_RETURN_IF_ERROR(CheckAddress(ip));
  Message message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  auto* address = message.Fixed<ifaddrmsg>();
  address->ifa_family = FamilyOf(ip);
  address->ifa_prefixlen = static_cast<uint8_t>(ip.size() * 8);
  address->ifa_flags = IFA_F_NODAD;  // nobody else is on that link
  address->ifa_index = index;
  message.Put(IFA_LOCAL, ip);
  message.Put(IFA_ADDRESS, ip);
  return Failed(Send(&message), absl::StrCat("add address ", Text(ip), " to device ", index));
}

absl::Status Netlink::SetNeighbour(uint32_t index, const std::string& ip, const std::string& mac) {
  TRIVIUM_RETURN_IF_ERROR(CheckAddress(ip));
  Message message(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  auto* neighbour = message.Fixed<ndmsg>();
  neighbour->ndm_family = FamilyOf(ip);
  neighbour->ndm_ifindex = static_cast<int>(index);
  neighbour->ndm_state = NUD_PERMANENT;
  message.Put(NDA_DST, ip);
  message.Put(NDA_LLADDR, mac);
  return Failed(Send(&message), absl::StrCat("set neighbour ", Text(ip), " on device ", index));
}

absl::Status Netlink::DeleteNeighbour(uint32_t index, const std::string& ip) {
  TRIVIUM_RETURN_IF_ERROR(CheckAddress(ip));
  Message message(RTM_DELNEIGH, 0);
  auto* neighbour = message.Fixed<ndmsg>();
  neighbour->ndm_family = FamilyOf(ip);
  neighbour->ndm_ifindex = static_cast<int>(index);
  message.Put(NDA_DST, ip);
  const int error = Send(&message);
  if (error == ENOENT || error == ENODEV || error == ENXIO) return absl::OkStatus();
  return Failed(error, absl::StrCat("delete neighbour ", Text(ip), " on device ", index));
}

absl::StatusOr<std::vector<std::string>> Netlink::PermanentNeighbours(uint32_t index) {
  Message message(RTM_GETNEIGH, NLM_F_DUMP);
  message.Fixed<ndmsg>();
  std::vector<std::string> found;
  const int error = Dump(&message, [&](const nlmsghdr* header) {
    const auto* neighbour = static_cast<const ndmsg*>(mnl_nlmsg_get_payload(header));
    if (neighbour->ndm_ifindex != static_cast<int>(index) || !(neighbour->ndm_state & NUD_PERMANENT)) return;
    EachAttribute(header, sizeof(*neighbour), [&](const nlattr* attribute) {
      if (mnl_attr_get_type(attribute) == NDA_DST) found.push_back(BytesOf(attribute));
    });
  });
  if (error != 0) return Failed(error, "list neighbours");
  return found;
}

absl::Status Netlink::SetRoute(const Route& route) {
  TRIVIUM_RETURN_IF_ERROR(CheckAddress(route.network));
  Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  auto* fixed = message.Fixed<rtmsg>();
  fixed->rtm_family = FamilyOf(route.network);
  fixed->rtm_dst_len = static_cast<uint8_t>(route.length);
  fixed->rtm_table = RT_TABLE_MAIN;
  fixed->rtm_protocol = kRouteProtocol;
  fixed->rtm_scope = route.network.size() == 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  fixed->rtm_type = RTN_UNICAST;
  message.Put(RTA_DST, route.network);
  message.Put32(RTA_OIF, route.ifindex);
  if (!route.source.empty()) message.Put(RTA_PREFSRC, route.source);
  return Failed(Send(&message), absl::StrCat("set route ", Text(route.network), "/", route.length,
                                             " to device ", route.ifindex));
}

absl::Status Netlink::DeleteRoute(const Route& route) {
  TRIVIUM_RETURN_IF_ERROR(CheckAddress(route.network));
  Message message(RTM_DELROUTE, 0);
  auto* fixed = message.Fixed<rtmsg>();
  fixed->rtm_family = FamilyOf(route.network);
  fixed->rtm_dst_len = static_cast<uint8_t>(route.length);
  fixed->rtm_table = RT_TABLE_MAIN;
  fixed->rtm_protocol = kRouteProtocol;
  fixed->rtm_scope = RT_SCOPE_NOWHERE;  // any
  message.Put(RTA_DST, route.network);
  message.Put32(RTA_OIF, route.ifindex);
  const int error = Send(&message);
  if (error == ESRCH || error == ENODEV) return absl::OkStatus();
  return Failed(error, absl::StrCat("delete route ", Text(route.network), "/", route.length, " to device ",
                                    route.ifindex));
}

absl::StatusOr<std::vector<Route>> Netlink::Routes() {
  std::vector<Route> routes;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    Message message(RTM_GETROUTE, NLM_F_DUMP);
    message.Fixed<rtmsg>()->rtm_family = family;
    const int error = Dump(&message, [&](const nlmsghdr* header) {
      const auto* fixed = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(header));
      if (fixed->rtm_protocol != kRouteProtocol || fixed->rtm_table != RT_TABLE_MAIN) return;
      Route route = {.network = std::string(family == AF_INET ? 4 : 16, '\0'), .length = fixed->rtm_dst_len};
      EachAttribute(header, sizeof(*fixed), [&](const nlattr* attribute) {
        if (mnl_attr_get_type(attribute) == RTA_DST) route.network = BytesOf(attribute);
        if (mnl_attr_get_type(attribute) == RTA_OIF) route.ifindex = mnl_attr_get_u32(attribute);
        if (mnl_attr_get_type(attribute) == RTA_PREFSRC) route.source = BytesOf(attribute);
      });
      routes.push_back(std::move(route));
    });
    if (error != 0) return Failed(error, "list routes");
  }
  return routes;
}

absl::StatusOr<bool> Netlink::HasFilters(uint32_t index) {
  bool found = false;
  for (const uint32_t parent : {TC_H_MIN_INGRESS, TC_H_MIN_EGRESS}) {
    Message message(RTM_GETTFILTER, NLM_F_DUMP);
    auto* fixed = message.Fixed<tcmsg>();
    fixed->tcm_ifindex = static_cast<int>(index);
    fixed->tcm_parent = TC_H_MAKE(TC_H_CLSACT, parent);
    const int error = Dump(&message, [&](const nlmsghdr*) { found = true; });
    if (error != 0 && error != EINVAL) return Failed(error, absl::StrCat("list filters of device ", index));
  }
  return found;
}

}  // namespace trivium
