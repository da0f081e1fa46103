#include "nodeagent/desired/address_table.h"

#include <algorithm>
#include <tuple>

#include "absl/hash/hash.h"
#include "trivium/v1/objects.pb.h"

namespace trivium {

uint64_t AddressTable::Owner(uint32_t cluster, int kind, absl::string_view key) {
  return absl::HashOf(cluster, kind, key);
}

uint64_t AddressTable::Owner(uint32_t cluster, const Id128& endpoint) {
  return absl::HashOf(cluster, v1::KIND_ENDPOINT, endpoint);
}

bool AddressTable::Beats(const AddressClaim& a, const AddressClaim& b) {
  const bool a_node = a.value.flags & IPCACHE_NODE, b_node = b.value.flags & IPCACHE_NODE;
  if (a_node != b_node) return a_node;
  if (a.value.cluster != b.value.cluster) return a.value.cluster < b.value.cluster;
  // Claims of one revision: any fixed order that does not depend on who came first.
  return std::tie(a.revision, a.value.node, a.value.identity, a.owner) >
         std::tie(b.revision, b.value.node, b.value.identity, b.owner);
}

AddressClaim AddressTable::WinnerOf(const ipcache_key& key) const {
  const ClaimNote& note = *map_->NoteOf(key);
  return {note.owner, note.revision, *map_->Desired(key)};
}

void AddressTable::Install(const ipcache_key& key, const AddressClaim& claim) {
  map_->Set(key, claim.value, {claim.owner, claim.revision});
}

void AddressTable::Claim(const ipcache_key& key, const AddressClaim& claim) {
  const ClaimNote* winner = map_->NoteOf(key);
  if (winner == nullptr) return Install(key, claim);
  const bool contested = !losers_.empty() && losers_.contains(key);
  if (winner->owner == claim.owner && !contested) return Install(key, claim);
  if (winner->owner == claim.owner || contested) Withdraw(key, claim.owner);
  if (map_->NoteOf(key) == nullptr) return Install(key, claim);
  const AddressClaim holder = WinnerOf(key);
  const bool wins = Beats(claim, holder);
  losers_[key].push_back(wins ? holder : claim);
  if (wins) Install(key, claim);
}

void AddressTable::Withdraw(const ipcache_key& key, uint64_t owner) {
  const ClaimNote* winner = map_->NoteOf(key);
  if (winner == nullptr) return;
  const auto losers = losers_.find(key);
  if (winner->owner != owner) {
    if (losers == losers_.end()) return;
    std::erase_if(losers->second, [owner](const AddressClaim& claim) { return claim.owner == owner; });
    if (losers->second.empty()) losers_.erase(losers);
    return;
  }
  if (losers == losers_.end()) {
    map_->Remove(key);
    return;
  }
  const auto next = std::max_element(losers->second.begin(), losers->second.end(),
                                     [](const auto& a, const auto& b) { return Beats(b, a); });
  const AddressClaim claim = *next;
  losers->second.erase(next);
  if (losers->second.empty()) losers_.erase(losers);
  Install(key, claim);
}

}  // namespace trivium
