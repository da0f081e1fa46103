#include "cli/kinds.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "schema/object.h"

namespace trivium::cli {
namespace {

constexpr KindInfo kKinds[] = {
    {v1::KIND_POLICY, "NetworkPolicy", "networkpolicy.networking.k8s.io", "networkpolicies", "netpol",
     "networking.k8s.io/v1", true, false},
    {v1::KIND_POLICY, "CiliumNetworkPolicy", "ciliumnetworkpolicy.cilium.io", "ciliumnetworkpolicies", "cnp",
     "cilium.io/v2", true, false},
    {v1::KIND_POLICY, "CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicy.cilium.io",
     "ciliumclusterwidenetworkpolicies", "ccnp", "cilium.io/v2", false, false},
    {v1::KIND_CIDR_GROUP, "CiliumCIDRGroup", "ciliumcidrgroup.cilium.io", "ciliumcidrgroups", "ccg",
     "cilium.io/v2", false, false},
    {v1::KIND_NAMESPACE, "Namespace", "namespace", "namespaces", "ns", "v1", false, false},
    {v1::KIND_ENDPOINT, "Endpoint", "endpoint", "endpoints", "ep", "trivium/v1", true, false},
    {v1::KIND_IDENTITY, "Identity", "identity", "identities", "id", "trivium/v1", false, false},
    {v1::KIND_NODE, "Node", "node", "nodes", "no", "trivium/v1", false, false},
    {v1::KIND_CLUSTER, "Cluster", "cluster", "clusters", "", "trivium/v1", false, true},
    {v1::KIND_LIVENESS, "Liveness", "liveness", "liveness", "", "trivium/v1", false, false},
    {v1::KIND_REGION, "Region", "region", "regions", "", "trivium/v1", false, true},
};

}  // namespace

absl::Span<const KindInfo> AllKinds() { return kKinds; }

absl::StatusOr<const KindInfo*> FindKind(absl::string_view word) {
  const std::string given = absl::AsciiStrToLower(word);
  for (const KindInfo& kind : kKinds) {
    const absl::string_view resource = kind.resource;
    const size_t dot = resource.find('.');
    const std::string singular = absl::AsciiStrToLower(kind.name);
    const std::string group = dot == absl::string_view::npos ? "" : std::string(resource.substr(dot));
    if (given == singular || given == kind.plural || (kind.short_name[0] != 0 && given == kind.short_name) ||
        (!group.empty() && (given == resource || given == absl::StrCat(kind.plural, group)))) {
      return &kind;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("unknown kind '", word,
                   "'; there are: ", absl::StrJoin(kKinds, ", ", [](std::string* out, const KindInfo& kind) {
                     absl::StrAppend(out, kind.plural);
                     if (kind.short_name[0] != 0) absl::StrAppend(out, " (", kind.short_name, ")");
                   })));
}

absl::StatusOr<const KindInfo*> KindOfObject(const v1::Object& object) {
  if (object.has_policy()) return FindKind(object.policy().kind());
  const v1::Kind kind = KindOf(object);
  for (const KindInfo& known : kKinds) {
    if (known.kind == kind) return &known;
  }
  return absl::InternalError(absl::StrCat("objects of kind ", KindName(kind), " have no name here"));
}

}  // namespace trivium::cli
