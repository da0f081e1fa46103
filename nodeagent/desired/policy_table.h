// The policies of the own cluster, found by whom they select. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "bpf/abi/types.h"
#include "policy/label_index.h"
#include "trivium/v1/objects.pb.h"

namespace trivium {

// Bits of directions.
inline constexpr uint8_t kIngressBit = 1 << DIRECTION_INGRESS;
inline constexpr uint8_t kEgressBit = 1 << DIRECTION_EGRESS;
inline constexpr uint8_t kBothDirections = kIngressBit | kEgressBit;

class PolicyTable {
 public:
  using ObjectPtr = std::shared_ptr<const v1::Object>;
  struct Policy {
    ObjectPtr object;
    uint64_t revision = 0;         // of its last change
    std::vector<uint32_t> blocks;  // numbers of its blocks' subjects in the index
  };

  // Adds or replaces one; returns what it replaced, null if nothing.
  ObjectPtr Set(const std::string& key, ObjectPtr object, uint64_t revision);
  ObjectPtr Remove(const std::string& key);

  // Null if there is none. Valid until the next change.
  const Policy* Find(const std::string& key) const;
  // 0 for a policy that is not there.
  uint64_t RevisionOf(const std::string& key) const;
  // Keys of those that may select the identity, in order.
  std::vector<std::string> CandidatesFor(const v1::Identity& identity) const;

  // The directions in which a policy says something.
  static uint8_t DirectionsOf(const v1::Policy& policy);

 private:
  void Index(const std::string& key, Policy* policy);
  void Unindex(Policy* policy);

  absl::flat_hash_map<std::string, Policy> policies_;
  absl::flat_hash_map<uint32_t, std::string> key_of_block_;
  policy::SelectorIndex subjects_;
  uint32_t next_block_ = 1;
};

}  // namespace trivium
