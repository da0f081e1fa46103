/* Counters by reason and direction, and flow events of drops and of audited passes. */
#ifndef TRIVIUM_BPF_LIB_REPORT_H_
#define TRIVIUM_BPF_LIB_REPORT_H_

#include "bpf/lib/flow.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, COUNTER_COUNT);
  __type(key, __u32);
  __type(value, struct counter_value);
} counters SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 256 * 1024);
} events SEC(".maps");

/* Events that found the ring buffer full. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} events_lost SEC(".maps");

INLINE void count(struct __sk_buff* skb, __u32 reason, __u32 direction) {
  const __u32 index = COUNTER_INDEX(reason, direction);
  struct counter_value* counter = bpf_map_lookup_elem(&counters, &index);
  if (!counter) return;
  counter->packets++;
  counter->bytes += skb->len;
}

NOINLINE void report(struct __sk_buff* skb, const struct flow* f, __u8 reason) {
  struct flow_event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) {
    const __u32 zero = 0;
    __u64* lost = bpf_map_lookup_elem(&events_lost, &zero);
    if (lost) ++*lost;
    return;
  }
  event->time_ns = bpf_ktime_get_ns();
  event->endpoint = f->endpoint;
  event->remote_identity = f->identity;
  event->rule_set = f->rule_set;
  event->cookie = f->cookie;
  event->ifindex = skb->ifindex;
  event->reason = reason;
  event->direction = f->direction;
  event->family = f->packet.family;
  event->protocol = f->packet.protocol;
  memcpy(event->source, f->packet.source, 16);
  memcpy(event->destination, f->packet.destination, 16);
  memcpy(event->source_port, f->packet.source_port, 2);
  memcpy(event->destination_port, f->packet.destination_port, 2);
  event->pad = 0;
  /* The agent drains on a timer: waking it for every packet of a flood would be a gift to the sender. */
  bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

NOINLINE int drop(struct __sk_buff* skb, const struct flow* f, __u32 reason) {
  count(skb, reason, f->direction);
  report(skb, f, reason);
  return TC_ACT_SHOT;
}

INLINE void passed(struct __sk_buff* skb, const struct flow* f) {
  count(skb, 0, f->direction);
  if (!f->audited) return;
  count(skb, COUNTER_AUDITED, f->direction);
  report(skb, f, 0);
}

#endif /* TRIVIUM_BPF_LIB_REPORT_H_ */
