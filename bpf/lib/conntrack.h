/* What was judged need not be judged again, and replies pass. Invariants:
 *
 * - An entry belongs to one local endpoint and one 5-tuple, for packets of both directions. It holds the
 * direction in which the flow was opened, and is valid only with the rule set that stands for that direction
 * now and with the peer's identity now. Any difference: judge again, in the direction of the opening,
 * whichever way this packet goes. So a policy change stops an established flow at its next packet, both ways.
 * - A flow that was allowed and is now denied keeps a mark, with its direction, in a map that forgets
 * nothing, so that the other end's retransmit does not open it in reverse. Flows that never were allowed
 * leave no mark: no stranger can fill that map or block a flow of the endpoint's own.
 * - What may have changed meaning is replaced as a whole; only expiry and flags are written in place. */
#ifndef TRIVIUM_BPF_LIB_CONNTRACK_H_
#define TRIVIUM_BPF_LIB_CONNTRACK_H_

#include "bpf/lib/ipcache.h"
#include "bpf/lib/policy.h"

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 131072);
  __type(key, struct ct_key);
  __type(value, struct ct_value);
} ct_allowed SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 16384);
  __type(key, struct ct_key);
  __type(value, struct ct_value);
} ct_denied SEC(".maps");

/* Longer than the keep-alive that Linux sends after two hours. */
#define CT_CONNECTION_ESTABLISHED (3 * 3600 * SECOND)
#define CT_CONNECTION_OPENING (60 * SECOND)
#define CT_CONNECTION_CLOSED (10 * SECOND)
#define CT_UDP_ONE_WAY (60 * SECOND)
#define CT_UDP_BOTH_WAYS (180 * SECOND)
#define CT_ICMP (30 * SECOND)
/* Longer than an end retransmits: Linux gives up after about 15 minutes. Only packets that the mark's own
 * direction sends prolong it. */
#define CT_DENIED_CONNECTION (20 * 60 * SECOND)
#define CT_DENIED_OTHER (180 * SECOND)

INLINE bool ct_closed(__u8 flags) {
  const __u8 both = CT_CLOSED_ORIGIN | CT_CLOSED_REPLY;
  return (flags & both) == both;
}

INLINE __u64 ct_lifetime(__u8 protocol, __u8 flags, bool denied) {
  const bool connection = protocol == PROTOCOL_TCP || protocol == PROTOCOL_SCTP;
  if (denied) return connection ? CT_DENIED_CONNECTION : CT_DENIED_OTHER;
  if (protocol == PROTOCOL_UDP) return flags & CT_SEEN_REPLY ? CT_UDP_BOTH_WAYS : CT_UDP_ONE_WAY;
  if (!connection) return CT_ICMP;
  if (ct_closed(flags)) return CT_CONNECTION_CLOSED;
  return flags & CT_SEEN_REPLY ? CT_CONNECTION_ESTABLISHED : CT_CONNECTION_OPENING;
}

/* The entry that `p` belongs to, as seen from `endpoint` when it goes in `direction`. */
INLINE void ct_key_of(struct ct_key* key, const struct packet* p, __u32 endpoint, __u32 direction) {
  memset(key, 0, sizeof(*key));
  key->endpoint = endpoint;
  key->space = cfg_address_space;
  key->family = p->family;
  key->protocol = p->protocol;
  const bool out = direction == DIRECTION_EGRESS;
  memcpy(key->local, out ? p->source : p->destination, 16);
  memcpy(key->remote, out ? p->destination : p->source, 16);
  if (p->flags & (PACKET_ECHO_REQUEST | PACKET_ECHO_REPLY)) {
    const bool local_asks = out == !!(p->flags & PACKET_ECHO_REQUEST);
    memcpy(local_asks ? key->local_port : key->remote_port, p->source_port, 2);
  } else {
    memcpy(key->local_port, out ? p->source_port : p->destination_port, 2);
    memcpy(key->remote_port, out ? p->destination_port : p->source_port, 2);
  }
}

/* The flags of an entry after this packet. */
INLINE __u8 ct_next_flags(__u8 flags, const struct packet* p, bool reply) {
  if ((p->flags & PACKET_OPENS) && !reply && ct_closed(flags))
    flags &= ~(CT_SEEN_REPLY | CT_CLOSED_ORIGIN | CT_CLOSED_REPLY); /* the same ports, a new connection */
  if (reply) flags |= CT_SEEN_REPLY;
  if (p->flags & PACKET_CLOSES) flags |= reply ? CT_CLOSED_REPLY : CT_CLOSED_ORIGIN;
  if (p->flags & PACKET_RESETS) flags |= CT_CLOSED_ORIGIN | CT_CLOSED_REPLY;
  return flags;
}

/* Keeps a valid entry alive; writes only what moved, so that both ends' CPUs do not fight for the line. */
INLINE void ct_touch(struct ct_value* entry, const struct packet* p, bool reply, __u64 now) {
  if (entry->denied && reply) return;
  const __u8 flags = ct_next_flags(entry->flags, p, reply);
  if (flags != entry->flags) entry->flags = flags;
  const __u64 expires = now + ct_lifetime(p->protocol, flags, entry->denied);
  if (expires > entry->expires_ns + SECOND || expires < entry->expires_ns) entry->expires_ns = expires;
}

struct ct_found {
  struct ct_value* entry; /* not expired; null if there is none */
  bool marked;            /* ct_denied has one, expired or not */
};

