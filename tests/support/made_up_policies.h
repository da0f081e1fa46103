// Manifests for histories that are made up at random: policies of every kind that Trivium reads, and CIDR
// groups. The same numbers give the same text. Pods have a label app (kMadeUpApps), perhaps tier (0, 1), a
// service account robot, a named port api; namespaces are shop and tmp, perhaps with a label team (t1, t2).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trivium {

inline constexpr const char* kMadeUpApps[] = {"db", "cart", "web", "pay"};
inline constexpr int kMadeUpPorts[] = {80, 443, 5432};

struct MadeUpName {
  std::string kind;  // as `kubectl get` knows it
  std::string ns;    // empty: of the whole cluster
  std::string name;
};

// What has that number: 0 to 3 NetworkPolicies, 4 and 5 CiliumNetworkPolicies, 6 a
// CiliumClusterwideNetworkPolicy, 7 and 8 CiliumCIDRGroups. Number 3 and 5 are in namespace tmp.
inline constexpr uint32_t kMadeUpNames = 9;
MadeUpName MadeUpNameOf(uint32_t number);

// One manifest of it; `shape` is any number. `clusters` are those whose pods may be named.
std::string MadeUpManifest(uint32_t number, uint32_t shape, const std::vector<std::string>& clusters);

}  // namespace trivium
