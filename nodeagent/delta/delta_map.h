// Desired and actual content of one kernel map, and the difference. Pure; not thread-safe.
//
// Every key is in one of three places: in step (desired only, the kernel holds the same), `stale` (desired,
// the kernel holds something else or nothing), `extra` (in the kernel, not desired). A write that failed
// leaves its key where it was, marked `failed`: it is left out of pending work until it is changed or Retry()
// is called.
#pragma once

#include <optional>
#include <vector>

#include "nodeagent/delta/pod.h"

namespace trivium {

template <typename K, typename V>
class DeltaMap {
 public:
  using Key = K;
  using Value = V;

  // What is wanted.
  void Set(const Key& key, const Value& value) {
    const std::optional<Value> actual = Actual(key);
    desired_[key] = value;
    extra_.erase(key);
    failed_.erase(key);
    if (actual.has_value() && SameBytes(*actual, value)) {
      stale_.erase(key);
    } else {
      stale_[key] = actual;
    }
  }
  void Remove(const Key& key) {
    if (!desired_.contains(key)) return;
    const std::optional<Value> actual = Actual(key);
    desired_.erase(key);
    stale_.erase(key);
    failed_.erase(key);
    if (actual.has_value()) extra_[key] = *actual;
  }

  // What the kernel holds: as read, or as a write has just changed it. nullopt: no entry.
  void SetActual(const Key& key, const std::optional<Value>& actual) {
    failed_.erase(key);
    extra_.erase(key);
    const auto desired = desired_.find(key);
    if (desired == desired_.end()) {
      if (actual.has_value()) extra_[key] = *actual;
    } else if (actual.has_value() && SameBytes(*actual, desired->second)) {
      stale_.erase(key);
    } else {
      stale_[key] = actual;
    }
  }
  // A write of this key failed; the kernel holds what it held.
  void Failed(const Key& key) { failed_.insert(key); }
  // Makes failed keys pending again.
  void Retry() { failed_.clear(); }

  // Null if not wanted. Valid until the next change.
  const Value* Desired(const Key& key) const {
    const auto it = desired_.find(key);
    return it == desired_.end() ? nullptr : &it->second;
  }
  std::optional<Value> Actual(const Key& key) const {
    if (const auto it = extra_.find(key); it != extra_.end()) return it->second;
    if (const auto it = stale_.find(key); it != stale_.end()) return it->second;
    if (const auto it = desired_.find(key); it != desired_.end()) return it->second;
    return std::nullopt;
  }

  const PodMap<Key, Value>& desired() const { return desired_; }
  // Keys to write, with what the kernel holds now. Failed ones included.
  const PodMap<Key, std::optional<Value>>& stale() const { return stale_; }
  // Keys to delete. Failed ones included.
  const PodMap<Key, Value>& extra() const { return extra_; }
  bool HasFailed(const Key& key) const { return failed_.contains(key); }
  size_t failed() const { return failed_.size(); }
  bool InStep() const { return stale_.empty() && extra_.empty(); }

  // Entries in the kernel's map.
  size_t actual_size() const {
    size_t absent = 0;
    for (const auto& [key, actual] : stale_) absent += actual.has_value() ? 0 : 1;
    return desired_.size() + extra_.size() - absent;
  }

 private:
  PodMap<Key, Value> desired_;
  PodMap<Key, std::optional<Value>> stale_;
  PodMap<Key, Value> extra_;
  PodSet<Key> failed_;
};

}  // namespace trivium
