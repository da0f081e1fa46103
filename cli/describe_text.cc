#include "cli/describe_text.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "cli/get_table.h"
#include "cli/object_labels.h"
#include "cli/table.h"
#include "cli/text.h"
#include "policy/labels.h"
#include "policy/rule_text.h"
#include "policy/selector.h"
#include "schema/object.h"

namespace trivium::cli {
namespace {

constexpr size_t kColumn = 18;     // where values begin
constexpr size_t kMaxListed = 20;  // of a list that may be long

using Lines = std::vector<std::string>;

// "Name:" with values below one another in one column.
class Sheet {
 public:
  void Add(const std::string& name, const std::string& value) { Add(name, Lines{value}); }
  void Add(const std::string& name, const Lines& values) {
    std::string label = name + ":";
    label.resize(std::max(kColumn, label.size() + 1), ' ');
    if (values.empty()) {
      absl::StrAppend(&text_, label, "<none>\n");
      return;
    }
    size_t listed = 0;
    for (const std::string& value : values) {
      if (listed++ == kMaxListed) {
        absl::StrAppend(&text_, std::string(kColumn, ' '), "... and ", values.size() - kMaxListed, " more\n");
        break;
      }
      absl::StrAppend(&text_, std::exchange(label, std::string(kColumn, ' ')),
                      value.empty() ? "<none>" : value, "\n");
    }
  }
  void Block(const std::string& name, const std::string& text) {
    absl::StrAppend(&text_, name, ":\n");
    size_t from = 0;
    while (from < text.size()) {
      const size_t end = std::min(text.find('\n', from), text.size());
      absl::StrAppend(&text_, "  ", text.substr(from, end - from), "\n");
      from = end + 1;
    }
  }
  std::string text() const { return text_; }

