#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "policy/cidr.h"
#include "policy/cilium_rule.h"
#include "policy/labels.h"
#include "policy/selector.h"

namespace trivium::policy {
namespace {

constexpr struct {
  const char* name;
  v1::Entity entity;
} kEntities[] = {
    {"all", v1::ENTITY_ALL},
    {"world", v1::ENTITY_WORLD},
    {"world-ipv4", v1::ENTITY_WORLD_IPV4},
    {"world-ipv6", v1::ENTITY_WORLD_IPV6},
    {"cluster", v1::ENTITY_CLUSTER},
    {"host", v1::ENTITY_HOST},
    {"remote-node", v1::ENTITY_REMOTE_NODE},
    {"kube-apiserver", v1::ENTITY_KUBE_APISERVER},
    {"init", v1::ENTITY_INIT},
    {"health", v1::ENTITY_HEALTH},
    {"unmanaged", v1::ENTITY_UNMANAGED},
    {"ingress", v1::ENTITY_INGRESS},
    {"none", v1::ENTITY_NONE},
};

// The key without its source, if the source is one that Kubernetes' labels answer to.
absl::string_view KubernetesName(absl::string_view key) {
  if (!absl::ConsumePrefix(&key, "k8s:") && !absl::ConsumePrefix(&key, "any:")) return "";
  return key;
}

bool HasKey(const std::vector<v1::Requirement>& requirements, absl::string_view canonical) {
  const absl::string_view name = KubernetesName(canonical);
  return std::any_of(requirements.begin(), requirements.end(),
                     [&](const v1::Requirement& r) { return KubernetesName(r.key()) == name; });
}

bool HasKeyPrefix(const std::vector<v1::Requirement>& requirements, absl::string_view canonical) {
  const absl::string_view name = KubernetesName(canonical);
  return std::any_of(requirements.begin(), requirements.end(), [&](const v1::Requirement& r) {
    return absl::StartsWith(KubernetesName(r.key()), name);
  });
}

bool HasReserved(const std::vector<v1::Requirement>& requirements) {
  return std::any_of(requirements.begin(), requirements.end(),
                     [](const v1::Requirement& r) { return absl::StartsWith(r.key(), "reserved:"); });
}

v1::Selector ToSelector(std::vector<v1::Requirement> requirements) {
  v1::Selector selector;
  for (v1::Requirement& r : requirements) *selector.add_requirements() = std::move(r);
  return selector;
}

// A namespace key lifts the scope of the namespace, a cluster key that of the cluster, a reserved one both.
v1::Selector ReadPeer(const YamlValue& value, const CiliumHome& home) {
  if (value.absent()) value.Fail("is empty; write {} for all endpoints of the policy's scope");
  const std::vector<v1::Requirement> requirements = ReadLabelSelector(value, SelectorKeys::kWithSource);
  v1::Selector selector = ToSelector(requirements);
  if (!HasReserved(requirements)) {
    if (!HasKey(requirements, kNamespaceLabel)) {
      if (home.ns.empty()) {
        // Only endpoints have one: a clusterwide {} must not reach a host or the world.
        if (!home.subject_init) Require(&selector, kNamespaceLabel, v1::Requirement::EXISTS);
      } else if (!HasKeyPrefix(requirements, kNamespaceLabelsPrefix)) {
        Require(&selector, kNamespaceLabel, v1::Requirement::IN, &home.ns);
      }
    }
    if (!HasKey(requirements, kClusterLabel)) {
      Require(&selector, kClusterLabel, v1::Requirement::IN, &home.cluster);
    }
  }
  Normalize(&selector);
  return selector;
}

void ReadCidrRule(const YamlValue& value, v1::CidrPeer* peer) {
  const YamlFields fields = value.Fields({"cidr", "cidrGroupRef", "cidrGroupSelector", "except"});
  const YamlValue cidr = fields["cidr"];
  const YamlValue ref = fields["cidrGroupRef"];
  const YamlValue selector = fields["cidrGroupSelector"];
  const int given = (cidr.absent() ? 0 : 1) + (ref.absent() ? 0 : 1) + (selector.absent() ? 0 : 1);
  if (given != 1) {
    value.Fail("wants exactly one of cidr, cidrGroupRef and cidrGroupSelector");
    return;
  }
  if (!cidr.absent()) {
    if (const std::optional<v1::Cidr> read = ReadCidr(cidr); read.has_value()) *peer->mutable_cidr() = *read;
  } else if (!ref.absent()) {
    peer->set_group(ref.String().value_or(""));
    ref.Accept(CheckName("the group", peer->group()));
  } else {
    *peer->mutable_group_selector() = ToSelector(ReadLabelSelector(selector));
    Normalize(peer->mutable_group_selector());
  }
  for (const YamlValue& item : fields["except"].Items()) {
    const std::optional<v1::Cidr> except = ReadCidr(item);
    if (!except.has_value()) continue;
    if (peer->has_cidr() && !Covers(peer->cidr(), *except)) {
      item.Fail(absl::StrCat(CidrText(*except), " is not a part of ", CidrText(peer->cidr()),
                             "; an exception lies inside its cidr"));
    }
    *peer->add_except() = *except;
  }
}

void ReadEntity(const YamlValue& value, v1::Rule* rule) {
  const std::string name = value.String().value_or("");
  for (const auto& known : kEntities) {
    if (name != known.name) continue;
    rule->add_peers()->set_entity(known.entity);
    return;
  }
  value.Fail(absl::StrCat("\"", name, "\" is no entity; entities are ",
                          absl::StrJoin(kEntities, ", ", [](std::string* out, const auto& known) {
                            absl::StrAppend(out, known.name);
                          })));
}

}  // namespace

v1::Selector ReadCiliumSubject(const YamlValue& value, const CiliumHome& home) {
  std::vector<v1::Requirement> requirements = ReadLabelSelector(value, SelectorKeys::kWithSource);
  if (!home.ns.empty() && !value.Peek("matchLabels").Peek(kNamespaceLabel).absent()) {
    // A policy's subjects are in its own namespace: that label (which comes before any expression) is
    // replaced.
    const auto named = std::find_if(requirements.begin(), requirements.end(),
                                    [](const v1::Requirement& r) { return r.key() == kNamespaceLabel; });
    if (named != requirements.end())
      requirements.erase(named);  // its value was no label value: a fault by now
  }
  const bool reserved = HasReserved(requirements);
  v1::Selector selector = ToSelector(std::move(requirements));
  if (!home.ns.empty()) Require(&selector, kNamespaceLabel, v1::Requirement::IN, &home.ns);
  if (!reserved) Require(&selector, kClusterLabel, v1::Requirement::IN, &home.cluster);
  Normalize(&selector);
  return selector;
}

CiliumPeers ReadCiliumPeers(const YamlFields& fields, const CiliumPeerFields& names, const CiliumHome& home,
                            v1::Rule* rule) {
  bool there = false, empty = false;
  const char* first = nullptr;  // the list that has peers
  const auto list = [&](const char* name) {
    const YamlValue value = fields[name];
    std::vector<YamlValue> items = value.Items();
    there = there || !value.absent();
    empty = empty || (!value.absent() && items.empty());
    if (items.empty()) return items;
    if (first != nullptr) {
      value.Fail(absl::StrCat("cannot stand beside ", first, " in one rule; make a rule of its own of it"));
    }
    first = name;
    return items;
  };
  for (const YamlValue& item : list(names.endpoints)) {
    *rule->add_peers()->mutable_labels() = ReadPeer(item, home);
  }
  for (const YamlValue& item : list(names.cidr)) {
    if (const std::optional<v1::Cidr> cidr = ReadCidr(item); cidr.has_value()) {
      *rule->add_peers()->mutable_cidr()->mutable_cidr() = *cidr;
    }
  }
  for (const YamlValue& item : list(names.cidr_set)) ReadCidrRule(item, rule->add_peers()->mutable_cidr());
  for (const YamlValue& item : list(names.entities)) ReadEntity(item, rule);
  if (!there) return CiliumPeers::kAbsent;
  return empty ? CiliumPeers::kNobody : CiliumPeers::kSome;
}

}  // namespace trivium::policy
