/* The VXLAN device in metadata mode: who is at the other end, and whose identity is in the VNI. */
#ifndef TRIVIUM_BPF_LIB_OVERLAY_H_
#define TRIVIUM_BPF_LIB_OVERLAY_H_

#include "bpf/lib/ipcache.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 65536);
  __type(key, struct node_key);
  __type(value, struct node_value);
} nodes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 131072);
  __type(key, struct underlay_key);
  __type(value, struct underlay_value);
} underlay SEC(".maps");

/* The programs keep nothing in it: what the agent has written of each cluster, for the agent after a crash.
 */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 4096);
  __type(key, struct vector_key);
  __type(value, struct vector_value);
} vector SEC(".maps");

/* Kernels before 6.0 know the key without the local address, and refuse a longer one. */
#define TUNNEL_KEY_SIZE offsetof(struct bpf_tunnel_key, local_ipv4)
#define TUNNEL_TTL 64

/* Addresses the packet to the node of `entry`, as sent by `identity`. 0 or a drop reason. */
NOINLINE int tunnel_to(struct __sk_buff* skb, const struct ipcache_value* entry, __u32 identity) {
  const struct node_key node_key = {.cluster = entry->cluster, .node = entry->node};
  const struct node_value* node = bpf_map_lookup_elem(&nodes, &node_key);
  if (!node) return DROP_NO_TUNNEL_END;
  if (!cfg_overlay_ifindex || identity > IDENTITY_MAX_MESH) return DROP_REDIRECT_FAILED;

  struct bpf_tunnel_key key = {.tunnel_id = identity, .tunnel_ttl = TUNNEL_TTL};
  __u64 flags = BPF_F_ZERO_CSUM_TX; /* the inner checksums stand; receivers set udp6zerocsumrx */
  __u32 ipv4;
  __u64 ipv6[2];
  memcpy(&ipv4, node->underlay4, 4);
  memcpy(ipv6, node->underlay6, 16);
  if (ipv4 && cfg_underlay_ipv4) {
    key.remote_ipv4 = bpf_ntohl(ipv4); /* the helper wants host order here, but not for IPv6 */
  } else if ((ipv6[0] | ipv6[1]) && cfg_underlay_ipv6) {
    memcpy(key.remote_ipv6, ipv6, 16);
    flags |= BPF_F_TUNINFO_IPV6;
  } else {
    return DROP_NO_TUNNEL_END;
  }
  if (bpf_skb_set_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, flags)) return DROP_REDIRECT_FAILED;
  return 0;
}

/* Who sent this tunnel packet, by its outer source address; null: no node that we know. Sets the VNI. */
INLINE struct underlay_value* tunnel_sender(struct __sk_buff* skb, __u32* vni) {
  struct bpf_tunnel_key key = {};
  struct underlay_key sender = {};
  if (bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, 0) == 0) {
    const __u32 address = bpf_htonl(key.remote_ipv4);
    sender.family = FAMILY_IPV4;
    memcpy(sender.addr, &address, 4);
  } else if (bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, BPF_F_TUNINFO_IPV6) == 0) {
    sender.family = FAMILY_IPV6;
    memcpy(sender.addr, key.remote_ipv6, 16);
  } else {
    return 0;
  }
  *vni = key.tunnel_id;
  return bpf_map_lookup_elem(&underlay, &sender);
}

#endif /* TRIVIUM_BPF_LIB_OVERLAY_H_ */
