// The CIDR groups of one cluster, found by name and by label. Not thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "policy/label_index.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

class CidrGroups {
 public:
  // Adds or replaces one, by its name.
  void Set(const v1::CidrGroup& group);
  void Remove(const std::string& name);
  // Those that the peer refers to (selector.h: RefersTo), by name in order. Valid until the next change.
  std::vector<const v1::CidrGroup*> Of(const v1::CidrPeer& peer) const;

 private:
  struct Held {
    v1::CidrGroup group;
    v1::Identity labels;  // as selectors match them
    uint32_t number = 0;
  };
  std::map<std::string, Held> by_name_;
  absl::flat_hash_map<uint32_t, const Held*> by_number_;
  LabelIndex labels_;
  uint32_t next_ = 1;
};

}  // namespace trivium::policy
