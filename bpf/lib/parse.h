/* From bytes to `struct packet`. Headers are copied to the stack: no packet pointers, nothing to re-check
 * after a write. */
#ifndef TRIVIUM_BPF_LIB_PARSE_H_
#define TRIVIUM_BPF_LIB_PARSE_H_

#include "bpf/lib/common.h"

enum packet_flags {
  PACKET_OPENS = 1,         /* TCP SYN without ACK, SCTP INIT: can only begin a connection */
  PACKET_CLOSES = 2,        /* TCP FIN: its sender has sent its last */
  PACKET_RESETS = 4,        /* TCP RST; SCTP ABORT, SHUTDOWN ACK and SHUTDOWN COMPLETE: both ends are done */
  PACKET_ECHO_REQUEST = 8,  /* of ICMP and ICMPv6; the id is in source_port */
  PACKET_ECHO_REPLY = 16,   /* likewise */
  PACKET_ICMP_ERROR = 32,   /* carries a part of the packet that it is about, at l4 + 8 */
  PACKET_LINK_CONTROL = 64, /* IPv6 neighbour and multicast listener discovery, not leaving the link */
  PACKET_CONNECTIONLESS = 128 /* no conntrack entry: ICMP other than echo */
};

struct packet {
  __u8 source[16]; /* IPv4 in the first 4, the rest zero */
  __u8 destination[16];
  __u8 source_port[2];
  __u8 destination_port[2]; /* ICMP: type and code */
  __u8 family;
  __u8 protocol;
  __u8 ttl;
  __u8 flags;
  __u32 l4;  /* offset of the transport header in the frame */
  __u32 end; /* offset behind the IP packet's last byte */
};

/* `inner`: the packet inside an ICMP error, cut short, so its length says nothing. */
INLINE int parse_ipv4(struct __sk_buff* skb, struct packet* p, __u32 offset, bool inner) {
  struct iphdr ip;
  if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) < 0) return DROP_MALFORMED;
  const __u32 header = ip.ihl * 4;
  const __u32 total = bpf_ntohs(ip.tot_len);
  if (ip.version != 4 || header < sizeof(ip)) return DROP_MALFORMED;
  if (!inner && (total < header || offset + total > skb->len)) return DROP_MALFORMED;
  p->family = FAMILY_IPV4;
  p->protocol = ip.protocol;
  p->ttl = ip.ttl;
  memcpy(p->source, &ip.saddr, 4);
  memcpy(p->destination, &ip.daddr, 4);
  p->l4 = offset + header;
  p->end = offset + total;
  /* More fragments, or not the first: without ports there is nothing to judge by. */
  if (ip.frag_off & bpf_htons(0x3fff)) return DROP_FRAGMENT;
  return 0;
}

#define IPV6_EXTENSIONS_MAX 6
INLINE int parse_ipv6(struct __sk_buff* skb, struct packet* p, __u32 offset, bool inner) {
  struct ipv6hdr ip;
  if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)) < 0) return DROP_MALFORMED;
  if (ip.version != 6) return DROP_MALFORMED;
  p->family = FAMILY_IPV6;
  p->ttl = ip.hop_limit;
  memcpy(p->source, &ip.saddr, 16);
  memcpy(p->destination, &ip.daddr, 16);
  p->end = offset + sizeof(ip) + bpf_ntohs(ip.payload_len);
  if (!inner && p->end > skb->len) return DROP_MALFORMED;

  __u8 next = ip.nexthdr;
  __u32 at = offset + sizeof(ip);
  for (int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
    if (next != PROTOCOL_HOP_BY_HOP && next != PROTOCOL_DESTINATION_OPTIONS && next != PROTOCOL_ROUTING)
      break;
    struct {
      __u8 next, length, type, segments_left;
    } extension;
    if (bpf_skb_load_bytes(skb, at, &extension, sizeof(extension)) < 0) return DROP_MALFORMED;
    /* It would arrive at another address than the one we judge. */
    if (next == PROTOCOL_ROUTING && extension.segments_left != 0) return DROP_UNSUPPORTED_PROTOCOL;
    next = extension.next;
    at += (extension.length + 1) * 8;
  }
  p->protocol = next;
  p->l4 = at;
  if (next == PROTOCOL_FRAGMENT) return DROP_FRAGMENT;
  return 0;
}

