#include "cli/kinds.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "cli/suggest.h"
#include "schema/object.h"

namespace trivium::cli {
namespace {

constexpr char kEveryPolicy[] = "policies";
constexpr char kEveryKind[] = "all";

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

// Other systems' words for our kinds.
constexpr struct {
  const char* word;
  const char* kind;  // KindInfo::plural
} kAliases[] = {
    {"pod", "endpoints"},
    {"pods", "endpoints"},
    {"po", "endpoints"},
    {"cep", "endpoints"},
    {"ciliumendpoint", "endpoints"},
    {"ciliumendpoints", "endpoints"},
    {"ciliumid", "identities"},
    {"ciliumidentity", "identities"},
    {"ciliumidentities", "identities"},
    {"cn", "nodes"},
    {"ciliumnode", "nodes"},
    {"ciliumnodes", "nodes"},
};

const KindInfo* Match(const std::string& given) {
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
  for (const auto& alias : kAliases) {
    if (given == alias.word) return Match(alias.kind);
  }
  return nullptr;
}

}  // namespace

absl::Span<const KindInfo> AllKinds() { return kKinds; }

absl::StatusOr<const KindInfo*> FindKind(absl::string_view word) {
  if (const KindInfo* kind = Match(absl::AsciiStrToLower(word)); kind != nullptr) return kind;
  std::vector<std::string> known = KindWords();
  for (const KindInfo& kind : kKinds) known.push_back(absl::AsciiStrToLower(kind.name));
  return absl::InvalidArgumentError(
      absl::StrCat("unknown kind '", word, "'", DidYouMean(word, known),
                   "; there are: ", absl::StrJoin(kKinds, ", ", [](std::string* out, const KindInfo& kind) {
                     absl::StrAppend(out, kind.plural);
                     if (kind.short_name[0] != 0) absl::StrAppend(out, " (", kind.short_name, ")");
                   })));
}

absl::StatusOr<std::vector<const KindInfo*>> FindKinds(absl::string_view word) {
  const std::string given = absl::AsciiStrToLower(word);
  const bool all = given == kEveryKind;
  std::vector<const KindInfo*> kinds;
  if (all || given == kEveryPolicy) {
    for (const KindInfo& kind : kKinds) {
      if (all ? !kind.of_mesh : kind.kind == v1::KIND_POLICY) kinds.push_back(&kind);
    }
    return kinds;
  }
  TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, FindKind(word));
  kinds.push_back(kind);
  return kinds;
}

std::vector<std::string> KindWords() {
  std::vector<std::string> words;
  for (const KindInfo& kind : kKinds) {
    words.emplace_back(kind.plural);
    if (kind.short_name[0] != 0) words.emplace_back(kind.short_name);
  }
  words.insert(words.end(), {"pods", kEveryPolicy, kEveryKind});
  return words;
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
