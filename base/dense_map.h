// A hash table for millions of small records: entries lie packed in pages, an index of four bytes a slot
// leads to them. Costs sizeof(entry) + 5 to 11 bytes a record whatever their number, where a flat hash table
// doubles all of itself. Order of iteration: as inserted, until something is erased. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"

namespace trivium {

template <typename K, typename V, typename Hash = absl::Hash<K>, typename Equal = std::equal_to<K>>
class DenseMap {
  static_assert(std::is_trivially_copyable_v<K> && std::is_trivially_copyable_v<V>);

 public:
  struct Entry {
    K first;
    V second;
  };

  class const_iterator {
   public:
    const Entry& operator*() const { return map_->At(at_); }
    const Entry* operator->() const { return &map_->At(at_); }
    const_iterator& operator++() {
      ++at_;
      return *this;
    }
    friend bool operator==(const const_iterator& a, const const_iterator& b) { return a.at_ == b.at_; }

   private:
    friend class DenseMap;
    const_iterator(const DenseMap* map, size_t at) : map_(map), at_(at) {}
    const DenseMap* map_;
    size_t at_;
  };

  DenseMap() = default;
  DenseMap(DenseMap&& other) noexcept { swap(other); }
  DenseMap& operator=(DenseMap&& other) noexcept {
    DenseMap taken(std::move(other));
    swap(taken);
    return *this;
  }
  DenseMap(const DenseMap& other) { *this = other; }
  DenseMap& operator=(const DenseMap& other) {
    if (this == &other) return *this;
    DenseMap copy;
    copy.index_ = other.index_;
    copy.size_ = other.size_;
    for (const auto& page : other.pages_) {
      copy.pages_.push_back(std::make_unique<Entry[]>(kPage));
      std::copy(page.get(), page.get() + kPage, copy.pages_.back().get());
    }
    swap(copy);
    return *this;
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const_iterator begin() const { return {this, 0}; }
  const_iterator end() const { return {this, size_}; }

  // Null if there is none. Valid until the next change of the map.
  const Entry* find(const K& key) const {
    const size_t slot = SlotOf(key);
    return slot == kNone ? nullptr : &At(index_[slot] - 1);
  }
  Entry* find(const K& key) { return const_cast<Entry*>(std::as_const(*this).find(key)); }
  bool contains(const K& key) const { return find(key) != nullptr; }

  // The value of `key`, made if there is none.
  V& operator[](const K& key) {
    if (Entry* entry = find(key)) return entry->second;
    if ((size_ + 1) * 4 > index_.size() * 3) Grow();
    if (size_ == pages_.size() * kPage) pages_.push_back(std::make_unique<Entry[]>(kPage));
    Entry& entry = At(size_);
    entry = {key, V{}};
    Link(size_++);
    return entry.second;
  }

  // Makes room in the index: so many records will not have it rebuilt on the way.
  void reserve(size_t records) {
    size_t slots = std::max<size_t>(index_.size(), 16);
    while (records * 4 > slots * 3) slots *= 2;
    if (slots > index_.size()) Rebuild(slots);
  }

  // False if there was none. The last entry takes the place of the erased one.
  bool erase(const K& key) {
    const size_t slot = SlotOf(key);
    if (slot == kNone) return false;
    const size_t hole = index_[slot] - 1;
    Unlink(slot);
    if (hole != --size_) {
      index_[SlotOf(At(size_).first)] = static_cast<uint32_t>(hole + 1);
      At(hole) = At(size_);
    }
    // One spare page, so that a size that swings around a multiple does not allocate each time.
    if (pages_.size() * kPage >= size_ + 2 * kPage) pages_.pop_back();
    return true;
  }

  void swap(DenseMap& other) noexcept {
    pages_.swap(other.pages_);
    index_.swap(other.index_);
    std::swap(size_, other.size_);
  }

 private:
  static constexpr size_t kPage = 64;
  static constexpr size_t kNone = ~size_t{0};

  Entry& At(size_t i) { return pages_[i / kPage][i % kPage]; }
  const Entry& At(size_t i) const { return pages_[i / kPage][i % kPage]; }
  size_t Home(const K& key) const { return Hash()(key) & (index_.size() - 1); }

  size_t SlotOf(const K& key) const {
    if (index_.empty()) return kNone;
    for (size_t slot = Home(key); index_[slot] != 0; slot = (slot + 1) & (index_.size() - 1)) {
      if (Equal()(At(index_[slot] - 1).first, key)) return slot;
    }
    return kNone;
  }
  void Link(size_t i) {
    size_t slot = Home(At(i).first);
    while (index_[slot] != 0) slot = (slot + 1) & (index_.size() - 1);
    index_[slot] = static_cast<uint32_t>(i + 1);
  }
  // Whoever was pushed behind the slot by it moves up, so that no search ends early.
  void Unlink(size_t hole) {
    const size_t mask = index_.size() - 1;
    index_[hole] = 0;
    for (size_t slot = (hole + 1) & mask; index_[slot] != 0; slot = (slot + 1) & mask) {
      const size_t home = Home(At(index_[slot] - 1).first);
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      index_[hole] = std::exchange(index_[slot], 0);
      hole = slot;
    }
  }
  void Grow() { Rebuild(index_.empty() ? 16 : index_.size() * 2); }
  void Rebuild(size_t slots) {
    index_.assign(slots, 0);
    for (size_t i = 0; i < size_; ++i) Link(i);
  }

  std::vector<std::unique_ptr<Entry[]>> pages_;
  std::vector<uint32_t> index_;  // 0: empty, else one more than the entry's place; a power of two of them
  size_t size_ = 0;
};

}  // namespace trivium