/* Of an inner packet only the first 8 bytes behind its IP header are sure to be there. */
INLINE int parse_icmp(struct __sk_buff* skb, struct packet* p) {
  struct {
    __u8 type, code;
    __u16 checksum;
    __u8 id[2];
    __u16 rest;
  } icmp = {};
  const bool v6 = p->family == FAMILY_IPV6;
  /* Every ICMP message has 8 bytes, and so have all ICMPv6 messages but for some experiments. */
  if (bpf_skb_load_bytes(skb, p->l4, &icmp, sizeof(icmp)) < 0) return DROP_MALFORMED;
  p->destination_port[0] = icmp.type;
  p->destination_port[1] = icmp.code;
  if (icmp.code == 0 && icmp.type == (v6 ? 128 : 8)) {
    p->flags = PACKET_ECHO_REQUEST;
  } else if (icmp.code == 0 && icmp.type == (v6 ? 129 : 0)) {
    p->flags = PACKET_ECHO_REPLY;
  } else {
    p->flags = PACKET_CONNECTIONLESS;
    /* unreachable (with "fragmentation needed"), time exceeded, parameter problem; v6 also packet too big */
    if (v6 ? (icmp.type >= 1 && icmp.type <= 4) : (icmp.type == 3 || icmp.type == 11 || icmp.type == 12))
      p->flags |= PACKET_ICMP_ERROR;
    const bool link_destination = p->destination[0] == 0xff
                                      ? (p->destination[1] & 0xf) <= 2
                                      : p->destination[0] == 0xfe && (p->destination[1] & 0xc0) == 0x80;
    const bool discovery = (icmp.type >= 133 && icmp.type <= 136 && p->ttl == 255) ||
                           (icmp.type >= 130 && icmp.type <= 132) || icmp.type == 143;
    if (v6 && link_destination && discovery) p->flags |= PACKET_LINK_CONTROL;
    return 0;
  }
  memcpy(p->source_port, icmp.id, 2);
  return 0;
}

INLINE int parse_ports(struct __sk_buff* skb, struct packet* p) {
  struct {
    __u8 source[2], destination[2];
  } ports;
  if (bpf_skb_load_bytes(skb, p->l4, &ports, sizeof(ports)) < 0) return DROP_MALFORMED;
  memcpy(p->source_port, ports.source, 2);
  memcpy(p->destination_port, ports.destination, 2);
  return 0;
}

INLINE int parse_tcp_flags(struct __sk_buff* skb, struct packet* p) {
  struct {
    __u8 offset, flags;
  } tcp;
  if (bpf_skb_load_bytes(skb, p->l4 + 12, &tcp, sizeof(tcp)) < 0) return DROP_MALFORMED;
  if (p->l4 + (tcp.offset >> 4) * 4 > p->end || (tcp.offset >> 4) < 5) return DROP_MALFORMED;
  const __u8 fin = 1, syn = 2, rst = 4, ack = 16;
  if ((tcp.flags & (syn | ack | rst)) == syn) p->flags |= PACKET_OPENS;
  if (tcp.flags & fin) p->flags |= PACKET_CLOSES;
  if (tcp.flags & rst) p->flags |= PACKET_RESETS;
  return 0;
}

INLINE int parse_sctp_chunk(struct __sk_buff* skb, struct packet* p) {
  __u8 type = 255; /* a packet without any chunk is odd but harmless */
  if (p->l4 + 12 < p->end && bpf_skb_load_bytes(skb, p->l4 + 12, &type, 1) < 0) return DROP_MALFORMED;
  const __u8 init = 1, abort = 6, shutdown_ack = 8, shutdown_complete = 14;
  if (type == init) p->flags |= PACKET_OPENS;
  if (type == abort || type == shutdown_ack || type == shutdown_complete) p->flags |= PACKET_RESETS;
  return 0;
}

/* The IP packet that starts at `offset`. 0 or a drop reason; what was read until then is in `p`. */
GLOBAL int parse_packet(struct __sk_buff* skb, struct packet* p, __u32 offset, bool inner, bool ipv6) {
  if (!p) return DROP_MALFORMED;
  memset(p, 0, sizeof(*p));
  const int reason = ipv6 ? parse_ipv6(skb, p, offset, inner) : parse_ipv4(skb, p, offset, inner);
  if (reason) return reason;

  __u32 header;
  switch (p->protocol) {
    case PROTOCOL_TCP:
      header = 20;
      break;
    case PROTOCOL_SCTP:
      header = 12;
      break;
    case PROTOCOL_UDP:
      header = 8;
      break;
    case PROTOCOL_ICMP:
    case PROTOCOL_ICMPV6:
      if ((p->protocol == PROTOCOL_ICMPV6) != ipv6) return DROP_UNSUPPORTED_PROTOCOL;
      header = 8;
      break;
    default:
      return DROP_UNSUPPORTED_PROTOCOL;
  }
  if (!inner && p->l4 + header > p->end) return DROP_MALFORMED;

  if (p->protocol == PROTOCOL_ICMP || p->protocol == PROTOCOL_ICMPV6) return parse_icmp(skb, p);
  if (parse_ports(skb, p)) return DROP_MALFORMED;
  if (inner) return 0;
  if (p->protocol == PROTOCOL_TCP) return parse_tcp_flags(skb, p);
  if (p->protocol == PROTOCOL_SCTP) return parse_sctp_chunk(skb, p);
  return 0;
}

/* The IP packet of an Ethernet frame. */
INLINE int parse_frame(struct __sk_buff* skb, struct packet* p) {
  const bool ipv6 = skb->protocol == bpf_htons(ETH_P_IPV6);
  if (skb->vlan_present || (!ipv6 && skb->protocol != bpf_htons(ETH_P_IP))) return DROP_UNSUPPORTED_PROTOCOL;
  return parse_packet(skb, p, ETHERNET_HEADER, false, ipv6);
}

#endif /* TRIVIUM_BPF_LIB_PARSE_H_ */
