// Numbers that must never come back while the pinned maps live: rule sets, CIDR identities, endpoints and
// cookies of this node. Connection tracking remembers them, so a number that meant something else before a
// restart would let a flow pass unjudged.
//
// The next free ones are kept in the pinned `vector` map itself, under a cluster number that no cluster has,
// and reserved ahead: what was given out before a crash is never given out again. Not thread-safe.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "nodeagent/reconcile/kernel_maps.h"

namespace trivium {

class Numbers {
 public:
  static constexpr uint32_t kRecord = 0xffffffff;  // vector_key.cluster of the record

  explicit Numbers(KernelMaps* maps) : maps_(maps) {}

  // After KernelMaps::ReadAll: goes on behind everything that was ever given out, by the record, and behind
  // all that is in the maps in case the record is lost.
  void Recover();

  uint32_t RuleSet() { return next_.rule_set++; }
  uint32_t CidrIdentity() { return next_.identity++; }
  uint32_t Endpoint() { return next_.endpoint++; }
  uint32_t Cookie() { return next_.cookie++; }
  // For endpoints whose numbers are known from elsewhere.
  void EndpointInUse(uint32_t number);

  // Must succeed before a number given out since the last call is written anywhere.
  absl::Status Reserve(MapIo* io);

 private:
  struct Next {
    uint32_t rule_set = 1;
    uint32_t identity = IDENTITY_FIRST_LOCAL;
    uint32_t endpoint = 1;
    uint32_t cookie = 1;
  };
  static constexpr uint32_t kAhead = 4096;

  KernelMaps* const maps_;
  Next next_;
  Next reserved_{0, 0, 0, 0};
};

}  // namespace trivium
