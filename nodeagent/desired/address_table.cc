#include "nodeagent/desired/address_table.h"

#include <algorithm>
#include <tuple>

#include "absl/hash/hash.h"

namespace trivium {

uint64_t AddressTable::Owner(uint32_t cluster, int kind, absl::string_view key) {
  return absl::HashOf(cluster, kind, key);
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
  const Winner& winner = winners_.at(key);
  return {winner.owner, winner.revision, *map_->Desired(key)};
}

void AddressTable::Install(const ipcache_key& key, const AddressClaim& claim) {
  winners_[key] = {claim.owner, claim.revision};
  map_->Set(key, claim.value);
}

void AddressTable::Claim(const ipcache_key& key, const AddressClaim& claim) {
  const auto winner = winners_.find(key);
  if (winner == winners_.end()) return Install(key, claim);
  if (winner->second.owner == claim.owner && !losers_.contains(key)) return Install(key, claim);
  if (winner->second.owner == claim.owner || losers_.contains(key)) Withdraw(key, claim.owner);
  if (!winners_.contains(key)) return Install(key, claim);
  const AddressClaim holder = WinnerOf(key);
  const bool wins = Beats(claim, holder);
  losers_[key].push_back(wins ? holder : claim);
  if (wins) Install(key, claim);
}

void AddressTable::Withdraw(const ipcache_key& key, uint64_t owner) {
  const auto winner = winners_.find(key);
  if (winner == winners_.end()) return;
  const auto losers = losers_.find(key);
  if (winner->second.owner != owner) {
    if (losers == losers_.end()) return;
    std::erase_if(losers->second, [owner](const AddressClaim& claim) { return claim.owner == owner; });
    if (losers->second.empty()) losers_.erase(losers);
    return;
  }
  if (losers == losers_.end()) {
    winners_.erase(winner);
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
