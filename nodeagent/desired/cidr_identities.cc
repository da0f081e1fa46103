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

void CidrIdentities::SetNetworks(const std::vector<Network>& networks) {
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
}

std::vector<CidrIdentities::Change> CidrIdentities::SetPrefixes(const std::vector<v1::Cidr>& prefixes) {
  std::vector<Change> changes;
  std::map<std::string, const v1::Cidr*> wanted;
  for (const v1::Cidr& cidr : prefixes) {
    if (IsAddress(cidr.address()) && !InPodNetwork(cidr)) wanted[Text(cidr)] = &cidr;
  }
  for (auto it = prefixes_.begin(); it != prefixes_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    const auto [cidr, identity] = it->second;
    const ipcache_lpm_key key = IpcacheLpmKey(space_, cidr);
    if (!networks_.contains(key)) maps_->lpm.Remove(key);
    maps_->known.Remove(KnownKey(identity));
    changes.push_back({identity, std::nullopt});
    it = prefixes_.erase(it);
  }
  for (const auto& [text, cidr] : wanted) {
    if (prefixes_.contains(text)) continue;
    const auto recovered = recovered_.find(text);
    const uint32_t identity = recovered != recovered_.end() ? recovered->second : fresh_();
    if (recovered != recovered_.end()) recovered_.erase(recovered);
    prefixes_[text] = {*cidr, identity};
    maps_->known.Set(KnownKey(identity), known_value{});
    ipcache_value value{};
    value.identity = identity;
    maps_->lpm.Set(IpcacheLpmKey(space_, *cidr), value);
    changes.push_back({identity, *cidr});
  }
  return changes;
}

}  // namespace trivium
