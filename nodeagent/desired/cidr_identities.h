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
    v1::Cidr prefix;
    bool added = false;  // else it was removed
  };

  // `space`: the one that policies' prefixes are of. `fresh` gives numbers. `maps` is not owned.
  CidrIdentities(uint32_t space, KernelMaps* maps, std::function<uint32_t()> fresh);

  // After KernelMaps::ReadAll: prefixes that the kernel knows keep their numbers.
  void Recover();

  // All pod networks, whichever came before. A network that two clusters claim goes to the lower number.
  // Each of these returns what changed; the caller tells the rule sets.
  std::vector<Change> SetNetworks(const std::vector<Network>& networks);
  // One rule set more tells these prefixes apart, or one fewer. Those in pod networks get no identity.
  std::vector<Change> Use(const std::vector<v1::Cidr>& prefixes);
  std::vector<Change> Leave(const std::vector<v1::Cidr>& prefixes);

 private:
  struct Prefix {
    v1::Cidr cidr;
    uint32_t identity = 0;  // 0: in a pod network
    size_t users = 0;
  };

  static std::string Text(const v1::Cidr& cidr);
  bool InPodNetwork(const v1::Cidr& cidr) const;
  void Open(const std::string& text, Prefix* prefix, std::vector<Change>* changes);
  void Close(Prefix* prefix, std::vector<Change>* changes);

  const uint32_t space_;
  KernelMaps* const maps_;
  const std::function<uint32_t()> fresh_;
  PodMap<ipcache_lpm_key, Network> networks_;
  std::map<std::string, Prefix> prefixes_;     // by Text
  std::map<std::string, uint32_t> recovered_;  // numbers that the kernel's prefixes have
};

}  // namespace trivium
