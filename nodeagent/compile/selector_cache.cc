#include "nodeagent/compile/selector_cache.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bpf/abi/types.h"
#include "policy/labels.h"
#include "policy/peer_match.h"
#include "policy/selector.h"

namespace trivium {
namespace {

// What selectors of labels see outside the mesh, both families at once: only candidates are looked for.
const v1::Identity& World() {
  static const auto* const world = [] {
    auto* made = new v1::Identity();
    for (const char* key : {policy::kWorldLabel, policy::kWorldIpv4Label, policy::kWorldIpv6Label}) {
      made->add_labels()->set_key(key);
    }
    return made;
  }();
  return *world;
}

bool MayMatchPrefixes(v1::Entity entity) {
  return entity == v1::ENTITY_ALL || entity == v1::ENTITY_WORLD || entity == v1::ENTITY_WORLD_IPV4 ||
         entity == v1::ENTITY_WORLD_IPV6;
}

// `cidr` cut to `length` bits.
v1::Cidr Shortened(const v1::Cidr& cidr, uint32_t length) {
  v1::Cidr out;
  std::string address = cidr.address();
  for (size_t i = 0; i < address.size(); ++i) {
    const uint32_t from = static_cast<uint32_t>(i) * 8;
    if (from >= length) {
      address[i] = 0;
    } else if (from + 8 > length) {
      address[i] = static_cast<char>(static_cast<unsigned char>(address[i]) & (0xff << (from + 8 - length)));
    }
  }
  out.set_address(std::move(address));
  out.set_length(length);
  return out;
}

v1::Cidr WithoutHostBits(const v1::Cidr& cidr) { return Shortened(cidr, cidr.length()); }

}  // namespace

SelectorCache::SelectorCache(const Peers* peers) : peers_(peers) {}

std::string SelectorCache::TextOf(const v1::Peer& selector, const std::string& cluster) {
  // Only an entity may mean another thing in another cluster.
  return absl::StrCat(selector.peer_case() == v1::Peer::kEntity ? cluster : "", "\n",
                      selector.SerializeAsString());
}

SelectorCache::Selector SelectorCache::Acquire(const v1::Peer& selector, const std::string& cluster,
                                               const User& user) {
  std::string text = TextOf(selector, cluster);
  const auto [it, is_new] = by_text_.try_emplace(text, next_);
  const Selector number = it->second;
  if (!is_new) {
    cached_.at(number).users.push_back(user);
    return number;
  }
  ++next_;
  ++counters_.selectors;
  Cached& cached = cached_[number];
  cached.selector = selector;
  cached.cluster = cluster;
  cached.text = std::move(text);
  cached.users.push_back(user);
  if (selector.has_labels()) {
    by_label_.Add(number, selector.labels());
  } else if (selector.has_cidr()) {
    policy::Insert(&by_cidr_[WithoutHostBits(selector.cidr().cidr())], number);
  } else {
    policy::Insert(&entities_, number);
  }
  for (const uint32_t identity : PeersFor(selector, cluster)) {
    ++counters_.compared;
    const auto peer = peers_->find(identity);
    if (peer != peers_->end() && policy::PeerMatches(selector, peer->second.ref(), cluster)) {
      cached.members.push_back(identity);
    }
  }
  cached.members.shrink_to_fit();
  return number;
}

void SelectorCache::Release(Selector number, const User& user) {
  const auto it = cached_.find(number);
  if (it == cached_.end()) return;
  Cached& cached = it->second;
  const auto used = std::find(cached.users.begin(), cached.users.end(), user);
  if (used != cached.users.end()) {
    *used = cached.users.back();
    cached.users.pop_back();
  }
  if (!cached.users.empty()) return;
  if (cached.selector.has_labels()) {
    by_label_.Remove(number);
  } else if (cached.selector.has_cidr()) {
    const auto at = by_cidr_.find(WithoutHostBits(cached.selector.cidr().cidr()));
    policy::Erase(&at->second, number);
    if (at->second.empty()) by_cidr_.erase(at);
  } else {
    policy::Erase(&entities_, number);
  }
  by_text_.erase(cached.text);
  cached_.erase(it);
}

void SelectorCache::AppendPrefixes(size_t family, policy::SortedNumbers* out) const {
  for (const auto& [cidr, identity] : prefixes_) {
    if (cidr.address().size() == family) out->push_back(identity);
  }
}

policy::SortedNumbers SelectorCache::PeersFor(const v1::Peer& selector, const std::string& cluster) const {
  policy::SortedNumbers peers;
  if (selector.has_cidr()) {
    const v1::Cidr cidr = WithoutHostBits(selector.cidr().cidr());
    // In their order, what a prefix covers follows it without a gap.
    for (auto it = prefixes_.lower_bound(cidr); it != prefixes_.end() && policy::Covers(cidr, it->first);
         ++it)
      peers.push_back(it->second);
  } else if (selector.has_labels()) {
    peers = labels_.Candidates(selector.labels());
    for (const size_t family : {4, 16}) {
      v1::Cidr any;
      any.set_address(std::string(family, '\0'));
      if (policy::PeerMatches(selector, {nullptr, &any}, cluster)) AppendPrefixes(family, &peers);
    }
  } else {
    if (selector.entity() == v1::ENTITY_ALL) {
      peers = labels_.all();
    } else {
      if (selector.entity() == v1::ENTITY_CLUSTER) {
        v1::Selector own;
        v1::Requirement* requirement = own.add_requirements();
        requirement->set_key(policy::kClusterLabel);
        requirement->add_values(cluster);
        peers = labels_.Candidates(own);
      }
      for (const uint32_t identity : labels_.all()) {
        if (identity > IDENTITY_MAX_RESERVED) break;
        peers.push_back(identity);
      }
    }
    if (MayMatchPrefixes(selector.entity())) {
      for (const size_t family : {4, 16}) AppendPrefixes(family, &peers);
    }
  }
  policy::SortUnique(&peers);
  return peers;
}

policy::SortedNumbers SelectorCache::SelectorsFor(const Peer& peer) const {
  const v1::Identity& labels = peer.object != nullptr ? peer.object->identity() : World();
  policy::SortedNumbers selectors = by_label_.Candidates(labels);
  selectors.insert(selectors.end(), entities_.begin(), entities_.end());
  if (peer.object == nullptr && !by_cidr_.empty()) {
    for (uint32_t length = 0; length <= peer.prefix.length(); ++length) {
      const auto it = by_cidr_.find(Shortened(peer.prefix, length));
      if (it != by_cidr_.end()) selectors.insert(selectors.end(), it->second.begin(), it->second.end());
    }
  }
  policy::SortUnique(&selectors);
  return selectors;
}

std::vector<SelectorCache::Selector> SelectorCache::Add(uint32_t identity, const Peer& peer) {
  if (peer.object != nullptr) {
    labels_.Add(identity, peer.object->identity());
  } else {
    prefixes_[peer.prefix] = identity;
  }
  std::vector<Selector> matching;
  for (const Selector number : SelectorsFor(peer)) {
    ++counters_.compared;
    Cached& cached = cached_.at(number);
    if (!policy::PeerMatches(cached.selector, peer.ref(), cached.cluster)) continue;
    policy::Insert(&cached.members, identity);
    matching.push_back(number);
  }
  return matching;
}

std::vector<SelectorCache::Selector> SelectorCache::Remove(uint32_t identity, const Peer& before) {
  if (before.object != nullptr) {
    labels_.Remove(identity, before.object->identity());
  } else {
    prefixes_.erase(before.prefix);
  }
  std::vector<Selector> matched;
  for (const Selector number : SelectorsFor(before)) {
    Cached& cached = cached_.at(number);
    if (!policy::Has(cached.members, identity)) continue;
    policy::Erase(&cached.members, identity);
    matched.push_back(number);
  }
  return matched;
}

}  // namespace trivium
