// Desired and actual content of one kernel map, and the difference. Pure; not thread-safe.
//
// Every key is in one of three places: in step (desired only, the kernel holds the same), `stale` (desired,
// the kernel holds something else or nothing), `extra` (in the kernel, not desired). A write that failed
// leaves its key where it was, marked `failed`: it is left out of pending work until it is changed or Retry()
// is called. With each desired value stands a note of its owner's, if `Note` is given: the kernel sees
// nothing of that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/dense_map.h"
#include "nodeagent/delta/pod.h"

namespace trivium {

struct NoNote {};

template <typename K, typename V, typename Note = NoNote>
class DeltaMap {
 public:
  using Key = K;
  using Value = V;

  struct Wanted {
    Value value;
    [[no_unique_address]] Note note;
  };
  using DesiredMap = DenseMap<Key, Wanted, PodHash<Key>, PodEqual<Key>>;
  class DesiredRange {
   public:
    class iterator {
     public:
      explicit iterator(typename DesiredMap::const_iterator at) : at_(at) {}
      std::pair<const Key&, const Value&> operator*() const { return {at_->first, at_->second.value}; }
      iterator& operator++() {
        ++at_;
        return *this;
      }
      friend bool operator==(const iterator&, const iterator&) = default;

     private:
      typename DesiredMap::const_iterator at_;
    };
    explicit DesiredRange(const DesiredMap* map) : map_(map) {}
    iterator begin() const { return iterator(map_->begin()); }
    iterator end() const { return iterator(map_->end()); }
    size_t size() const { return map_->size(); }
    bool empty() const { return map_->empty(); }
    bool contains(const Key& key) const { return map_->contains(key); }

   private:
    const DesiredMap* map_;
  };

  // What is wanted.
  void Set(const Key& key, const Value& value, const Note& note = {}) {
    ++changes_;
    Forgive(key);
    const size_t before = desired_.size();
    Wanted& wanted = desired_[key];
    const bool inserted = desired_.size() != before;
    std::optional<Value> actual;
    if (!inserted) {
      const auto stale = stale_.find(key);
      actual = stale == stale_.end() ? std::optional<Value>(wanted.value) : stale->second;
    } else if (const auto extra = extra_.find(key); extra != extra_.end()) {
      actual = extra->second;
      EraseAt(&extra_, extra);
    }
    wanted = {value, note};
    if (!actual.has_value() || !SameBytes(*actual, value)) {
      stale_[key] = actual;
    } else if (!inserted) {
      Erase(&stale_, key);
    }
  }
  void Remove(const Key& key) {
    if (!desired_.contains(key)) return;
    ++changes_;
    const std::optional<Value> actual = Actual(key);
    desired_.erase(key);
    Erase(&stale_, key);
    Forgive(key);
    if (actual.has_value()) extra_[key] = *actual;
  }

  // What the kernel holds: as read, or as a write has just changed it. nullopt: no entry.
  void SetActual(const Key& key, const std::optional<Value>& actual) {
    ++changes_;
    Forgive(key);
    const auto* desired = desired_.find(key);
    if (desired == nullptr && actual.has_value()) {
      extra_[key] = *actual;
    } else if (desired == nullptr) {
      Erase(&extra_, key);
    } else if (actual.has_value() && SameBytes(*actual, desired->second.value)) {
      Erase(&stale_, key);
    } else {
      stale_[key] = actual;
    }
  }
  // Makes room for what the kernel is about to be found to hold, most of which will be wanted.
  void ReserveActual(size_t entries) {
    extra_.reserve(entries);
    desired_.reserve(entries);
  }
  // A write of this key failed; the kernel holds what it held.
  void Failed(const Key& key) { failed_.insert(key); }
  // Makes failed keys pending again.
  void Retry() { failed_.clear(); }

  // Null if not wanted. Valid until the next change.
  const Value* Desired(const Key& key) const {
    const auto* entry = desired_.find(key);
    return entry == nullptr ? nullptr : &entry->second.value;
  }
  // Null if it is not wanted.
  const Note* NoteOf(const Key& key) const {
    const auto* entry = desired_.find(key);
    return entry == nullptr ? nullptr : &entry->second.note;
  }
  std::optional<Value> Actual(const Key& key) const {
    if (const auto it = extra_.find(key); it != extra_.end()) return it->second;
    if (const auto it = stale_.find(key); it != stale_.end()) return it->second;
    if (const auto* entry = desired_.find(key)) return entry->second.value;
    return std::nullopt;
  }

  // For `for (const auto& [key, value] : map.desired())`.
  DesiredRange desired() const { return DesiredRange(&desired_); }
  // Keys to write, with what the kernel holds now. Failed ones included.
  const PodMap<Key, std::optional<Value>>& stale() const { return stale_; }
  // Keys to delete. Failed ones included.
  const PodMap<Key, Value>& extra() const { return extra_; }
  bool HasFailed(const Key& key) const { return failed_.contains(key); }
  size_t failed() const { return failed_.size(); }
  bool InStep() const { return stale_.empty() && extra_.empty(); }
  // Goes up whenever a key's Desired or Actual may have changed.
  uint64_t changes() const { return changes_; }

  // Entries in the kernel's map.
  size_t actual_size() const {
    size_t absent = 0;
    for (const auto& [key, actual] : stale_) absent += actual.has_value() ? 0 : 1;
    return desired_.size() + extra_.size() - absent;
  }

 private:
  // What holds hundreds of thousands once, when everything is new, must not keep that room for ever.
  static constexpr size_t kKeepRoom = 1024;
  template <typename Map>
  static void Erase(Map* map, const Key& key) {
    if (const auto at = map->find(key); at != map->end()) EraseAt(map, at);
  }
  template <typename Map>
  static void EraseAt(Map* map, typename Map::iterator at) {
    map->erase(at);
    if (map->empty() && map->capacity() > kKeepRoom) Map().swap(*map);
  }
  void Forgive(const Key& key) {
    if (!failed_.empty()) failed_.erase(key);
  }

  DesiredMap desired_;
  PodMap<Key, std::optional<Value>> stale_;
  PodMap<Key, Value> extra_;
  PodSet<Key> failed_;
  uint64_t changes_ = 0;
};

}  // namespace trivium
