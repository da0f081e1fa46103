/* One endpoint's rules in one direction: {rule set, identity} -> class, {rule set, class, protocol, port} ->
 * verdict. */
#ifndef TRIVIUM_BPF_LIB_POLICY_H_
#define TRIVIUM_BPF_LIB_POLICY_H_

#include "bpf/lib/flow.h"

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1024 * 2);
  __type(key, struct endpoint_policy_key);
  __type(value, struct endpoint_policy_value);
} endpoint_policy SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 65536);
  __type(key, struct policy_class_key);
  __type(value, struct policy_class_value);
} policy_class SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 65536);
  __type(key, struct policy_verdict_key);
  __type(value, struct policy_verdict_value);
} policy_verdict SEC(".maps");

INLINE struct endpoint_policy_value* policy_of(__u32 endpoint, __u32 direction) {
  const struct endpoint_policy_key key = {.endpoint = endpoint, .direction = direction};
  return bpf_map_lookup_elem(&endpoint_policy, &key);
}

/* 0 or a drop reason; sets the flow's cookie and audited. */
NOINLINE int policy_judge(struct flow* f, __u32 rule_set, __u32 identity, const __u8* port) {
  const struct policy_class_key class_key = {.rule_set = rule_set, .identity = identity};
  const struct policy_class_value* class = bpf_map_lookup_elem(&policy_class, &class_key);
  struct policy_verdict_key key = {
      .prefixlen = POLICY_VERDICT_FULL_BITS,
      .rule_set = rule_set,
      .class_id = class ? class->class_id : 0,
      .protocol = f->packet.protocol,
  };
  memcpy(key.port, port, 2);
  const struct policy_verdict_value* verdict = bpf_map_lookup_elem(&policy_verdict, &key);
  if (!verdict) return DROP_POLICY_DENIED;
  f->cookie = verdict->cookie;
  switch (verdict->action) {
    case POLICY_ALLOW:
      return 0;
    case POLICY_AUDIT:
      f->audited = 1;
      return 0;
    default: /* POLICY_REDIRECT as well: nobody listens yet, and unjudged it must not pass */
      return DROP_POLICY_DENY_RULE;
  }
}

#endif /* TRIVIUM_BPF_LIB_POLICY_H_ */
