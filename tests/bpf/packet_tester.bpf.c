/* What the test-run call alone cannot do: give a packet tunnel metadata before it enters from_overlay (the
 * loaded program itself, by tail call), and see the tunnel metadata that from_pod and to_overlay leave behind
 * (copies of their code on the same maps). */
#include "bpf/from_pod.h"
#include "bpf/to_overlay.h"

struct outer {
  __u32 vni;
  __u32 family;
  __u32 ipv4; /* host order */
  __u8 ipv6[16];
};

/* 0: outer source of the packet that is to arrive; 1: tunnel end and VNI that were set */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __type(key, __u32);
  __type(value, struct outer);
} outers SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} targets SEC(".maps");

SEC("tc")
int tester_from_overlay(struct __sk_buff* skb) {
  const __u32 zero = 0;
  const struct outer* outer = bpf_map_lookup_elem(&outers, &zero);
  if (!outer) return TC_ACT_SHOT;
  /* Reading back gives the local address as the remote one, as it is for what was received. */
  struct bpf_tunnel_key key = {.tunnel_id = outer->vni};
  __u64 flags = 0;
  if (outer->family == FAMILY_IPV6) {
    memcpy(key.local_ipv6, outer->ipv6, 16);
    flags = BPF_F_TUNINFO_IPV6;
  } else {
    key.local_ipv4 = outer->ipv4;
  }
  if (outer->family != FAMILY_NONE && bpf_skb_set_tunnel_key(skb, &key, sizeof(key), flags))
    return TC_ACT_UNSPEC;
  bpf_tail_call(skb, &targets, 0);
  return TC_ACT_UNSPEC;
}

static __always_inline int observe(struct __sk_buff* skb, int action) {
  const __u32 one = 1;
  struct outer* outer = bpf_map_lookup_elem(&outers, &one);
  if (!outer) return TC_ACT_UNSPEC;
  struct bpf_tunnel_key key = {};
  memset(outer, 0, sizeof(*outer));
  if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) == 0) {
    outer->family = FAMILY_IPV4;
    outer->ipv4 = key.local_ipv4;
  } else if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), BPF_F_TUNINFO_IPV6) == 0) {
    outer->family = FAMILY_IPV6;
    memcpy(outer->ipv6, key.local_ipv6, 16);
  }
  outer->vni = key.tunnel_id;
  return action;
}

SEC("tc")
int tester_from_pod(struct __sk_buff* skb) { return observe(skb, from_pod(skb)); }

SEC("tc")
int tester_to_overlay(struct __sk_buff* skb) { return observe(skb, to_overlay(skb)); }

char LICENSE[] SEC("license") = "GPL";