 private:
  std::string text_;
};

template <typename List, typename Text>
Lines Each(const List& list, const Text& text) {
  Lines lines;
  for (const auto& one : list) lines.push_back(text(one));
  return lines;
}

Lines LabelLines(const std::map<std::string, std::string>& labels) {
  return Each(labels, [](const auto& label) { return absl::StrCat(label.first, "=", label.second); });
}

std::string Named(const v1::Policy& policy) {
  return absl::StrCat(policy.kind(), " ", policy.namespace_(), policy.namespace_().empty() ? "" : "/",
                      policy.name());
}

Lines PortLines(const v1::Identity& identity) {
  return Each(identity.named_ports(), [](const v1::NamedPort& port) {
    return absl::StrCat(port.name(), " = ", port.port(), "/", ProtocolText(port.protocol()));
  });
}

bool Directions(const v1::Policy& policy, const v1::Identity& identity, std::string* text) {
  bool selected = false, ingress = false, egress = false;
  for (const v1::PolicyBlock& block : policy.blocks()) {
    if (!policy::Matches(block.subject(), identity)) continue;
    selected = true;
    ingress |= block.default_deny_ingress();
    egress |= block.default_deny_egress();
    for (const v1::Rule& rule : block.rules())
      (rule.direction() == v1::Rule::INGRESS ? ingress : egress) = true;
  }
  *text = absl::StrCat(ingress ? "ingress" : "", ingress && egress ? ", " : "", egress ? "egress" : "");
  return selected;
}

Lines PoliciesOf(const v1::Identity& identity, const Surroundings& around) {
  Lines lines;
  for (const v1::Policy& policy : around.policies) {
    std::string directions;
    if (Directions(policy, identity, &directions)) {
      lines.push_back(absl::StrCat(Named(policy), " (", directions, ")"));
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::string EndpointLine(const v1::Endpoint& endpoint, const Surroundings& around) {
  const auto node = around.nodes.find(endpoint.node());
  return absl::StrCat(endpoint.namespace_(), "/", endpoint.name(), " on ",
                      node == around.nodes.end() ? absl::StrCat("node #", endpoint.node()) : node->second);
}

const v1::ClusterStatus* StatusOf(const Surroundings& around, const std::string& cluster) {
  for (const v1::ClusterStatus& status : around.status.clusters()) {
    if (status.head().cluster() == cluster) return &status;
  }
  return nullptr;
}

std::string RuleLine(const v1::Rule& rule) {
  const bool in = rule.direction() == v1::Rule::INGRESS;
  const std::string peers =
      rule.any_peer() ? "anybody"
      : rule.peers().empty()
          ? "nobody"
          : absl::StrJoin(rule.peers(), " or ",
                          [](std::string* out, const v1::Peer& peer) { *out += policy::PeerText(peer); });
  const std::string ports =
      rule.any_port() ? "every port"
                      : absl::StrJoin(rule.ports(), ", ", [](std::string* out, const v1::PortRange& range) {
                          *out += policy::RangeText(range);
                        });
  return absl::StrCat(rule.origin(), ": ", rule.action() == v1::Rule::DENY ? "deny" : "allow",
                      in ? " from " : " to ", peers, "; ", ports);
}

void DescribePolicy(const v1::Policy& policy, const Surroundings& around, const Style& style, Sheet* sheet) {
  for (int i = 0; i < policy.blocks_size(); ++i) {
    const v1::PolicyBlock& block = policy.blocks(i);
    const std::string subject = SelectorText(block.subject(), policy.namespace_());
    sheet->Add("Selects", subject.empty() ? "every pod in its scope" : subject);
    const bool closes[] = {block.default_deny_ingress(), block.default_deny_egress()};
    for (const v1::Rule::Direction direction : {v1::Rule::INGRESS, v1::Rule::EGRESS}) {
      Lines lines = {closes[direction] ? "closed: what no rule allows is denied"
                                       : "left open by this policy"};
      for (const v1::Rule& rule : block.rules()) {
        if (rule.direction() == direction) lines.push_back(RuleLine(rule));
      }
      sheet->Add(direction == v1::Rule::INGRESS ? "Ingress" : "Egress", lines);
    }
  }
  Lines selected;
  for (const v1::Endpoint& endpoint : around.endpoints) {
    const auto identity = around.identities.find(endpoint.identity());
    if (identity != around.identities.end() && policy::Selects(policy, identity->second)) {
      selected.push_back(EndpointLine(endpoint, around));
    }
  }
  std::sort(selected.begin(), selected.end());
  sheet->Add("Endpoints", selected);
  Lines not_enforced;
  size_t agents = 0;
  if (const v1::ClusterStatus* status = StatusOf(around, around.cluster)) {
    agents = static_cast<size_t>(status->agents_size());
    for (const v1::AgentStatus& agent : status->agents()) {
      for (const v1::NotEnforcedPolicy& missing : agent.not_enforced()) {
        if (missing.kind() != policy.kind() || missing.namespace_() != policy.namespace_() ||
            missing.name() != policy.name()) {
          continue;
        }
        const absl::Duration since = around.now - absl::FromUnixMillis(missing.since_ms());
        not_enforced.push_back(
            style.Bad(absl::StrCat(agent.node(), ", for ", AgeText(since), ": ", missing.reason())));
      }
    }
  }
  if (agents > 0) {
    if (not_enforced.empty()) not_enforced = {absl::StrCat("by none of ", agents, " agents")};
    sheet->Add("Not enforced", not_enforced);
  }
}

void DescribeEndpoint(const v1::Endpoint& endpoint, const Surroundings& around, Sheet* sheet) {
  const auto node = around.nodes.find(endpoint.node());
  sheet->Add("Node", node == around.nodes.end() ? absl::StrCat("#", endpoint.node()) : node->second);
  sheet->Add("Addresses", Each(endpoint.addresses(),
                               [](const v1::EndpointAddress& address) { return IpText(address.ip()); }));
  sheet->Add("Identity", absl::StrCat(endpoint.identity()));
  const auto identity = around.identities.find(endpoint.identity());
  if (identity == around.identities.end()) return;
  sheet->Add("Labels", LabelLines(policy::PodLabelsOf(identity->second)));
  sheet->Add("Service account", policy::LabelOf(identity->second, policy::kServiceAccountLabel));
  sheet->Add("Named ports", PortLines(identity->second));
  sheet->Add("Policies", PoliciesOf(identity->second, around));
}

void DescribeIdentity(const v1::Identity& identity, const Surroundings& around, Sheet* sheet) {
  sheet->Add("Namespace", policy::LabelOf(identity, policy::kNamespaceLabel));
  sheet->Add("Service account", policy::LabelOf(identity, policy::kServiceAccountLabel));
  sheet->Add("Labels", Each(identity.labels(), [](const v1::Label& label) {
               return label.value().empty() ? label.key() : absl::StrCat(label.key(), "=", label.value());
             }));
  sheet->Add("Named ports", PortLines(identity));
  Lines endpoints;
  for (const v1::Endpoint& endpoint : around.endpoints) {
    if (endpoint.identity() == identity.id()) endpoints.push_back(EndpointLine(endpoint, around));
  }
  sheet->Add("Endpoints", endpoints);
  sheet->Add("Policies", PoliciesOf(identity, around));
}

void DescribeAgent(const v1::AgentStatus& agent, const Surroundings& around, const Style& style,
                   Sheet* sheet) {
  const absl::Duration silent = around.now - absl::FromUnixMillis(agent.time_ms());
  sheet->Add("Agent", absl::StrCat(agent.version(), ", heard of ", AgeText(silent), " ago, running for ",
                                   AgeText(absl::Milliseconds(agent.time_ms() - agent.start_ms()))));
  sheet->Add("Endpoints", absl::StrCat(agent.endpoints(), agent.audited_endpoints() == 0
                                                              ? ""
                                                              : absl::StrCat(" (", agent.audited_endpoints(),
                                                                             " audited, not enforced)")));
  Table applied({"CLUSTER", "RECEIVED", "ENFORCED", "HEAD", "PROBLEM"});
  for (const v1::AppliedCluster& one : agent.applied()) {
    const v1::ClusterStatus* status = StatusOf(around, one.cluster());
    applied.AddRow({one.cluster(), absl::StrCat(one.received()), absl::StrCat(one.enforced()),
                    status == nullptr ? "?" : absl::StrCat(status->head().revision()), one.problem()});
  }
  if (!applied.empty()) sheet->Block("Revisions", applied.ToString());
  Table maps({"MAP", "ENTRIES", "CAPACITY", "FULL"});
  for (const v1::MapFill& map : agent.maps()) {
    maps.AddRow({map.name(), absl::StrCat(map.entries()), absl::StrCat(map.capacity()),
                 map.capacity() == 0 ? "?" : absl::StrCat(map.entries() * 100 / map.capacity(), "%")});
  }
  if (!maps.empty()) sheet->Block("Maps", maps.ToString());
  Table drops({"REASON", "PACKETS"});
  for (const v1::DropCount& drop : agent.drops()) {
    if (drop.packets() > 0) drops.AddRow({drop.name(), absl::StrCat(drop.packets())});
  }
  if (!drops.empty()) sheet->Block("Drops", drops.ToString());
  sheet->Add("Not enforced", Each(agent.not_enforced(), [&](const v1::NotEnforcedPolicy& policy) {
               return style.Bad(absl::StrCat(policy.kind(), " ", policy.namespace_(),
                                             policy.namespace_().empty() ? "" : "/", policy.name(), ": ",
                                             policy.reason()));
             }));
}

void DescribeNode(const v1::Node& node, const Surroundings& around, const Style& style, Sheet* sheet) {
  sheet->Add("Number", absl::StrCat(node.number()));
  sheet->Add("Zone", node.zone());
  sheet->Add("Addresses", Each(node.addresses(), [](const std::string& ip) { return IpText(ip); }));
  sheet->Add("In the overlay",
             Each(node.inner_addresses(), [](const std::string& ip) { return IpText(ip); }));
  sheet->Add("Pod CIDRs", Each(node.pod_cidrs(), CidrText));
  sheet->Add("MTU", absl::StrCat(node.mtu()));
  sheet->Add("Boot ID", node.boot_id());
  if (const v1::ClusterStatus* status = StatusOf(around, around.cluster)) {
    for (const v1::AgentStatus& agent : status->agents()) {
      if (agent.node() == node.name()) return DescribeAgent(agent, around, style, sheet);
    }
    if (around.status.clusters_size() > 0)
      sheet->Add("Agent", style.Bad("never heard of by this control plane"));
  }
}

void DescribeNamespace(const v1::Namespace& ns, const Surroundings& around, Sheet* sheet) {
  Lines endpoints, policies;
  for (const v1::Endpoint& endpoint : around.endpoints) {
    if (endpoint.namespace_() == ns.name()) endpoints.push_back(EndpointLine(endpoint, around));
  }
  for (const v1::Policy& policy : around.policies) {
    if (policy.namespace_() == ns.name()) policies.push_back(Named(policy));
  }
  std::sort(endpoints.begin(), endpoints.end());
  std::sort(policies.begin(), policies.end());
  sheet->Add("Endpoints", endpoints);
  sheet->Add("Policies", policies);
}

void DescribeGroup(const v1::CidrGroup& group, const Surroundings& around, Sheet* sheet) {
  sheet->Add("CIDRs", Each(group.cidrs(), CidrText));
  Lines users;
  for (const v1::Policy& policy : around.policies) {
    if (policy::RefersTo(policy, group)) users.push_back(Named(policy));
  }
  std::sort(users.begin(), users.end());
  sheet->Add("Used by", users);
}

void DescribeCluster(const v1::Cluster& cluster, const Surroundings& around, const Style& style,
                     Sheet* sheet) {
  sheet->Add("ID", absl::StrCat(cluster.id()));
  sheet->Add("Region", cluster.region());
  sheet->Add("Address space", absl::StrCat(cluster.address_space()));
  sheet->Add("Pod CIDRs", Each(cluster.pod_cidrs(), CidrText));
  const v1::ClusterStatus* status = StatusOf(around, cluster.name());
  if (status == nullptr) return;
  sheet->Add("Head",
             absl::StrCat("epoch ", status->head().epoch(), ", revision ", status->head().revision()));
  sheet->Add("Mirrored", status->mirrored() ? style.Good("yes") : style.Bad("no, or not whole"));
  sheet->Add("Nodes", absl::StrCat(status->nodes()));
  sheet->Add("Endpoints", absl::StrCat(status->endpoints()));
  sheet->Add("Identities", absl::StrCat(status->identities()));
  sheet->Add("Policies", absl::StrCat(status->policies()));
}

}  // namespace

absl::StatusOr<std::string> DescribeText(const KindInfo& kind, const v1::GetResult::Item& item,
                                         const Surroundings& around, const Style& style) {
  const v1::Object& object = item.object().object();
  Sheet sheet;
  sheet.Add("Kind", kind.name);
  sheet.Add("Name", DisplayName(object));
  if (kind.namespaced) sheet.Add("Namespace", NamespaceOf(object));
  if (!kind.of_mesh) sheet.Add("Cluster", around.cluster);
  if (HasLabels(kind) && !object.has_endpoint() && !object.has_identity()) {
    TRIVIUM_ASSIGN_OR_RETURN(const auto labels, LabelsOf(item, around.identities));
    sheet.Add("Labels", LabelLines(labels));
  }
  const v1::Meta& meta = MetaOf(object);
  sheet.Add("UID", UidText(meta.uid()));
  sheet.Add("Generation", absl::StrCat(meta.generation()));
  sheet.Add("Revision", absl::StrCat(item.object().revision()));
  switch (object.value_case()) {
    case v1::Object::kPolicy:
      DescribePolicy(object.policy(), around, style, &sheet);
      break;
    case v1::Object::kEndpoint:
      DescribeEndpoint(object.endpoint(), around, &sheet);
      break;
    case v1::Object::kIdentity:
      DescribeIdentity(object.identity(), around, &sheet);
      break;
    case v1::Object::kNode:
      DescribeNode(object.node(), around, style, &sheet);
      break;
    case v1::Object::kNamespace:
      DescribeNamespace(object.namespace_(), around, &sheet);
      break;
    case v1::Object::kCidrGroup:
      DescribeGroup(object.cidr_group(), around, &sheet);
      break;
    case v1::Object::kCluster:
      DescribeCluster(object.cluster(), around, style, &sheet);
      break;
    case v1::Object::kRegion:
      sheet.Add("Home", absl::StrCat(object.region().home()));
      {
        Lines clusters;
        for (const v1::Cluster& cluster : around.clusters) {
          if (cluster.region() == object.region().name()) clusters.push_back(cluster.name());
        }
        sheet.Add("Clusters", clusters);
      }
      break;
    case v1::Object::kLiveness:
      sheet.Add("Of", object.liveness().node().empty() ? absl::StrCat("cluster ", object.liveness().cluster())
                                                       : absl::StrCat("node ", object.liveness().cluster(),
                                                                      "/", object.liveness().node()));
      sheet.Add("State", object.liveness().alive() ? style.Good("up") : style.Bad("down"));
      break;
    default:
      break;
  }
  for (const std::string& unknown : around.unknown) sheet.Add("Not known", style.Warn(unknown));
  return sheet.text();
}

}  // namespace trivium::cli
