/* What every header here needs: helpers, constants of the wire, configuration of the node. */
#ifndef TRIVIUM_BPF_LIB_COMMON_H_
#define TRIVIUM_BPF_LIB_COMMON_H_

/* libbpf's headers need the kernel's types before them. */
/* clang-format off */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
/* clang-format on */

#include "bpf/abi/drop_reasons.h"
#include "bpf/abi/types.h"

#define INLINE static __always_inline
#define NOINLINE static __attribute__((noinline))
/* Verified once, on its own, instead of for every state of every caller: for the large ones. Takes the
 * context, numbers, and pointers to structs that may be null as far as the verifier knows. */
#define GLOBAL __attribute__((noinline))
#define unlikely(x) __builtin_expect(!!(x), 0)
#define memcpy __builtin_memcpy
#define memset __builtin_memset
#define memcmp __builtin_memcmp

#define ETHERNET_HEADER 14
#define SECOND 1000000000ULL

enum { FAMILY_NONE = 0, FAMILY_IPV4 = 4, FAMILY_IPV6 = 6 };

/* linux/in.h and linux/icmp.h draw in what the bpf target lacks. */
enum protocol {
  PROTOCOL_HOP_BY_HOP = 0,
  PROTOCOL_ICMP = 1,
  PROTOCOL_TCP = 6,
  PROTOCOL_UDP = 17,
  PROTOCOL_ROUTING = 43,
  PROTOCOL_FRAGMENT = 44,
  PROTOCOL_ICMPV6 = 58,
  PROTOCOL_DESTINATION_OPTIONS = 60,
  PROTOCOL_SCTP = 132
};

/* Set by the agent before it loads the programs; constant for the verifier. */
const volatile __u32 cfg_address_space = 0;
const volatile __u32 cfg_overlay_ifindex = 0; /* 0: no overlay, nothing leaves for remote pods */
/* Which families this node has an underlay address of: a tunnel needs one that both ends have. */
const volatile __u32 cfg_underlay_ipv4 = 1;
const volatile __u32 cfg_underlay_ipv6 = 1;

/* 16 bytes, as addresses are kept for both families. */
INLINE bool same_address(const __u8* a, const __u8* b) {
  __u64 x[2], y[2];
  memcpy(x, a, 16);
  memcpy(y, b, 16);
  return x[0] == y[0] && x[1] == y[1];
}

INLINE bool marked_by_us(__u32 mark) { return (mark & MARK_MAGIC_MASK) == MARK_MAGIC; }

/* Where packets enter the node nobody can have marked them for us; marks of others are theirs. */
INLINE void forget_mark(struct __sk_buff* skb) {
  if (marked_by_us(skb->mark)) skb->mark = 0;
}

#endif /* TRIVIUM_BPF_LIB_COMMON_H_ */
