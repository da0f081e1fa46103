// networking.k8s.io/v1 NetworkPolicy. The meaning of what is absent, null or empty is that of the API server:
// null is absent; an absent or empty `from`, `to` or `ports` restricts nothing; a rule {} (or null) is
// everything; a peer {} is a fault.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "policy/cidr.h"
#include "policy/labels.h"
#include "policy/manifest.h"
#include "policy/selector.h"

namespace trivium::policy {
namespace {

constexpr char kSource[] = "k8s:";
constexpr int64_t kMaxPort = 65535;

struct Home {
  std::string cluster;
  std::string ns;
};

// Who the selectors of a peer (or the subject) mean, its scope written out. Without a namespace selector it
// is the policy's own namespace; unless a key names the cluster, it is the policy's own cluster.
v1::Selector MakeSelector(const YamlValue& pods, const YamlValue& namespaces, const Home& home,
                          bool may_leave_cluster) {
  v1::Selector selector;
  bool names_cluster = false;
  const auto add = [&](std::vector<v1::Requirement> requirements, absl::string_view prefix) {
    for (v1::Requirement& requirement : requirements) {
      const bool cluster = requirement.key() == absl::StripPrefix(kClusterLabel, kSource);
      names_cluster = names_cluster || cluster;
      requirement.set_key(absl::StrCat(cluster ? kSource : prefix, requirement.key()));
      *selector.add_requirements() = std::move(requirement);
    }
  };
  add(ReadLabelSelector(pods), kSource);
  add(ReadLabelSelector(namespaces), kNamespaceLabelsPrefix);
  if (namespaces.absent()) {
    Require(&selector, kNamespaceLabel, v1::Requirement::IN, &home.ns);
  } else {
    // Only pods have one: negations alone must not reach a host or the world.
    Require(&selector, kNamespaceLabel, v1::Requirement::EXISTS);
  }
  if (!names_cluster || !may_leave_cluster)
    Require(&selector, kClusterLabel, v1::Requirement::IN, &home.cluster);
  Normalize(&selector);
  return selector;
}

void ReadIpBlock(const YamlValue& value, v1::CidrPeer* peer) {
  const YamlFields fields = value.Fields({"cidr", "except"});
  const std::optional<v1::Cidr> cidr = ReadCidr(fields["cidr"]);
  if (cidr.has_value()) *peer->mutable_cidr() = *cidr;
  for (const YamlValue& item : fields["except"].Items()) {
    const std::optional<v1::Cidr> except = ReadCidr(item);
    if (!except.has_value() || !cidr.has_value()) continue;
    if (!Covers(*cidr, *except) || except->length() == cidr->length()) {
      item.Fail(absl::StrCat(CidrText(*except), " is not a part of ", CidrText(*cidr),
                             "; an exception lies inside its cidr and is smaller"));
    }
    *peer->add_except() = *except;
  }
}

void ReadPeer(const YamlValue& value, const Home& home, v1::Rule* rule) {
  const YamlFields fields = value.Fields({"podSelector", "namespaceSelector", "ipBlock"});
  const YamlValue pods = fields["podSelector"];
  const YamlValue namespaces = fields["namespaceSelector"];
  const YamlValue block = fields["ipBlock"];
  if (!block.absent()) {
    if (!pods.absent() || !namespaces.absent()) {
      block.Fail("an ipBlock stands alone; put selectors into a peer of their own");
    }
    ReadIpBlock(block, rule->add_peers()->mutable_cidr());
  } else if (!pods.absent() || !namespaces.absent()) {
    *rule->add_peers()->mutable_labels() = MakeSelector(pods, namespaces, home, true);
  } else {
    value.Fail(
        "a peer must say whom it means: podSelector, namespaceSelector (both may be {} for all) or ipBlock; "
        "leave the whole "
        "list out for everyone");
  }
}

std::optional<uint32_t> ReadPortNumber(const YamlValue& value) {
  const std::optional<int64_t> number = value.Integer();
  if (!number.has_value()) return std::nullopt;
  if (*number < 1 || *number > kMaxPort) {
    value.Fail(absl::StrCat(*number, " is no port; ports are 1 to ", kMaxPort));
    return std::nullopt;
  }
  return static_cast<uint32_t>(*number);
}

void ReadPort(const YamlValue& value, v1::PortRange* range) {
  const YamlFields fields = value.Fields({"protocol", "port", "endPort"});
  range->set_protocol(v1::PROTOCOL_TCP);
  if (const YamlValue protocol = fields["protocol"]; !protocol.absent()) {
    const std::optional<std::string> name = protocol.String();
    if (name == "UDP") {
      range->set_protocol(v1::PROTOCOL_UDP);
    } else if (name == "SCTP") {
      range->set_protocol(v1::PROTOCOL_SCTP);
    } else if (name.has_value() && name != "TCP") {
      protocol.Fail(absl::StrCat("\"", *name, "\" is no protocol; protocols are TCP, UDP and SCTP"));
    }
  }
  const YamlValue port = fields["port"];
  const YamlValue end = fields["endPort"];
  const std::optional<uint32_t> last = ReadPortNumber(end);
  if (port.absent()) {
    if (!end.absent()) end.Fail("an endPort needs a numeric port beside it");
  } else if (port.IsInteger()) {
    const std::optional<uint32_t> first = ReadPortNumber(port);
    range->set_first(first.value_or(0));
    range->set_last(last.value_or(first.value_or(0)));
    if (first.has_value() && last.has_value() && *last < *first) {
      end.Fail(absl::StrCat(*last, " is below port ", *first, "; a range ends at or above its port"));
    }
  } else if (const std::optional<std::string> name = port.String(); name.has_value()) {
    if (!IsPortName(*name) || absl::AsciiStrToLower(*name) != *name) {
      port.Fail(absl::StrCat("\"", *name,
                             "\" is no port name; a name is 1 to 15 lower-case letters, digits and single "
                             "'-', with at least one "
                             "letter; a number stands without quotes"));
    }
    if (!end.absent()) end.Fail("an endPort needs a numeric port beside it, not a name");
    range->set_name(*name);
  }
}

void ReadRule(const YamlValue& value, v1::Rule::Direction direction, size_t number, const Home& home,
              v1::Rule* rule) {
  rule->set_direction(direction);
  rule->set_action(v1::Rule::ALLOW);
  // Not the value's path: in a List that has the item in front, and the rule is the same.
  rule->set_origin(
      absl::StrCat("spec.", direction == v1::Rule::INGRESS ? "ingress[" : "egress[", number, "]"));
  const char* peers = direction == v1::Rule::INGRESS ? "from" : "to";
  const YamlFields fields = value.Fields({peers, "ports"});
  const std::vector<YamlValue> peer_items = fields[peers].Items();
  for (const YamlValue& item : peer_items) ReadPeer(item, home, rule);
  rule->set_any_peer(peer_items.empty());
  const std::vector<YamlValue> port_items = fields["ports"].Items();
  for (const YamlValue& item : port_items) ReadPort(item, rule->add_ports());
  rule->set_any_port(port_items.empty());
}

struct Directions {
  bool ingress = false;
  bool egress = false;
};

Directions ReadPolicyTypes(const YamlValue& value, bool has_egress_rules) {
  const std::vector<YamlValue> items = value.Items();
  if (items.empty()) return Directions{true, has_egress_rules};
  Directions directions;
  for (const YamlValue& item : items) {
    const std::string name = item.String().value_or("");
    if (name == "Ingress") {
      directions.ingress = true;
    } else if (name == "Egress") {
      directions.egress = true;
    } else {
      item.Fail(absl::StrCat("\"", name, "\" is no policy type; types are Ingress and Egress"));
    }
  }
  if (items.size() > 2) value.Fail("more than two policy types; there are Ingress and Egress");
  return directions;
}

}  // namespace

void ReadNetworkPolicy(const YamlValue& document, const ParseContext& context, v1::Policy* policy) {
  const YamlFields fields = document.Fields({"apiVersion", "kind", "metadata", "spec", "status"});
  const ManifestMeta meta = ReadMeta(fields["metadata"], Scope::kNamespaced, context);
  policy->set_kind("NetworkPolicy");
  policy->set_namespace_(meta.ns);
  policy->set_name(meta.name);
  const Home home{context.cluster, meta.ns};

  const YamlValue spec_value = fields["spec"];
  const YamlFields spec = spec_value.Fields({"podSelector", "policyTypes", "ingress", "egress"});
  v1::PolicyBlock* block = policy->add_blocks();
  const YamlValue no_namespaces(nullptr, spec_value.line(), "", nullptr);
  *block->mutable_subject() = MakeSelector(spec["podSelector"], no_namespaces, home, false);

  const std::vector<YamlValue> ingress = spec["ingress"].Items();
  const std::vector<YamlValue> egress = spec["egress"].Items();
  const Directions directions = ReadPolicyTypes(spec["policyTypes"], !egress.empty());
  block->set_default_deny_ingress(directions.ingress);
  block->set_default_deny_egress(directions.egress);

  // Rules of a direction that policyTypes leaves out are checked, and mean nothing.
  v1::Rule unused;
  for (size_t i = 0; i < ingress.size(); ++i) {
    ReadRule(ingress[i], v1::Rule::INGRESS, i, home, directions.ingress ? block->add_rules() : &unused);
  }
  for (size_t i = 0; i < egress.size(); ++i) {
    ReadRule(egress[i], v1::Rule::EGRESS, i, home, directions.egress ? block->add_rules() : &unused);
  }
  fields["status"].Fields({"conditions"})["conditions"].Items();
}

}  // namespace trivium::policy
