/* Map layouts shared by the kernel programs (C) and the agent (C++). Rules: every field named, every pad
 * named and zeroed, sizes asserted here for both sides. TRIVIUM_ABI_VERSION is part of every pin path and
 * rises when bytes or meaning of any of these change.
 *
 * Byte order: addresses and ports as on the wire; everything else in host order. An IPv4 address stands in
 * the first four bytes of `addr`, the rest zero; `family` is 4 or 6. */
#ifndef TRIVIUM_BPF_ABI_TYPES_H_
#define TRIVIUM_BPF_ABI_TYPES_H_

#include <linux/types.h>

#define TRIVIUM_ABI_VERSION 1

#ifdef __cplusplus
#define TRIVIUM_ABI_SIZE(type, size) static_assert(sizeof(type) == (size), #type)
#else
#define TRIVIUM_ABI_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#endif

/* Reserved identities: the field's numbers. */
enum trivium_identity {
  IDENTITY_NONE = 0,
  IDENTITY_HOST = 1,
  IDENTITY_WORLD = 2,
  IDENTITY_UNMANAGED = 3,
  IDENTITY_HEALTH = 4,
  IDENTITY_INIT = 5,
  IDENTITY_REMOTE_NODE = 6,
  IDENTITY_KUBE_APISERVER = 7,
  IDENTITY_INGRESS = 8,
  IDENTITY_MAX_RESERVED = 255,
  IDENTITY_MAX_MESH = 0xffffff,    /* what a VNI can carry */
  IDENTITY_FIRST_LOCAL = 0x1000000 /* CIDR identities, of this node alone */
};

enum trivium_direction { DIRECTION_INGRESS = 0, DIRECTION_EGRESS = 1 };

/* ---- address -> identity ---- */

struct ipcache_key {
  __u32 space;
  __u8 family;
  __u8 pad[3];
  __u8 addr[16];
};
TRIVIUM_ABI_SIZE(struct ipcache_key, 24);

/* prefixlen counts space, family and pad (64 bits) and then the address's own prefix. */
struct ipcache_lpm_key {
  __u32 prefixlen;
  __u32 space;
  __u8 family;
  __u8 pad[3];
  __u8 addr[16];
};
TRIVIUM_ABI_SIZE(struct ipcache_lpm_key, 28);
#define IPCACHE_LPM_STATIC_BITS 64

enum ipcache_flags {
  IPCACHE_UNKNOWN = 1, /* a pod network: an address in it without an exact entry is dropped; on an exact
                          entry: an address between two owners, dropped too */
  IPCACHE_NODE = 2     /* the address of a node itself, not of a pod: routed by the stack */
};
struct ipcache_value {
  __u32 identity; /* of the agent's own node: IDENTITY_HOST, which is how the programs tell it from others */
  __u32 cluster;  /* cluster and node where it lives, with IPCACHE_UNKNOWN the cluster alone; 0: not in the
                     mesh */
  __u32 node;
  __u32 flags;
};
TRIVIUM_ABI_SIZE(struct ipcache_value, 16);

/* ---- nodes ---- */

struct node_key {
  __u32 cluster;
  __u32 node;
};
TRIVIUM_ABI_SIZE(struct node_key, 8);
struct node_value {
  __u8 underlay4[4]; /* tunnel end; zero: none */
  __u8 underlay6[16];
  __u32 key_id; /* encryption, later */
  __u32 mtu;
  __u32 flags;
};
TRIVIUM_ABI_SIZE(struct node_value, 32);

/* Underlay address -> whose tunnel end it is: the only senders whose VNI is believed. */
struct underlay_key {
  __u8 family;
  __u8 pad[3];
  __u8 addr[16];
};
TRIVIUM_ABI_SIZE(struct underlay_key, 20);
struct underlay_value {
  __u32 cluster;
  __u32 node;
};
TRIVIUM_ABI_SIZE(struct underlay_value, 8);

/* ---- identities that may be judged ---- */

/* Present only once the identity's entries stand in every rule set; what is absent is dropped. */
struct known_key {
  __u32 identity;
};
TRIVIUM_ABI_SIZE(struct known_key, 4);
struct known_value {
  __u32 cluster; /* whose it is; 0 for reserved and local identities */
};
TRIVIUM_ABI_SIZE(struct known_value, 4);

/* ---- policy: {rule set, identity} -> class, {rule set, class, protocol, port} -> verdict ---- */

struct policy_class_key {
  __u32 rule_set;
  __u32 identity;
};
TRIVIUM_ABI_SIZE(struct policy_class_key, 8);
struct policy_class_value {
  __u32 class_id; /* absent entry: class 0 */
};
TRIVIUM_ABI_SIZE(struct policy_class_value, 4);

/* LPM: prefixlen counts rule_set and class_id (64 bits), then 8 for the protocol, then 0..16 of the port. A
 * prefix of 64 matches every protocol and port; ports of ICMP and ICMPv6 are the type in the upper byte, the
 * code below. */
