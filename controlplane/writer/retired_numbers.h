// Numbers whose identity an applied revision deleted: nobody may have them before every node of the mesh has
// confirmed that revision; the same labels get theirs back at any time. Kept beside the mirror, by one
// instance: what it releases too late costs numbers only. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "controlplane/store/store.h"

namespace trivium {

class RetiredNumbers {
 public:
  // A revision that was applied deleted it, or has it (again).
  void Retire(const RetiredIdentity& retired);
  void Revive(uint32_t number);

  // After a snapshot nothing is known of what was retired before: until Load, numbers that are merely not in
  // use may be retired ones.
  void Forget();
  // Takes over what the store keeps; what is known already is newer.
  void Load(const std::vector<RetiredIdentity>& stored);
  bool complete() const { return complete_; }
  // Counts Forget: a Load that was asked for before one is of no use.
  uint64_t forgotten() const { return forgotten_; }

  // Every node has confirmed up to there. Answers how many numbers are free from now on.
  size_t Release(uint64_t epoch, uint64_t revision);

  bool Contains(uint32_t number) const { return by_number_.contains(number); }
  // By policy::CanonicalForm; 0 if there is none.
  uint32_t ByForm(const std::string& form) const;
  // In [first, first + count); 0 if there is none.
  uint32_t Highest(uint32_t first, uint32_t count) const;
  size_t size() const { return by_number_.size(); }

 private:
  struct Entry {
    std::string form;
    uint64_t epoch = 0;
    uint64_t revision = 0;
  };
  void Erase(std::map<uint32_t, Entry>::iterator it);

  std::map<uint32_t, Entry> by_number_;
  absl::flat_hash_map<std::string, uint32_t> by_form_;
  bool complete_ = false;
  uint64_t forgotten_ = 0;
};

}  // namespace trivium
