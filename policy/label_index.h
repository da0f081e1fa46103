// Which selectors may match a set of labels, and which sets of labels a selector: by one label that the
// selector requires, so that of many thousands only the candidates are compared. A candidate may turn out not
// to match; what matches is always among them. Numbers are the caller's. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

// Numbers in ascending order, without duplicates.
using SortedNumbers = std::vector<uint32_t>;
void Insert(SortedNumbers* numbers, uint32_t number);
void Erase(SortedNumbers* numbers, uint32_t number);
bool Has(const SortedNumbers& numbers, uint32_t number);
void SortUnique(SortedNumbers* numbers);

// Selectors, by a label that each requires: of several the one by which the fewest are found already.
class SelectorIndex {
 public:
  void Add(uint32_t number, const v1::Selector& selector);
  void Remove(uint32_t number);
  SortedNumbers Candidates(const v1::Identity& identity) const;

 private:
  absl::flat_hash_map<uint64_t, SortedNumbers> buckets_;  // by hash of the required label
  absl::flat_hash_map<uint32_t, std::vector<uint64_t>> buckets_of_;
  SortedNumbers unbound_;  // require no label
};

// Sets of labels, by each of them and by its key.
class LabelIndex {
 public:
  void Add(uint32_t number, const v1::Identity& identity);
  // `identity`: as it was added.
  void Remove(uint32_t number, const v1::Identity& identity);
  SortedNumbers Candidates(const v1::Selector& selector) const;
  const SortedNumbers& all() const { return all_; }

 private:
  absl::flat_hash_map<uint64_t, SortedNumbers> buckets_;
  SortedNumbers all_;
};

}  // namespace trivium::policy
