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
  skb->mark = 0;
  struct flow f = {.direction = DIRECTION_INGRESS};
  /* Not parse_frame: the source is read and judged whatever else the packet is. */
  if (skb->protocol == bpf_htons(ETH_P_IP)) {
    const __u32 at = ETHERNET_HEADER + offsetof(struct iphdr, saddr);
    f.packet.family = FAMILY_IPV4;
    if (bpf_skb_load_bytes(skb, at, f.packet.source, 4) ||
        bpf_skb_load_bytes(skb, at + 4, f.packet.destination, 4))
      return TC_ACT_OK;
  } else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
    const __u32 at = ETHERNET_HEADER + offsetof(struct ipv6hdr, saddr);
    f.packet.family = FAMILY_IPV6;
    if (bpf_skb_load_bytes(skb, at, f.packet.source, 16) ||
        bpf_skb_load_bytes(skb, at + 16, f.packet.destination, 16))
      return TC_ACT_OK;
  } else {
    return TC_ACT_OK;
  }
  const int reason = from_uplink_verdict(&f.packet);
  return reason ? drop(skb, &f, reason) : TC_ACT_OK;
}

#endif /* TRIVIUM_BPF_FROM_UPLINK_H_ */
