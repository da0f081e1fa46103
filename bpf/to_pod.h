/* tc egress of the host side of a pod's veth: all that reaches the pod, whichever way it came. */
#ifndef TRIVIUM_BPF_TO_POD_H_
#define TRIVIUM_BPF_TO_POD_H_

#include "bpf/lib/conntrack.h"
#include "bpf/lib/report.h"

/* Identity of a source that the stack routed here: a node, or what is outside the mesh. A pod's address would
 * have come with our mark. */
INLINE int unmarked_source(const struct packet* p, __u32* identity) {
  const struct ipcache_value* entry = ipcache_exact(p->source, p->family);
  if (entry && !(entry->flags & IPCACHE_NODE)) return DROP_SOURCE_MISMATCH;
  *identity = entry ? entry->identity : prefix_identity(p->source, p->family);
  return *identity ? 0 : DROP_SOURCE_MISMATCH;
}

INLINE int to_pod_verdict(struct __sk_buff* skb, struct flow* f, __u32 mark) {
  const struct packet* p = &f->packet;
  const struct endpoint_value* self = endpoint_of(p->destination, p->family);
  if (!self || self->ifindex != skb->ifindex) return DROP_NO_ENDPOINT;
  f->endpoint = self->endpoint;

  if (marked_by_us(mark)) {
    f->identity = mark & MARK_IDENTITY_MASK;
  } else {
    const int reason = unmarked_source(p, &f->identity);
    if (reason) return reason;
  }
  return judge(skb, f);
}

INLINE int to_pod(struct __sk_buff* skb) {
  const __u32 mark = skb->mark;
  forget_mark(skb);
  if (skb->protocol == bpf_htons(ETH_P_ARP)) return TC_ACT_OK;

  struct flow f = {.direction = DIRECTION_INGRESS};
  int reason = parse_frame(skb, &f.packet);
  if (!reason && (f.packet.flags & PACKET_LINK_CONTROL)) return TC_ACT_OK;
  if (!reason) reason = to_pod_verdict(skb, &f, mark);
  if (reason) return drop(skb, &f, reason);
  passed(skb, &f);
  return TC_ACT_OK;
}

#endif /* TRIVIUM_BPF_TO_POD_H_ */
