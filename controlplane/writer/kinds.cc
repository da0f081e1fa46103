#include "controlplane/writer/kinds.h"

#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace trivium {
namespace {

struct Row {
  v1::Kind kind;
  const char* name;
  bool namespaced;
  std::array<const char*, 4> words;
};

constexpr Row kRows[] = {
    {v1::KIND_POLICY, "NetworkPolicy", true, {"networkpolicy", "networkpolicies", "netpol", "netpols"}},
    {v1::KIND_POLICY,
     "CiliumNetworkPolicy",
     true,
     {"ciliumnetworkpolicy", "ciliumnetworkpolicies", "cnp", "cnps"}},
    {v1::KIND_POLICY,
     "CiliumClusterwideNetworkPolicy",
     false,
     {"ciliumclusterwidenetworkpolicy", "ciliumclusterwidenetworkpolicies", "ccnp", "ccnps"}},
    {v1::KIND_CIDR_GROUP, "CiliumCIDRGroup", false, {"ciliumcidrgroup", "ciliumcidrgroups", "ccg", "ccgs"}},
    {v1::KIND_NAMESPACE, "Namespace", false, {"namespace", "namespaces", "ns", "ns"}},
    {v1::KIND_ENDPOINT, "Endpoint", true, {"endpoint", "endpoints", "ep", "eps"}},
    {v1::KIND_IDENTITY, "Identity", false, {"identity", "identities", "id", "ids"}},
    {v1::KIND_NODE, "Node", false, {"node", "nodes", "no", "no"}},
    {v1::KIND_CLUSTER, "Cluster", false, {"cluster", "clusters", "cluster", "clusters"}},
    {v1::KIND_LIVENESS, "Liveness", false, {"liveness", "liveness", "liveness", "liveness"}},
    {v1::KIND_REGION, "Region", false, {"region", "regions", "region", "regions"}},
};

}  // namespace

absl::StatusOr<NamedKind> ParseKind(absl::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  for (const Row& row : kRows) {
    for (const char* word : row.words) {
      if (lower == word) return NamedKind{row.kind, row.name, row.namespaced};
    }
  }
  std::string known;
  for (const Row& row : kRows) absl::StrAppend(&known, known.empty() ? "" : ", ", row.name);
  return absl::InvalidArgumentError(absl::StrCat("unknown kind \"", text, "\": want one of ", known));
}

std::string DisplayName(absl::string_view kind, absl::string_view ns, absl::string_view name) {
  if (ns.empty()) return absl::StrCat(kind, " ", name);
  return absl::StrCat(kind, " ", ns, "/", name);
}

}  // namespace trivium
