// Pod networks and CIDR identities: everything in the trie behind the exact addresses. Writes desired entries
// of ipcache_lpm, and of `known` for CIDR identities. Not thread-safe.
//
// Every cluster's pod network is there as unknown, and a policy's prefix inside one never overrides that.
// Every other prefix that a rule set tells apart gets an identity of this node.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "nodeagent/compile/peers.h"
#include "nodeagent/reconcile/kernel_maps.h"

namespace trivium {

class CidrIdentities {
 public:
  struct Network {
    uint32_t cluster = 0;
    uint32_t space = 0;
    v1::Cidr cidr;
  };
  struct Change {
    uint32_t identity = 0;
    std::optional<v1::Cidr> added;  // else it was removed
  };

  // `space`: the one that policies' prefixes are of. `fresh` gives numbers. `maps` is not owned.
  CidrIdentities(uint32_t space, KernelMaps* maps, std::function<uint32_t()> fresh);

  // After KernelMaps::ReadAll: prefixes that the kernel knows keep their numbers.
  void Recover();

  // All pod networks, whichever came before. A network that two clusters claim goes to the lower number.
  // SetPrefixes must follow.
  void SetNetworks(const std::vector<Network>& networks);
  // All prefixes that rule sets use; those in pod networks get no identity. Returns what changed; the caller
  // tells the rule sets.
  std::vector<Change> SetPrefixes(const std::vector<v1::Cidr>& prefixes);

 private:
  static std::string Text(const v1::Cidr& cidr);
  bool InPodNetwork(const v1::Cidr& cidr) const;

  const uint32_t space_;
  KernelMaps* const maps_;
  const std::function<uint32_t()> fresh_;
  PodMap<ipcache_lpm_key, Network> networks_;
  std::map<std::string, std::pair<v1::Cidr, uint32_t>> prefixes_;  // by Text
  std::map<std::string, uint32_t> recovered_;                      // numbers that the kernel's prefixes have
};

}  // namespace trivium
