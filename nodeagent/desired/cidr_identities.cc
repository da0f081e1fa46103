#include "nodeagent/desired/cidr_identities.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "nodeagent/compile/keys.h"
#include "policy/selector.h"

namespace trivium {
namespace {

known_key KnownKey(uint32_t identity) {
  known_key key{};
  key.identity = identity;
  return key;
}

}  // namespace

CidrIdentities::CidrIdentities(uint32_t space, KernelMaps* maps, std::function<uint32_t()> fresh)
    : space_(space), maps_(maps), fresh_(std::move(fresh)) {}

std::string CidrIdentities::Text(const v1::Cidr& cidr) {
  return absl::StrCat(cidr.address(), "/", cidr.length());
}

void CidrIdentities::Recover() {
  for (const auto& [key, value] : maps_->lpm.extra()) {
    if (key.space == space_ && value.identity >= IDENTITY_FIRST_LOCAL) {
      recovered_[Text(CidrOf(key))] = value.identity;
    }
  }
}

bool CidrIdentities::InPodNetwork(const v1::Cidr& cidr) const {
  return std::any_of(networks_.begin(), networks_.end(), [&](const auto& network) {
    return network.second.space == space_ && policy::Covers(network.second.cidr, cidr);
  });
}

std::vector<CidrIdentities::Change> CidrIdentities::SetNetworks(const std::vector<Network>& networks) {
  PodMap<ipcache_lpm_key, Network> fresh;
  for (const Network& network : networks) {
    if (!IsAddress(network.cidr.address())) continue;
    auto [it, inserted] = fresh.try_emplace(IpcacheLpmKey(network.space, network.cidr), network);
    if (!inserted && network.cluster < it->second.cluster) it->second = network;
  }
  for (const auto& [key, network] : networks_) {
    if (!fresh.contains(key)) maps_->lpm.Remove(key);
  }
  networks_ = std::move(fresh);
  for (const auto& [key, network] : networks_) {
    ipcache_value value{};
    value.cluster = network.cluster;
    value.flags = IPCACHE_UNKNOWN;
    maps_->lpm.Set(key, value);
  }
  std::vector<Change> changes;
  for (auto& [text, prefix] : prefixes_) {
    const bool inside = InPodNetwork(prefix.cidr);
    if (inside && prefix.identity != 0) Close(&prefix, &changes);
    if (!inside && prefix.identity == 0) Open(text, &prefix, &changes);
  }
  return changes;
}

void CidrIdentities::Open(const std::string& text, Prefix* prefix, std::vector<Change>* changes) {
  const auto recovered = recovered_.find(text);
  prefix->identity = recovered != recovered_.end() ? recovered->second : fresh_();
  if (recovered != recovered_.end()) recovered_.erase(recovered);
  maps_->known.Set(KnownKey(prefix->identity), known_value{});
  ipcache_value value{};
  value.identity = prefix->identity;
  maps_->lpm.Set(IpcacheLpmKey(space_, prefix->cidr), value);
  changes->push_back({prefix->identity, prefix->cidr, true});
}

void CidrIdentities::Close(Prefix* prefix, std::vector<Change>* changes) {
  const ipcache_lpm_key key = IpcacheLpmKey(space_, prefix->cidr);
  if (!networks_.contains(key)) maps_->lpm.Remove(key);
  maps_->known.Remove(KnownKey(prefix->identity));
  changes->push_back({prefix->identity, prefix->cidr, false});
  prefix->identity = 0;
}

std::vector<CidrIdentities::Change> CidrIdentities::Use(const std::vector<v1::Cidr>& prefixes) {
  std::vector<Change> changes;
  for (const v1::Cidr& cidr : prefixes) {
    if (!IsAddress(cidr.address())) continue;
    const auto [it, is_new] = prefixes_.try_emplace(Text(cidr));
    ++it->second.users;
    if (!is_new) continue;
    it->second.cidr = cidr;
    if (!InPodNetwork(cidr)) Open(it->first, &it->second, &changes);
  }
  return changes;
}

std::vector<CidrIdentities::Change> CidrIdentities::Leave(const std::vector<v1::Cidr>& prefixes) {
  std::vector<Change> changes;
  for (const v1::Cidr& cidr : prefixes) {
    const auto it = prefixes_.find(Text(cidr));
    if (it == prefixes_.end() || --it->second.users > 0) continue;
    if (it->second.identity != 0) Close(&it->second, &changes);
    prefixes_.erase(it);
  }
  return changes;
}

}  // namespace trivium
