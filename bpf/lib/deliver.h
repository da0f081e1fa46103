/* The last step: to a local pod, or to the host's stack. */
#ifndef TRIVIUM_BPF_LIB_DELIVER_H_
#define TRIVIUM_BPF_LIB_DELIVER_H_

#include "bpf/lib/flow.h"

INLINE int spend_ttl(struct __sk_buff* skb, const struct packet* p) {
  if (p->ttl <= 1) return DROP_TTL_EXCEEDED;
  const __u8 ttl = p->ttl - 1;
  if (p->family == FAMILY_IPV6) {
    /* No header checksum makes up for the change, so a checksum over the whole packet must follow. */
    const __u32 at = ETHERNET_HEADER + offsetof(struct ipv6hdr, hop_limit);
    return bpf_skb_store_bytes(skb, at, &ttl, 1, BPF_F_RECOMPUTE_CSUM) ? DROP_REDIRECT_FAILED : 0;
  }
  const __u32 at = ETHERNET_HEADER + offsetof(struct iphdr, ttl);
  const __u32 check = ETHERNET_HEADER + offsetof(struct iphdr, check);
  const __u16 before = bpf_htons(p->ttl << 8 | p->protocol), after = bpf_htons(ttl << 8 | p->protocol);
  if (bpf_l3_csum_replace(skb, check, before, after, 2) || bpf_skb_store_bytes(skb, at, &ttl, 1, 0))
    return DROP_REDIRECT_FAILED;
  return 0;
}

/* To the host side of the pod's veth, where to_pod judges it; the mark tells it who sends. */
NOINLINE int deliver_to_pod(struct __sk_buff* skb, const struct packet* p, const struct endpoint_value* to,
                            __u32 identity) {
  const __u32 ifindex = to->ifindex;
  __u8 macs[12]; /* as in an Ethernet header: destination, source */
  memcpy(macs, to->pod_mac, 6);
  memcpy(macs + 6, to->host_mac, 6);
  if (!ifindex) return DROP_REDIRECT_FAILED;
  const int reason = spend_ttl(skb, p);
  if (reason) return reason;
  if (bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0)) return DROP_REDIRECT_FAILED;
  skb->mark = MARK_MAGIC | (identity & MARK_IDENTITY_MASK);
  return bpf_redirect(ifindex, 0) == TC_ACT_REDIRECT ? 0 : DROP_REDIRECT_FAILED;
}

#endif /* TRIVIUM_BPF_LIB_DELIVER_H_ */
