/* tc ingress of the uplink: outside the tunnel nobody may speak for a pod, nor for this node itself, nor for
 * a node's address inside the overlay. All else is the stack's, broken packets and fragments included; what
 * the stack routes to a pod, to_pod judges. */
#ifndef TRIVIUM_BPF_FROM_UPLINK_H_
#define TRIVIUM_BPF_FROM_UPLINK_H_

#include "bpf/lib/ipcache.h"
#include "bpf/lib/report.h"

INLINE int from_uplink_verdict(const struct packet* p) {
  const struct ipcache_value* entry = ipcache_exact(p->source, p->family);
  if (entry && !(entry->flags & IPCACHE_NODE)) return DROP_UPLINK_POD_SOURCE;
  if (entry && is_own_node(entry)) return DROP_SPOOFED_SOURCE;
  const struct ipcache_value* prefix = ipcache_prefix(p->source, p->family);
  return prefix && (prefix->flags & IPCACHE_UNKNOWN) ? DROP_UPLINK_POD_SOURCE : 0;
}

INLINE int from_uplink(struct __sk_buff* skb) {
  forget_mark(skb);
  struct flow f = {.direction = DIRECTION_INGRESS};
  const bool ipv6 = skb->protocol == bpf_htons(ETH_P_IPV6);
  if (!ipv6 && skb->protocol != bpf_htons(ETH_P_IP)) return TC_ACT_OK;

  /* Not parse_frame: the addresses are read and judged whatever else the packet is, and an uplink may be a
   * device without Ethernet headers. */
  const __u32 size = ipv6 ? 16 : 4;
  const __u32 at = ipv6 ? offsetof(struct ipv6hdr, saddr) : offsetof(struct iphdr, saddr);
  f.packet.family = ipv6 ? FAMILY_IPV6 : FAMILY_IPV4;
  if (bpf_skb_load_bytes_relative(skb, at, f.packet.source, size, BPF_HDR_START_NET) ||
      bpf_skb_load_bytes_relative(skb, at + size, f.packet.destination, size, BPF_HDR_START_NET))
    return TC_ACT_OK;
  const int reason = from_uplink_verdict(&f.packet);
  return reason ? drop(skb, &f, reason) : TC_ACT_OK;
}

#endif /* TRIVIUM_BPF_FROM_UPLINK_H_ */
