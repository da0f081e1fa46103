// Which identity an address has, when several objects claim it: the old owner's late delete must not take the
// new owner's entry away, whatever order they come in. Writes desired entries of ipcache. Not thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "base/id128.h"
#include "nodeagent/reconcile/kernel_maps.h"

namespace trivium {

struct AddressClaim {
  uint64_t owner = 0;     // one object: AddressTable::Owner
  uint64_t revision = 0;  // of its last change; tells the newer of one cluster's
  ipcache_value value{};
};

class AddressTable {
 public:
  // Not owned.
  explicit AddressTable(IpcacheMap* map) : map_(map) {}

  // A number for one object of one cluster.
  static uint64_t Owner(uint32_t cluster, int kind, absl::string_view key);
  static uint64_t Owner(uint32_t cluster, const Id128& endpoint);

  // Makes or replaces the owner's claim.
  void Claim(const ipcache_key& key, const AddressClaim& claim);
  // Withdraws it; another's claim takes over.
  void Withdraw(const ipcache_key& key, uint64_t owner);

  // Addresses claimed by more than one object.
  size_t contested() const { return losers_.size(); }

 private:
  // Nodes before pods, then the cluster with the lower number, then the newer object: the same whatever came
  // first.
  static bool Beats(const AddressClaim& a, const AddressClaim& b);
  AddressClaim WinnerOf(const ipcache_key& key) const;
  void Install(const ipcache_key& key, const AddressClaim& claim);

  IpcacheMap* const map_;  // holds each address's winning claim
  PodMap<ipcache_key, std::vector<AddressClaim>> losers_;
};

}  // namespace trivium