struct policy_verdict_key {
  __u32 prefixlen;
  __u32 rule_set;
  __u32 class_id;
  __u8 protocol;
  __u8 port[2]; /* network order */
  __u8 pad;
};
TRIVIUM_ABI_SIZE(struct policy_verdict_key, 16);
#define POLICY_VERDICT_STATIC_BITS 64
#define POLICY_VERDICT_FULL_BITS 88

enum policy_action { POLICY_ALLOW = 0, POLICY_DENY = 1, POLICY_REDIRECT = 2, POLICY_AUDIT = 3 };
struct policy_verdict_value {
  __u8 action; /* no entry at all: denied, no rule allows it */
  __u8 pad[3];
  __u16 listener; /* later: L7 */
  __u16 pad2;
  __u32 cookie; /* the rule that decided; the agent knows its policy and revision */
};
TRIVIUM_ABI_SIZE(struct policy_verdict_value, 12);

/* ---- local endpoints ---- */

/* Swapped by one update: this is what makes a policy change atomic. Absent: closed. */
struct endpoint_policy_key {
  __u32 endpoint;
  __u32 direction;
};
TRIVIUM_ABI_SIZE(struct endpoint_policy_key, 8);
enum endpoint_policy_flags { ENDPOINT_POLICY_AUDIT = 1 /* judged and reported, not enforced */ };
struct endpoint_policy_value {
  __u32 rule_set;
  __u32 flags;
};
TRIVIUM_ABI_SIZE(struct endpoint_policy_value, 8);

struct endpoint_key {
  __u32 space;
  __u8 family;
  __u8 pad[3];
  __u8 addr[16];
};
TRIVIUM_ABI_SIZE(struct endpoint_key, 24);
struct endpoint_value {
  __u32 endpoint; /* number on this node, not reused while its conntrack entries may live */
  __u32 ifindex;  /* host side of its veth: also the only device it may send from */
  __u32 identity; /* IDENTITY_INIT until it is registered */
  __u32 flags;
  __u8 pod_mac[6];
  __u8 host_mac[6];
};
TRIVIUM_ABI_SIZE(struct endpoint_value, 28);

/* ---- conntrack (kernel and sweeper only) ---- */

/* Of ICMP only echo has entries: the port at the end that asks is the echo's id, the other's is 0. */
struct ct_key {
  __u32 endpoint;
  __u32 space;
  __u8 local[16];
  __u8 remote[16];
  __u8 local_port[2];
  __u8 remote_port[2];
  __u8 family;
  __u8 protocol;
  __u8 pad[2];
};
TRIVIUM_ABI_SIZE(struct ct_key, 48);
enum ct_flags {
  CT_SEEN_REPLY = 1,
  CT_CLOSED_ORIGIN = 2, /* the end that opened it has sent its last */
  CT_CLOSED_REPLY = 4,
  CT_AUDIT = 8 /* judged while the endpoint's policy was in audit mode */
};
struct ct_value {
  __u64 expires_ns; /* monotonic */
  __u32 rule_set;   /* that judged it last, in `direction` */
  __u32 identity;   /* the remote one it was judged with */
  __u8 direction;   /* of the packet that opened the flow, as seen from the endpoint */
  __u8 denied;
  __u8 flags;
  __u8 pad;
  __u32 cookie;
};
TRIVIUM_ABI_SIZE(struct ct_value, 24);

/* ---- skb->mark between the programs of one node ---- */

/* "Judged at the source or by the tunnel; sent by this identity": a mesh identity fits below the magic byte.
 * The kernel clears marks when a packet changes network namespace, so no pod can set one. */
#define MARK_MAGIC 0x54000000
#define MARK_MAGIC_MASK 0xff000000
#define MARK_IDENTITY_MASK 0x00ffffff

/* ---- what the agent holds, as far as the maps have it ---- */

struct vector_key {
  __u32 cluster;
};
TRIVIUM_ABI_SIZE(struct vector_key, 4);
struct vector_value {
  __u64 epoch;
  __u64 revision;
  __u8 batch[16];
};
TRIVIUM_ABI_SIZE(struct vector_value, 32);

/* ---- counters ---- */

/* Per-CPU array, index COUNTER_INDEX(reason, direction); reason 0: passed. */
struct counter_value {
  __u64 packets;
  __u64 bytes;
};
TRIVIUM_ABI_SIZE(struct counter_value, 16);
#define COUNTER_INDEX(reason, direction) ((reason)*2 + (direction))
#define COUNTER_COUNT (64 * 2)
#define COUNTER_AUDITED 63 /* in place of a reason: passed, though its policy denies it */

/* ---- events ---- */

struct flow_event {
  __u64 time_ns; /* monotonic */
  __u32 endpoint;
  __u32 remote_identity;
  __u32 rule_set;
  __u32 cookie;
  __u32 ifindex;
  __u8 reason; /* drop_reasons.h; 0: audit-mode pass */
  __u8 direction;
  __u8 family;
  __u8 protocol;
  __u8 source[16];
  __u8 destination[16];
  __u8 source_port[2];
  __u8 destination_port[2];
  __u32 pad;
};
TRIVIUM_ABI_SIZE(struct flow_event, 72);

#endif /* TRIVIUM_BPF_ABI_TYPES_H_ */
