#include "tests/bpf/packet_case.h"

namespace trivium {

std::vector<Case> FromPodCases() {
  const uint32_t a_out = RuleSetOf(1, DIRECTION_EGRESS);
  const std::string hop_by_hop("\x06\0\x05\x02\0\0\x01\0", 8);
  const std::string routing("\x06\0\0\x01\0\0\0\0", 8);
  const std::string fragment("\x06\0\0\x01\0\0\0\x01", 8);

  return {
      // ---- from_pod: where packets go
      {.name = "to a pod of this node",
       .packet = From(kA4, kB4),
       .action = kRedirect,
       .mark_after = MarkOf(kIdA)},
      {.name = "to a pod of this node, v6",
       .packet = From(kA6, kB6),
       .action = kRedirect,
       .mark_after = MarkOf(kIdA)},
      {.name = "to a remote pod: through the tunnel, with our identity",
       .packet = From(kA4, kR4),
       .action = kRedirect,
       .tunnel = TunnelEnd{kUnderlay7, kIdA},
       .mark_after = MarkOf(kIdA)},
      {.name = "to a remote pod, v6 inside v4",
       .packet = From(kA6, kR6),
       .action = kRedirect,
       .tunnel = TunnelEnd{kUnderlay7, kIdA},
       .mark_after = MarkOf(kIdA)},
      {.name = "to a remote pod over a v6 underlay",
       .packet = From(kA4, kR4),
       .action = kRedirect,
       .tunnel = TunnelEnd{kUnderlay7v6, kIdA},
       .mark_after = MarkOf(kIdA),
       .underlay_ipv4 = false},
      {.name = "to the world: the stack's", .packet = From(kA4, kWorld4)},
      {.name = "to the world, v6", .packet = From(kA6, kWorld6)},
      {.name = "to a policy's CIDR", .packet = From(kA4, kCidr4)},
      {.name = "to this node", .packet = From(kA4, kHost4)},
      {.name = "to a remote node: the stack's", .packet = From(kA4, kRemoteHost4)},
      {.name = "the local endpoint says who it is, not the ipcache",
       .packet = From(kA4, kB4),
       .reason = DROP_POLICY_DENY_RULE,
       .change =
           [=](World& w) {
             Ok(w.Address(kB4, kIdN, 1, 2));
             Ok(w.Class(a_out, kIdB, 5));
             Ok(w.Verdict(AnyVerdict(a_out, 5), POLICY_DENY));
           }},
      {.name = "IPv4 options",
       .packet = With(From(kA4, kB4), [](PacketSpec& p) { p.ip_options = std::string(8, '\x01'); }),
       .action = kRedirect,
       .mark_after = MarkOf(kIdA)},
      {.name = "IPv6 extension headers",
       .packet = With(From(kA6, kB6), [&](PacketSpec& p) { p.extensions = hop_by_hop; }),
       .action = kRedirect,
       .mark_after = MarkOf(kIdA)},
      {.name = "SCTP",
       .packet = With(From(kA4, kB4), [](PacketSpec& p) { p.protocol = kSctp; }),
       .action = kRedirect,
       .mark_after = MarkOf(kIdA)},
      {.name = "a frame with padding",
       .packet = With(From(kA4, kWorld4), [](PacketSpec& p) { p.payload.clear(); }),
       .damage = [](std::string* frame) { frame->append(20, '\0'); }},

      // ---- from_pod: neither judged nor counted
      {.name = "ARP",
       .packet = From(kA4, kB4),
       .damage = [](std::string* frame) { *frame = Frame(0x0806, std::string(28, '\0')); },
       .silent = true},
      {.name = "neighbour solicitation for the gateway",
       .packet = With(Echo(Ip("fe80::abcd"), Ip("fe80::1")),
                      [](PacketSpec& p) {
                        p.destination_port = 135 << 8;
                        p.ttl = 255;
                      }),
       .silent = true},
      {.name = "multicast listener report",
       .packet = With(Echo(Ip("::"), Ip("ff02::16")),
                      [](PacketSpec& p) {
                        p.destination_port = 143 << 8;
                        p.ttl = 1;
                        p.next_header = 0;
                        p.extensions = std::string("\x3a\0\x05\x02\0\0\x01\0", 8);
                      }),
       .silent = true},
      {.name = "discovery that was routed is an ordinary packet",
       .packet = With(Echo(Ip("fe80::abcd"), Ip("fe80::1")),
                      [](PacketSpec& p) {
                        p.destination_port = 135 << 8;
                        p.ttl = 254;
                      }),
       .reason = DROP_NO_ENDPOINT},
      {.name = "discovery to beyond the link is an ordinary packet",
       .packet = With(Echo(Ip("fe80::abcd"), kB6),
                      [](PacketSpec& p) {
                        p.destination_port = 136 << 8;
                        p.ttl = 255;
                      }),
       .reason = DROP_NO_ENDPOINT},

      // ---- from_pod: drops
      {.name = "source that is nobody's", .packet = From(Ip("10.1.1.99"), kB4), .reason = DROP_NO_ENDPOINT},
      {.name = "source of another pod of this node",
       .packet = From(kA4, kB4),
       .reason = DROP_SPOOFED_SOURCE,
       .change = [](World& w) { Ok(w.Endpoint(kA4, 1, kIdA, PacketTester::kIfindex + 1)); }},
      {.name = "source of another pod, v6",
       .packet = From(kA6, kB6),
       .reason = DROP_SPOOFED_SOURCE,
       .change = [](World& w) { Ok(w.Endpoint(kA6, 1, kIdA, PacketTester::kIfindex + 1)); }},
      {.name = "closed endpoint",
       .packet = From(kA4, kB4),
       .reason = DROP_ENDPOINT_CLOSED,
       .change = [](World& w) { Ok(w.Closed(1, DIRECTION_EGRESS)); }},
      {.name = "a pod that we have not heard of", .packet = From(kA4, kUnheard4), .reason = DROP_UNKNOWN_POD},
      {.name = "a pod that we have not heard of, v6",
       .packet = From(kA6, kUnheard6),
       .reason = DROP_UNKNOWN_POD},
      {.name = "an address between two owners",
       .packet = From(kA4, kR4),
       .reason = DROP_UNKNOWN_POD,
       .change = [](World& w) { Ok(w.Address(kR4, kIdR, 2, 7, IPCACHE_UNKNOWN)); }},
      {.name = "identity not yet in every rule set, though all is allowed",
       .packet = From(kA4, kR4),
       .reason = DROP_UNKNOWN_IDENTITY,
       .change = [](World& w) { Ok(w.NotKnown(kIdR)); }},
      {.name = "no rule allows",
       .packet = From(kA4, kB4),
       .reason = DROP_POLICY_DENIED,
       .change = [](World& w) { Ok(w.Policy(1, DIRECTION_EGRESS, 500)); }},
      {.name = "a rule denies",
       .packet = From(kA4, kB4),
       .reason = DROP_POLICY_DENY_RULE,
       .change = [=](World& w) { Ok(w.Verdict(AnyVerdict(a_out), POLICY_DENY, 9)); }},
      {.name = "redirect without a listener is closed",
       .packet = From(kA4, kB4),
       .reason = DROP_POLICY_DENY_RULE,
       .change = [=](World& w) { Ok(w.Verdict(AnyVerdict(a_out), POLICY_REDIRECT)); }},
      {.name = "remote node not in the node map",
       .packet = From(kA4, kR4),
       .reason = DROP_NO_TUNNEL_END,
       .change = [](World& w) { Ok(w.Address(kR4, kIdR, 2, 8)); }},
      {.name = "remote node without an address of a family that we have",
       .packet = From(kA4, kR4),
       .reason = DROP_NO_TUNNEL_END,
       .change = [](World& w) { Ok(w.Node(2, 7, kUnderlay7, "")); },
       .underlay_ipv4 = false},
      {.name = "remote node on IPv6 alone, which we have not",
       .packet = From(kA4, kR4),
       .reason = DROP_NO_TUNNEL_END,
       .change = [](World& w) { Ok(w.Node(2, 7, "", kUnderlay7v6)); },
       .underlay_ipv6 = false},
      {.name = "no overlay device",
       .packet = From(kA4, kR4),
       .reason = DROP_REDIRECT_FAILED,
       .overlay = false},
      {.name = "last hop to a pod of this node",
       .packet = With(From(kA4, kB4), [](PacketSpec& p) { p.ttl = 1; }),
       .reason = DROP_TTL_EXCEEDED},
      {.name = "last hop, v6",
       .packet = With(From(kA6, kB6), [](PacketSpec& p) { p.ttl = 1; }),
       .reason = DROP_TTL_EXCEEDED},
      {.name = "first fragment", .packet = From(kA4, kB4), .reason = DROP_FRAGMENT, .damage = Byte(20, 0x20)},
      {.name = "later fragment", .packet = From(kA4, kB4), .reason = DROP_FRAGMENT, .damage = Byte(21, 0x10)},
      {.name = "fragment, v6",
       .packet = With(From(kA6, kB6),
                      [&](PacketSpec& p) {
                        p.extensions = fragment;
                        p.next_header = 44;
                      }),
       .reason = DROP_FRAGMENT},
      {.name = "routing header that leads elsewhere",
       .packet = With(From(kA6, kB6),
                      [&](PacketSpec& p) {
                        p.extensions = routing;
                        p.next_header = 43;
                      }),
       .reason = DROP_UNSUPPORTED_PROTOCOL},
      {.name = "another protocol",
       .packet = With(From(kA4, kB4), [](PacketSpec& p) { p.protocol = 47; }),
       .reason = DROP_UNSUPPORTED_PROTOCOL},
      {.name = "ICMP in IPv6",
       .packet = With(Echo(kA6, kB6), [](PacketSpec& p) { p.protocol = kIcmp; }),
       .reason = DROP_UNSUPPORTED_PROTOCOL},
      {.name = "neither IP nor ARP",
       .packet = From(kA4, kB4),
       .reason = DROP_UNSUPPORTED_PROTOCOL,
       .damage = [](std::string* frame) { *frame = Frame(0x88cc, std::string(46, '\0')); }},
      {.name = "too many extension headers",
       .packet = With(From(kA6, kB6),
                      [](PacketSpec& p) {
                        for (int i = 0; i < 7; ++i) p.extensions += std::string("\x3c\0\x01\x04\0\0\0\0", 8);
                        p.next_header = 60;
                      }),
       .reason = DROP_UNSUPPORTED_PROTOCOL},
      {.name = "wrong version", .packet = From(kA4, kB4), .reason = DROP_MALFORMED, .damage = Byte(14, 0x65)},
      {.name = "wrong version, v6",
       .packet = From(kA6, kB6),
       .reason = DROP_MALFORMED,
       .damage = Byte(14, 0x45)},
      {.name = "header shorter than a header",
       .packet = From(kA4, kB4),
       .reason = DROP_MALFORMED,
       .damage = Byte(14, 0x44)},
      {.name = "length beyond the frame",
       .packet = From(kA4, kB4),
       .reason = DROP_MALFORMED,
       .damage = Byte(16, 9)},
      {.name = "length beyond the frame, v6",
       .packet = From(kA6, kB6),
       .reason = DROP_MALFORMED,
       .damage = Byte(18, 9)},
      {.name = "length below the header",
       .packet = From(kA4, kB4),
       .reason = DROP_MALFORMED,
       .damage = Byte(17, 19)},
      {.name = "TCP header beyond the packet",
       .packet = From(kA4, kB4),
       .reason = DROP_MALFORMED,
       .damage = Byte(17, 39)},
      {.name = "TCP header longer than the packet",
       .packet = With(From(kA4, kB4), [](PacketSpec& p) { p.payload.clear(); }),
       .reason = DROP_MALFORMED,
       .damage = Byte(46, 0x60)},
      {.name = "TCP header shorter than a header",
       .packet = From(kA4, kB4),
       .reason = DROP_MALFORMED,
       .damage = Byte(46, 0x40)},
      {.name = "UDP header cut",
       .packet = With(From(kA4, kB4), [](PacketSpec& p) { p.protocol = kUdp; }),
       .reason = DROP_MALFORMED,
       .damage = Byte(17, 27)},
      {.name = "ICMP header cut", .packet = Echo(kA4, kB4), .reason = DROP_MALFORMED, .damage = Byte(17, 27)},
      {.name = "SCTP header cut",
       .packet = With(From(kA4, kB4), [](PacketSpec& p) { p.protocol = kSctp; }),
       .reason = DROP_MALFORMED,
       .damage = Byte(17, 31)},
  };
}

}  // namespace trivium