INLINE struct ct_found ct_lookup(const struct ct_key* key, __u64 now) {
  struct ct_found found = {.entry = bpf_map_lookup_elem(&ct_allowed, key)};
  if (!found.entry) {
    found.entry = bpf_map_lookup_elem(&ct_denied, key);
    found.marked = found.entry != 0;
  }
  if (found.entry && found.entry->expires_ns <= now) found.entry = 0;
  return found;
}

INLINE int ct_allow(const struct ct_key* key, const struct ct_value* value, bool marked) {
  if (bpf_map_update_elem(&ct_allowed, key, value, BPF_ANY)) return DROP_CT_FULL;
  if (marked) bpf_map_delete_elem(&ct_denied, key);
  return 0;
}

/* If the map of marks is full, the mark stays in the other one: it may be forgotten there, but it is there.
 */
INLINE void ct_deny(const struct ct_key* key, const struct ct_value* value) {
  if (bpf_map_update_elem(&ct_denied, key, value, BPF_ANY) == 0)
    bpf_map_delete_elem(&ct_allowed, key);
  else
    bpf_map_update_elem(&ct_allowed, key, value, BPF_ANY);
}

/* Does this ICMP error speak of a flow that is allowed now? It passes whoever sent it: any router may. */
NOINLINE bool ct_related(struct __sk_buff* skb, const struct flow* f) {
  struct packet about = {};
  const bool v6 = f->packet.family == FAMILY_IPV6;
  if (parse_packet(skb, &about, f->packet.l4 + 8, true, v6)) return false;
  /* The packet that the error is about went the other way, and the error goes to who sent it. */
  if (!same_address(about.source, f->packet.destination)) return false;
  const __u32 direction = f->direction == DIRECTION_EGRESS ? DIRECTION_INGRESS : DIRECTION_EGRESS;
  struct ct_key key;
  ct_key_of(&key, &about, f->endpoint, direction);
  const struct ct_value* entry = bpf_map_lookup_elem(&ct_allowed, &key);
  if (!entry || entry->denied || entry->expires_ns <= bpf_ktime_get_ns()) return false;
  const struct endpoint_policy_value* policy = policy_of(f->endpoint, entry->direction);
  return policy && policy->rule_set == entry->rule_set;
}

/* Judges the packet for f->endpoint in f->direction with its peer's f->identity. 0: it passes; else the
 * reason. */
GLOBAL int judge(struct __sk_buff* skb, struct flow* f) {
  if (!f) return DROP_MALFORMED;
  const struct packet* p = &f->packet;
  if ((p->flags & PACKET_ICMP_ERROR) && ct_related(skb, f)) return 0;

  const bool connectionless = p->flags & PACKET_CONNECTIONLESS;
  const __u64 now = bpf_ktime_get_ns();
  struct ct_key key;
  struct ct_found found = {};
  if (!connectionless) {
    ct_key_of(&key, p, f->endpoint, f->direction);
    found = ct_lookup(&key, now);
  }
  struct ct_value* entry = found.entry;

  /* A packet that can only open a connection is no reply. It may replace a flow that is over or denied; while
   * one is open it must be allowed on its own and changes nothing. */
  bool keep = false;
  if (entry && (p->flags & PACKET_OPENS) && entry->direction != f->direction) {
    keep = !entry->denied && !ct_closed(entry->flags);
    entry = 0;
  }

  const __u8 direction = entry ? entry->direction : f->direction;
  const bool reply = direction != f->direction;
  const struct endpoint_policy_value* policy = policy_of(f->endpoint, direction);
  if (!policy) return DROP_ENDPOINT_CLOSED;
  const __u32 rule_set = policy->rule_set;
  const bool audit = policy->flags & ENDPOINT_POLICY_AUDIT;
  f->rule_set = rule_set;

  if (entry && entry->rule_set == rule_set && entry->identity == f->identity &&
      !!(entry->flags & CT_AUDIT) == audit) {
    ct_touch(entry, p, reply, now);
    if (!entry->denied) return 0;
    f->cookie = entry->cookie;
    return DROP_CT_DENIED;
  }

  if (!known_identity(f->identity)) return DROP_UNKNOWN_IDENTITY;

  /* The port at the end that was called. Of an echo flow's reply: the request's type. */
  __u8 port[2];
  if (p->flags & PACKET_ECHO_REPLY && entry) {
    port[0] = p->family == FAMILY_IPV6 ? 128 : 8;
    port[1] = 0;
  } else {
    memcpy(port, reply ? p->source_port : p->destination_port, 2);
  }
  int reason = policy_judge(f, rule_set, f->identity, port);
  if (reason && audit) {
    f->audited = 1;
    reason = 0;
  }

  /* An echo reply that answers nothing is judged as what it is, and opens nothing. */
  if (connectionless || keep || (!entry && (p->flags & PACKET_ECHO_REPLY))) return reason;
  if (reason && !entry) return reason;

  const __u8 kept = entry ? entry->flags & ~CT_AUDIT : 0;
  struct ct_value value = {
      .rule_set = rule_set,
      .identity = f->identity,
      .direction = direction,
      .denied = reason != 0,
      .flags = ct_next_flags(kept, p, reply) | (audit ? CT_AUDIT : 0),
      .cookie = f->cookie,
  };
  value.expires_ns = now + ct_lifetime(p->protocol, value.flags, value.denied);
  if (reason) {
    ct_deny(&key, &value);
    return reason;
  }
  return ct_allow(&key, &value, found.marked);
}

#endif /* TRIVIUM_BPF_LIB_CONNTRACK_H_ */
