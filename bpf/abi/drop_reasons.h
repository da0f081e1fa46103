/* Every reason for which a packet is dropped: one list, for counters, events and people. Numbers are never
 * reused. */
#ifndef TRIVIUM_BPF_ABI_DROP_REASONS_H_
#define TRIVIUM_BPF_ABI_DROP_REASONS_H_

/* X(number, CONSTANT, "name as counters and events print it") */
#define TRIVIUM_DROP_REASONS(X)                                                        \
  X(1, DROP_POLICY_DENIED, "policy denied: no rule allows it")                         \
  X(2, DROP_POLICY_DENY_RULE, "policy denied: a deny rule matches")                    \
  X(3, DROP_ENDPOINT_CLOSED, "endpoint has no policy yet")                             \
  X(4, DROP_NO_ENDPOINT, "no such endpoint on this node")                              \
  X(5, DROP_SPOOFED_SOURCE, "source address is not the pod's own")                     \
  X(6, DROP_UNKNOWN_POD, "address in a pod network, no such pod known")                \
  X(7, DROP_UNKNOWN_IDENTITY, "identity not known yet")                                \
  X(8, DROP_TUNNEL_UNKNOWN_NODE, "tunnel packet from an address that is no node's")    \
  X(9, DROP_TUNNEL_FOREIGN_IDENTITY, "tunnel identity is not of the sender's cluster") \
  X(10, DROP_TUNNEL_HOST_SPOOF, "host identity without the node's own address")        \
  X(11, DROP_UPLINK_POD_SOURCE, "pod address outside the tunnel")                      \
  X(12, DROP_FRAGMENT, "fragments are not supported")                                  \
  X(13, DROP_MALFORMED, "malformed packet")                                            \
  X(14, DROP_UNSUPPORTED_PROTOCOL, "unsupported protocol")                             \
  X(15, DROP_NO_TUNNEL_END, "remote node has no usable tunnel address")                \
  X(16, DROP_CT_FULL, "connection table full")                                         \
  X(17, DROP_CT_DENIED, "flow was denied before")                                      \
  X(18, DROP_REDIRECT_FAILED, "could not hand the packet on")                          \
  X(19, DROP_SOURCE_MISMATCH, "source address and identity do not belong together")    \
  X(20, DROP_TTL_EXCEEDED, "time to live is used up")

#define TRIVIUM_DROP_REASON_ENUM(number, constant, name) constant = number,
/* 63 is taken: types.h, COUNTER_AUDITED. */
enum trivium_drop_reason { TRIVIUM_DROP_REASONS(TRIVIUM_DROP_REASON_ENUM) DROP_REASON_COUNT = 64 };
#undef TRIVIUM_DROP_REASON_ENUM

#endif /* TRIVIUM_BPF_ABI_DROP_REASONS_H_ */
