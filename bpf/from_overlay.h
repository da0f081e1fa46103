/* tc ingress of the overlay device: what other nodes send through the tunnel. */
#ifndef TRIVIUM_BPF_FROM_OVERLAY_H_
#define TRIVIUM_BPF_FROM_OVERLAY_H_

#include "bpf/lib/deliver.h"
#include "bpf/lib/overlay.h"
#include "bpf/lib/report.h"

/* May the node `sender` speak for this source address with the identity in the VNI? The VNI is believed even
 * where our ipcache says otherwise of the same pod, for it may be newer. The address must live on that very
 * node: an address that has moved is believed once we have heard of the move, since answers would go astray
 * until then. An address that we never heard of must be in a pod network of the sender's cluster. */
INLINE int sender_verdict(const struct packet* p, const struct underlay_value* sender, __u32 vni,
                          __u32* identity) {
  const struct ipcache_value* entry = ipcache_exact(p->source, p->family);
  const bool at_sender = entry && entry->cluster == sender->cluster && entry->node == sender->node;

  if (vni == IDENTITY_HOST || vni == IDENTITY_REMOTE_NODE) {
    if (!at_sender || !(entry->flags & IPCACHE_NODE)) return DROP_TUNNEL_HOST_SPOOF;
    *identity = IDENTITY_REMOTE_NODE; /* whatever else a node is: here it is another one */
    return 0;
  }

  const struct known_value* owner = known_identity(vni);
  if (!owner) return DROP_UNKNOWN_IDENTITY;
  /* Other reserved identities belong to no cluster, so to no sender either. */
  if (owner->cluster != sender->cluster) return DROP_TUNNEL_FOREIGN_IDENTITY;
  *identity = vni;

  if (entry && entry->flags & IPCACHE_UNKNOWN) return DROP_UNKNOWN_POD;
  if (entry) return at_sender && !(entry->flags & IPCACHE_NODE) ? 0 : DROP_SOURCE_MISMATCH;
  const struct ipcache_value* network = ipcache_prefix(p->source, p->family);
  if (!network || !(network->flags & IPCACHE_UNKNOWN) || network->cluster != sender->cluster)
    return DROP_SOURCE_MISMATCH;
  return 0;
}

INLINE int from_overlay_verdict(struct __sk_buff* skb, struct flow* f, int* action) {
  const struct packet* p = &f->packet;
  __u32 vni = 0;
  const struct underlay_value* sender = tunnel_sender(skb, &vni);
  f->identity = vni;
  if (!sender) return DROP_TUNNEL_UNKNOWN_NODE;
  const int reason = sender_verdict(p, sender, vni, &f->identity);
  if (reason) return reason;

  const struct endpoint_value* to = endpoint_of(p->destination, p->family);
  if (to) {
    f->endpoint = to->endpoint;
    *action = TC_ACT_REDIRECT;
    return deliver_to_pod(skb, p, to, f->identity);
  }
  const struct ipcache_value* entry = ipcache_exact(p->destination, p->family);
  if (!entry || !is_own_node(entry)) return DROP_NO_ENDPOINT;
  /* The inner frame bears a MAC of the sender's choice. */
  *action = TC_ACT_OK;
  return bpf_skb_change_type(skb, PACKET_HOST) ? DROP_REDIRECT_FAILED : 0;
}

INLINE int from_overlay(struct __sk_buff* skb) {
  forget_mark(skb);
  struct flow f = {.direction = DIRECTION_INGRESS};
  int action = TC_ACT_SHOT;
  int reason = parse_frame(skb, &f.packet);
  if (!reason) reason = from_overlay_verdict(skb, &f, &action);
  if (reason) return drop(skb, &f, reason);
  /* Not counted as passed: to_pod does that, or drops it. */
  return action;
}

#endif /* TRIVIUM_BPF_FROM_OVERLAY_H_ */
