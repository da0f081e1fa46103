/* tc ingress of the host side of a pod's veth: what the pod sends. */
#ifndef TRIVIUM_BPF_FROM_POD_H_
#define TRIVIUM_BPF_FROM_POD_H_

#include "bpf/lib/conntrack.h"
#include "bpf/lib/deliver.h"
#include "bpf/lib/overlay.h"
#include "bpf/lib/report.h"

/* Returns a drop reason, or 0 with *action set. */
INLINE int from_pod_verdict(struct __sk_buff* skb, struct flow* f, int* action) {
  const struct packet* p = &f->packet;
  *action = TC_ACT_OK;
  const struct endpoint_value* self = endpoint_of(p->source, p->family);
  if (!self) return DROP_NO_ENDPOINT;
  if (self->ifindex != skb->ifindex) return DROP_SPOOFED_SOURCE;
  f->endpoint = self->endpoint;
  const __u32 own_identity = self->identity;

  /* A pod of this node is known before anyone else hears of it: its endpoint says who it is. */
  const struct endpoint_value* neighbour = endpoint_of(p->destination, p->family);
  const struct ipcache_value* entry = 0;
  if (neighbour) {
    f->identity = neighbour->identity;
  } else {
    entry = ipcache_exact(p->destination, p->family);
    if (entry && entry->flags & IPCACHE_UNKNOWN) return DROP_UNKNOWN_POD;
    f->identity = entry ? entry->identity : prefix_identity(p->destination, p->family);
    if (!f->identity) return DROP_UNKNOWN_POD;
  }

  const int denied = judge(skb, f);
  if (denied) return denied;

  if (neighbour) {
    *action = TC_ACT_REDIRECT;
    return deliver_to_pod(skb, p, neighbour, own_identity);
  }
  /* Nodes and world: the host's routes know the way. A remote node's inner address is routed into the
   * overlay, where to_overlay sets the tunnel. */
  if (!entry || (entry->flags & IPCACHE_NODE)) return 0;

  const int no_tunnel = tunnel_to(skb, entry, own_identity);
  if (no_tunnel) return no_tunnel;
  skb->mark = MARK_MAGIC | (own_identity & MARK_IDENTITY_MASK); /* to_overlay: the tunnel is set already */
  *action = bpf_redirect(cfg_overlay_ifindex, 0);
  return 0;
}

INLINE int from_pod(struct __sk_buff* skb) {
  forget_mark(skb);
  if (skb->protocol == bpf_htons(ETH_P_ARP)) return TC_ACT_OK;

  struct flow f = {.direction = DIRECTION_EGRESS};
  int reason = parse_frame(skb, &f.packet);
  /* Talk between the pod and the host's end of the veth: neither routed nor judged nor counted. */
  if (!reason && (f.packet.flags & PACKET_LINK_CONTROL)) return TC_ACT_OK;

  int action = TC_ACT_SHOT;
  if (!reason) reason = from_pod_verdict(skb, &f, &action);
  if (reason) return drop(skb, &f, reason);
  passed(skb, &f);
  return action;
}

#endif /* TRIVIUM_BPF_FROM_POD_H_ */
