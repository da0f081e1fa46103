// What the planner looks up by something else than a key, for one cluster: addresses, names, label sets, what
// stands on a node or in a namespace. Derived from the mirror and kept in step by Replace. Not thread-safe.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "controlplane/writer/retired_numbers.h"
#include "replica/mirror.h"

namespace trivium {

class ClusterIndex {
 public:
  using Keys = absl::btree_set<std::string>;

  // Accounts for one object that changes; null: it did not, or does not, exist.
  void Replace(const v1::Object* before, const v1::Object* after);
  void Rebuild(const Mirror& mirror);

  // Keys of endpoints; empty if there is none.
  std::string EndpointByAddress(uint32_t space, absl::string_view ip) const;
  std::string EndpointByName(absl::string_view ns, absl::string_view name) const;
  const Keys& EndpointsIn(absl::string_view ns) const;
  const Keys& EndpointsOn(uint32_t node) const;
  const Keys& PoliciesIn(absl::string_view ns) const;
  // The name of a node; empty if there is none with that number.
  std::string NodeByNumber(uint32_t number) const;

  // By policy::CanonicalForm; 0 if there is none.
  uint32_t IdentityByForm(const std::string& form) const;
  // The highest identity number in use in [first, first + count); 0 if none is.
  uint32_t HighestIdentity(uint32_t first, uint32_t count) const;
  // The lowest number in [first, first + count) that is neither in use nor retired; 0 if there is none.
  uint32_t LowestFree(uint32_t first, uint32_t count) const;
  size_t identities() const { return numbers_.size(); }
  // Drafts read it alone; it moves with the revisions that are applied.
  const RetiredNumbers& retired() const { return retired_; }
  RetiredNumbers* mutable_retired() { return &retired_; }
  // Where the search for a free number ended the last time: the next one goes on from there, round all of
  // them.
  uint32_t search_from() const { return search_from_; }
  void set_search_from(uint32_t number) const { search_from_ = number; }
  // How many endpoints have it.
  uint64_t References(uint32_t identity) const;

 private:
  void Remove(const v1::Object& object);
  void Add(const v1::Object& object);
  void AddEndpoint(const v1::Endpoint& ep, const std::string& key);
  void RemoveEndpoint(const v1::Endpoint& ep, const std::string& key);
  void ReplaceEndpoint(const v1::Endpoint& before, const v1::Endpoint& after, const std::string& key);
  void Dereference(uint32_t identity);

  absl::flat_hash_map<std::string, std::string> by_address_;
  absl::flat_hash_map<std::string, std::string> by_name_;
  absl::flat_hash_map<std::string, Keys> by_namespace_;
  absl::flat_hash_map<uint32_t, Keys> by_node_;
  absl::flat_hash_map<std::string, Keys> policies_;
  absl::flat_hash_map<uint32_t, std::string> nodes_;
  absl::flat_hash_map<std::string, uint32_t> identities_;
  std::set<uint32_t> numbers_;
  RetiredNumbers retired_;
  mutable uint32_t search_from_ = 0;
  absl::flat_hash_map<uint32_t, uint64_t> references_;
};

}  // namespace trivium
