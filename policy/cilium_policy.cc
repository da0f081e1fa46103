// cilium.io/v2 CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, their L3 and L4 part.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "policy/cilium_rule.h"
#include "policy/manifest.h"

namespace trivium::policy {
namespace {

// One of a spec's four lists of rules.
struct RuleList {
  const char* name;
  v1::Rule::Direction direction;
  v1::Rule::Action action;
};
constexpr RuleList kRuleLists[] = {
    {"ingress", v1::Rule::INGRESS, v1::Rule::ALLOW},
    {"ingressDeny", v1::Rule::INGRESS, v1::Rule::DENY},
    {"egress", v1::Rule::EGRESS, v1::Rule::ALLOW},
    {"egressDeny", v1::Rule::EGRESS, v1::Rule::DENY},
};

YamlFields RuleFields(const YamlValue& value, const RuleList& list) {
  const bool deny = list.action == v1::Rule::DENY;
  if (list.direction == v1::Rule::INGRESS) {
    if (deny) {
      return value.Fields({"fromEndpoints", "fromCIDR", "fromCIDRSet", "fromEntities", "toPorts", "icmps"},
                          {"fromRequires", "fromNodes", "fromGroups"});
    }
    return value.Fields({"fromEndpoints", "fromCIDR", "fromCIDRSet", "fromEntities", "toPorts", "icmps"},
                        {"fromRequires", "fromNodes", "fromGroups", "authentication"});
  }
  if (deny) {
    return value.Fields({"toEndpoints", "toCIDR", "toCIDRSet", "toEntities", "toPorts", "icmps"},
                        {"toRequires", "toNodes", "toGroups", "toServices"});
  }
  return value.Fields({"toEndpoints", "toCIDR", "toCIDRSet", "toEntities", "toPorts", "icmps"},
                      {"toRequires", "toNodes", "toGroups", "toServices", "toFQDNs", "authentication"});
}

// A rule without peers and ports names nothing: it is not written out, and only makes its direction closed.
void ReadRule(const YamlValue& value, const RuleList& list, std::string origin, const CiliumHome& home,
              v1::PolicyBlock* block) {
  if (value.absent()) value.Fail("is empty; write {} for a rule that allows nothing");
  v1::Rule rule;
  rule.set_direction(list.direction);
  rule.set_action(list.action);
  rule.set_origin(std::move(origin));
  const YamlFields fields = RuleFields(value, list);
  const CiliumPeers peers =
      ReadCiliumPeers(fields, list.direction == v1::Rule::INGRESS ? kFromFields : kToFields, home, &rule);
  const bool ports =
      ReadCiliumPorts(fields["toPorts"], fields["icmps"], list.action == v1::Rule::DENY, &rule);
  if (!ports || peers == CiliumPeers::kNobody || (peers == CiliumPeers::kAbsent && rule.any_port())) return;
  rule.set_any_peer(peers == CiliumPeers::kAbsent);
  *block->add_rules() = std::move(rule);
}

void ReadRuleLabels(const YamlValue& value) {
  for (const YamlValue& item : value.Items()) {
    const YamlFields fields = item.Fields({"key", "value", "source", "cidr"});
    if (fields["key"].absent()) fields["key"].Fail("is missing; a label of a rule has a key");
    for (const char* name : {"key", "value", "source", "cidr"}) fields[name].String();
  }
}

bool SelectsInit(const v1::Selector& selector) {
  for (const v1::Requirement& r : selector.requirements()) {
    if (r.key() == "reserved:init") return true;
  }
  return false;
}

void ReadSpec(const YamlValue& value, const std::string& origin, CiliumHome home, v1::PolicyBlock* block) {
  if (value.absent()) value.Fail("is empty; a spec has an endpointSelector and rules");
  const YamlFields fields = value.Fields({"endpointSelector", "ingress", "ingressDeny", "egress",
                                          "egressDeny", "enableDefaultDeny", "description", "labels"},
                                         {"nodeSelector", "log", "order", "priority", "tier"});
  fields["description"].String();
  ReadRuleLabels(fields["labels"]);

  const YamlValue subject = fields["endpointSelector"];
  if (subject.absent() && fields["nodeSelector"].absent() && !value.absent()) {
    subject.Fail("is missing; write {} for every endpoint in the policy's scope");
  }
  *block->mutable_subject() = ReadCiliumSubject(subject, home);
  home.subject_init = SelectsInit(block->subject());

  bool any = false, has_ingress = false, has_egress = false;
  for (const RuleList& list : kRuleLists) {
    const std::vector<YamlValue> items = fields[list.name].Items();
    for (size_t i = 0; i < items.size(); ++i) {
      ReadRule(items[i], list, absl::StrCat(origin, ".", list.name, "[", i, "]"), home, block);
      (list.direction == v1::Rule::INGRESS ? has_ingress : has_egress) = true;
      any = true;
    }
  }
  if (!any && !value.absent()) {
    value.Fail(
        "has no rule; write at least one in ingress, ingressDeny, egress or egressDeny ([{}] closes a "
        "direction)");
  }
  // Without a rule in a direction there is nothing that could close it.
  const YamlFields closed = fields["enableDefaultDeny"].Fields({"ingress", "egress"});
  block->set_default_deny_ingress(closed["ingress"].Bool().value_or(true) && has_ingress);
  block->set_default_deny_egress(closed["egress"].Bool().value_or(true) && has_egress);
}

}  // namespace

void ReadCiliumPolicy(const YamlValue& document, const ParseContext& context, Scope scope,
                      v1::Policy* policy) {
  const YamlFields fields = document.Fields({"apiVersion", "kind", "metadata", "spec", "specs", "status"});
  const ManifestMeta meta = ReadMeta(fields["metadata"], scope, context);
  policy->set_kind(scope == Scope::kCluster ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy");
  policy->set_namespace_(meta.ns);
  policy->set_name(meta.name);
  const CiliumHome home{context.cluster, meta.ns};

  const YamlValue spec = fields["spec"];
  const std::vector<YamlValue> specs = fields["specs"].Items();
  // Origins name the rule within its policy, not within a List that the policy may stand in.
  if (!spec.absent()) ReadSpec(spec, "spec", home, policy->add_blocks());
  for (size_t i = 0; i < specs.size(); ++i) {
    ReadSpec(specs[i], absl::StrCat("specs[", i, "]"), home, policy->add_blocks());
  }
  if (spec.absent() && specs.empty())
    spec.Fail("is missing; a policy has a spec, or specs with at least one");
  fields["status"].Entries();
}

}  // namespace trivium::policy
