/* tc egress of the overlay device: sets the tunnel of what the host's routes lead here, which is the host's
 * own traffic to remote pods and nodes, and local pods' traffic to the inner addresses of remote nodes. */
#ifndef TRIVIUM_BPF_TO_OVERLAY_H_
#define TRIVIUM_BPF_TO_OVERLAY_H_

#include "bpf/lib/overlay.h"
#include "bpf/lib/report.h"

INLINE int to_overlay_verdict(struct __sk_buff* skb, struct flow* f) {
  const struct packet* p = &f->packet;
  const struct endpoint_value* pod = endpoint_of(p->source, p->family); /* from_pod has judged it */
  __u32 sender = IDENTITY_REMOTE_NODE;                                  /* which the host is to the others */
  if (pod) {
    f->endpoint = pod->endpoint;
    sender = pod->identity;
  } else {
    const struct ipcache_value* host = ipcache_exact(p->source, p->family);
    if (!host || !is_own_node(host)) return DROP_SOURCE_MISMATCH;
  }
  const struct ipcache_value* to = ipcache_exact(p->destination, p->family);
  if (!to || to->flags & IPCACHE_UNKNOWN) return DROP_UNKNOWN_POD;
  f->identity = to->identity;
  return tunnel_to(skb, to, sender);
}

INLINE int to_overlay(struct __sk_buff* skb) {
  if (marked_by_us(skb->mark)) {
    skb->mark = 0; /* the outer packet's routing must not see it */
    return TC_ACT_OK;
  }

  struct flow f = {.direction = DIRECTION_EGRESS};
  int reason = parse_frame(skb, &f.packet);
  /* The device has no link to talk on. */
  if (!reason && (f.packet.flags & PACKET_LINK_CONTROL)) return TC_ACT_SHOT;
  if (!reason) reason = to_overlay_verdict(skb, &f);
  return reason ? drop(skb, &f, reason) : TC_ACT_OK;
}

#endif /* TRIVIUM_BPF_TO_OVERLAY_H_ */
