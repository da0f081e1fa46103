/* One packet on its way through a program: what it is, who is judged, what was decided. */
#ifndef TRIVIUM_BPF_LIB_FLOW_H_
#define TRIVIUM_BPF_LIB_FLOW_H_

#include "bpf/lib/parse.h"

struct flow {
  struct packet packet;
  __u32 endpoint; /* the local one whose policy judges; 0 before it is known */
  __u32 identity; /* of its peer */
  __u32 rule_set; /* that judged, and the rule in it that decided */
  __u32 cookie;
  __u8 direction; /* of this packet, as seen from the endpoint */
  __u8 audited;   /* would have been dropped */
  __u8 pad[2];
};

#endif /* TRIVIUM_BPF_LIB_FLOW_H_ */
