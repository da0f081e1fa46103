/* All programs of a node in one object, so that they share maps and are loaded together. The names are short
 * enough for the kernel to keep whole, and tell our programs from others'. */
#include "bpf/from_overlay.h"
#include "bpf/from_pod.h"
#include "bpf/from_uplink.h"
#include "bpf/to_overlay.h"
#include "bpf/to_pod.h"

SEC("tc")
int tv_from_pod(struct __sk_buff* skb) { return from_pod(skb); }

SEC("tc")
int tv_to_pod(struct __sk_buff* skb) { return to_pod(skb); }

SEC("tc")
int tv_from_overlay(struct __sk_buff* skb) { return from_overlay(skb); }

SEC("tc")
int tv_to_overlay(struct __sk_buff* skb) { return to_overlay(skb); }

SEC("tc")
int tv_from_uplink(struct __sk_buff* skb) { return from_uplink(skb); }

char LICENSE[] SEC("license") = "GPL";
