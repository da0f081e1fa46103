// Which peers each selector of the live rule sets matches: worked out once, however many rule sets and
// policies share it, and kept in step. A new peer is compared only with the selectors that it may match, a
// new selector only with the peers that it may. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "nodeagent/compile/peers.h"
#include "policy/cidr.h"
#include "policy/label_index.h"

namespace trivium {

class SelectorCache {
 public:
  using Selector = uint32_t;  // a number; not given again while the selector has users
  // Which selector of which rule set it is.
  struct User {
    uint32_t rule_set = 0;
    uint32_t index = 0;
    friend bool operator==(const User&, const User&) = default;
  };
  struct Counters {
    uint64_t selectors = 0;  // evaluated against the peers, because they were new
    uint64_t compared = 0;   // pairs of selector and peer
  };

  // `peers` is not owned.
  explicit SelectorCache(const Peers* peers);

  // `cluster`: whose policy the selector is in. Every Acquire has a Release.
  Selector Acquire(const v1::Peer& selector, const std::string& cluster, const User& user);
  void Release(Selector selector, const User& user);

  // Identities of the peers that match, ascending. Valid until the next change.
  const policy::SortedNumbers& Members(Selector selector) const { return cached_.at(selector).members; }
  const std::vector<User>& Users(Selector selector) const { return cached_.at(selector).users; }
  // Mesh and reserved identities that the cache knows, ascending.
  const policy::SortedNumbers& identities() const { return labels_.all(); }

  // A peer has come or gone; return the selectors that match it, or did.
  std::vector<Selector> Add(uint32_t identity, const Peer& peer);
  std::vector<Selector> Remove(uint32_t identity, const Peer& before);

  size_t size() const { return cached_.size(); }
  const Counters& counters() const { return counters_; }

 private:
  struct Cached {
    v1::Peer selector;
    std::string cluster;
    std::string text;
    policy::SortedNumbers members;
    std::vector<User> users;
  };
  struct CidrLess {
    bool operator()(const v1::Cidr& a, const v1::Cidr& b) const { return policy::CidrLess(a, b); }
  };

  static std::string TextOf(const v1::Peer& selector, const std::string& cluster);
  // Selectors that may match the peer; peers that the selector may match.
  policy::SortedNumbers SelectorsFor(const Peer& peer) const;
  policy::SortedNumbers PeersFor(const v1::Peer& selector, const std::string& cluster) const;
  // CIDR identities of a family, by the bytes of its addresses.
  void AppendPrefixes(size_t family, policy::SortedNumbers* out) const;

  const Peers* const peers_;
  absl::flat_hash_map<Selector, Cached> cached_;
  absl::flat_hash_map<std::string, Selector> by_text_;
  Selector next_ = 1;
  policy::SelectorIndex by_label_;
  policy::SortedNumbers entities_;
  std::map<v1::Cidr, policy::SortedNumbers, CidrLess> by_cidr_;  // selectors of prefixes
  policy::LabelIndex labels_;                                    // identities
  std::map<v1::Cidr, uint32_t, CidrLess> prefixes_;              // CIDR identities
  Counters counters_;
};

}  // namespace trivium
