#include "policy/label_index.h"

#include <algorithm>
#include <optional>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace trivium::policy {
namespace {

// Without its source: "any:app" and "k8s:app" meet in one bucket.
absl::string_view BareName(absl::string_view key) {
  const size_t colon = key.find(':');
  return colon == absl::string_view::npos ? key : key.substr(colon + 1);
}

uint64_t BucketOf(absl::string_view key) { return absl::HashOf(0, BareName(key)); }
uint64_t BucketOf(absl::string_view key, absl::string_view value) {
  return absl::HashOf(1, BareName(key), value);
}

// Where everything that meets the requirement is to be found; nothing if it may lack the label.
std::optional<std::vector<uint64_t>> BucketsOf(const v1::Requirement& requirement) {
  if (requirement.operator_() == v1::Requirement::EXISTS) return {{BucketOf(requirement.key())}};
  if (requirement.operator_() != v1::Requirement::IN) return std::nullopt;
  std::vector<uint64_t> buckets;
  for (const std::string& value : requirement.values()) {
    buckets.push_back(BucketOf(requirement.key(), value));
  }
  return buckets;
}

// Of the selector's requirements the one whose buckets hold the fewest.
std::optional<std::vector<uint64_t>> FewestBuckets(const v1::Selector& selector,
                                                   const absl::flat_hash_map<uint64_t, SortedNumbers>& held) {
  std::optional<std::vector<uint64_t>> fewest;
  size_t least = 0;
  for (const v1::Requirement& requirement : selector.requirements()) {
    std::optional<std::vector<uint64_t>> buckets = BucketsOf(requirement);
    if (!buckets.has_value()) continue;
    size_t size = 0;
    for (const uint64_t bucket : *buckets) {
      if (const auto it = held.find(bucket); it != held.end()) size += it->second.size();
    }
    if (fewest.has_value() && size >= least) continue;
    fewest = std::move(buckets);
    least = size;
  }
  return fewest;
}

void EraseFrom(absl::flat_hash_map<uint64_t, SortedNumbers>* buckets, uint64_t bucket, uint32_t number) {
  const auto it = buckets->find(bucket);
  if (it == buckets->end()) return;
  Erase(&it->second, number);
  if (it->second.empty()) buckets->erase(it);
}

void Append(const absl::flat_hash_map<uint64_t, SortedNumbers>& buckets, uint64_t bucket,
            SortedNumbers* out) {
  const auto it = buckets.find(bucket);
  if (it != buckets.end()) out->insert(out->end(), it->second.begin(), it->second.end());
}

}  // namespace

void Insert(SortedNumbers* numbers, uint32_t number) {
  const auto it = std::lower_bound(numbers->begin(), numbers->end(), number);
  if (it == numbers->end() || *it != number) numbers->insert(it, number);
}

void Erase(SortedNumbers* numbers, uint32_t number) {
  const auto it = std::lower_bound(numbers->begin(), numbers->end(), number);
  if (it != numbers->end() && *it == number) numbers->erase(it);
}

bool Has(const SortedNumbers& numbers, uint32_t number) {
  return std::binary_search(numbers.begin(), numbers.end(), number);
}

void SortUnique(SortedNumbers* numbers) {
  std::sort(numbers->begin(), numbers->end());
  numbers->erase(std::unique(numbers->begin(), numbers->end()), numbers->end());
}

void SelectorIndex::Add(uint32_t number, const v1::Selector& selector) {
  const std::optional<std::vector<uint64_t>> buckets = FewestBuckets(selector, buckets_);
  if (!buckets.has_value()) return Insert(&unbound_, number);
  for (const uint64_t bucket : *buckets) Insert(&buckets_[bucket], number);
  buckets_of_[number] = *buckets;
}

void SelectorIndex::Remove(uint32_t number) {
  const auto it = buckets_of_.find(number);
  if (it == buckets_of_.end()) return Erase(&unbound_, number);
  for (const uint64_t bucket : it->second) EraseFrom(&buckets_, bucket, number);
  buckets_of_.erase(it);
}

SortedNumbers SelectorIndex::Candidates(const v1::Identity& identity) const {
  SortedNumbers candidates = unbound_;
  for (const v1::Label& label : identity.labels()) {
    Append(buckets_, BucketOf(label.key()), &candidates);
    Append(buckets_, BucketOf(label.key(), label.value()), &candidates);
  }
  SortUnique(&candidates);
  return candidates;
}

void LabelIndex::Add(uint32_t number, const v1::Identity& identity) {
  Insert(&all_, number);
  for (const v1::Label& label : identity.labels()) {
    Insert(&buckets_[BucketOf(label.key())], number);
    Insert(&buckets_[BucketOf(label.key(), label.value())], number);
  }
}

void LabelIndex::Remove(uint32_t number, const v1::Identity& identity) {
  Erase(&all_, number);
  for (const v1::Label& label : identity.labels()) {
    EraseFrom(&buckets_, BucketOf(label.key()), number);
    EraseFrom(&buckets_, BucketOf(label.key(), label.value()), number);
  }
}

SortedNumbers LabelIndex::Candidates(const v1::Selector& selector) const {
  const std::optional<std::vector<uint64_t>> buckets = FewestBuckets(selector, buckets_);
  if (!buckets.has_value()) return all_;
  SortedNumbers candidates;
  for (const uint64_t bucket : *buckets) Append(buckets_, bucket, &candidates);
  if (buckets->size() > 1) SortUnique(&candidates);
  return candidates;
}

}  // namespace trivium::policy
