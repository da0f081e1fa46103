#include "cli/get_table.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/table.h"
#include "cli/text.h"
#include "policy/labels.h"
#include "schema/object.h"

namespace trivium::cli {
namespace {

using Row = std::vector<std::string>;

struct Columns {
  Row always;
  Row wide;
};

Columns Head(v1::Kind kind) {
  switch (kind) {
    case v1::KIND_POLICY:
      return {{"NAME", "POD-SELECTOR", "TYPES", "REVISION"}, {"RULES", "GENERATION", "UID"}};
    case v1::KIND_CIDR_GROUP:
      return {{"NAME", "CIDRS", "REVISION"}, {"LABELS", "GENERATION", "UID"}};
    case v1::KIND_NAMESPACE:
      return {{"NAME", "REVISION"}, {"LABELS"}};
    case v1::KIND_ENDPOINT:
      return {{"NAME", "NODE", "IP", "IDENTITY", "REVISION"}, {"LABELS", "UID"}};
    case v1::KIND_IDENTITY:
      return {{"ID", "CLUSTER", "NAMESPACE", "LABELS"}, {"SERVICE-ACCOUNT", "NAMED-PORTS", "REVISION"}};
    case v1::KIND_NODE:
      return {{"NAME", "NUMBER", "INTERNAL-IP", "POD-CIDRS", "ZONE"},
              {"OVERLAY-IP", "MTU", "BOOT-ID", "REVISION"}};
    case v1::KIND_CLUSTER:
      return {{"NAME", "ID", "REGION", "POD-CIDRS"}, {"ADDRESS-SPACE", "REVISION"}};
    case v1::KIND_LIVENESS:
      return {{"CLUSTER", "NODE", "STATE", "REVISION"}, {"CHANGES"}};
    case v1::KIND_REGION:
      return {{"NAME", "HOME"}, {"REVISION"}};
    default:
      return {{"NAME", "REVISION"}, {}};
  }
}

template <typename List>
std::string Ips(const List& list) {
  return absl::StrJoin(list, ",",
                       [](std::string* out, const std::string& ip) { absl::StrAppend(out, IpText(ip)); });
}

template <typename List>
std::string Cidrs(const List& list) {
  return absl::StrJoin(list, ",",
                       [](std::string* out, const v1::Cidr& cidr) { absl::StrAppend(out, CidrText(cidr)); });
}

template <typename Map>
std::string Labels(const Map& labels) {
  return absl::StrJoin(std::map<std::string, std::string>(labels.begin(), labels.end()), ",",
                       absl::PairFormatter("="));
}

Row PolicyRow(const v1::Policy& policy, const std::string& revision) {
  std::vector<std::string> subjects;
  bool ingress = false;
  bool egress = false;
  int rules = 0;
  for (const v1::PolicyBlock& block : policy.blocks()) {
    subjects.push_back(SelectorText(block.subject(), policy.namespace_()));
    ingress |= block.default_deny_ingress();
    egress |= block.default_deny_egress();
    rules += block.rules_size();
  }
  std::vector<std::string> types;
  if (ingress) types.push_back("Ingress");
  if (egress) types.push_back("Egress");
  return {policy.name(),
          absl::StrJoin(subjects, ";"),
          absl::StrJoin(types, ","),
          revision,
          absl::StrCat(rules),
          absl::StrCat(policy.meta().generation()),
          UidText(policy.meta().uid())};
}

Row EndpointRow(const v1::Endpoint& endpoint, const std::string& cluster, const std::string& revision,
                const GetView& view) {
  const auto node = view.nodes.find({cluster, endpoint.node()});
  const auto identity = view.identities.find(endpoint.identity());
  const std::string ips =
      absl::StrJoin(endpoint.addresses(), ",", [](std::string* out, const v1::EndpointAddress& address) {
        absl::StrAppend(out, IpText(address.ip()));
      });
  return {endpoint.name(),
          node != view.nodes.end() ? node->second : absl::StrCat("#", endpoint.node()),
          ips,
          absl::StrCat(endpoint.identity()),
          revision,
          identity != view.identities.end() ? PodLabelsText(identity->second) : "",
          UidText(endpoint.meta().uid())};
}

Row IdentityRow(const v1::Identity& identity, const std::string& revision) {
  const std::string ports =
      absl::StrJoin(identity.named_ports(), ",", [](std::string* out, const v1::NamedPort& port) {
        absl::StrAppend(out, port.name(), "=", port.port(), "/", ProtocolText(port.protocol()));
      });
  return {absl::StrCat(identity.id()),
          policy::LabelOf(identity, policy::kClusterLabel),
          policy::LabelOf(identity, policy::kNamespaceLabel),
          PodLabelsText(identity),
          policy::LabelOf(identity, policy::kServiceAccountLabel),
          ports,
          revision};
}

Row RowOf(const v1::GetResult::Item& item, const std::string& of, const GetView& view) {
  const v1::Object& object = item.object().object();
  const std::string revision = absl::StrCat(item.object().revision());
  switch (KindOf(object)) {
    case v1::KIND_POLICY:
      return PolicyRow(object.policy(), revision);
    case v1::KIND_CIDR_GROUP: {
      const v1::CidrGroup& group = object.cidr_group();
      return {group.name(),
              Cidrs(group.cidrs()),
              revision,
              Labels(group.labels()),
              absl::StrCat(group.meta().generation()),
              UidText(group.meta().uid())};
    }
    case v1::KIND_NAMESPACE:
      return {object.namespace_().name(), revision, Labels(object.namespace_().labels())};
    case v1::KIND_ENDPOINT:
      return EndpointRow(object.endpoint(), of, revision, view);
    case v1::KIND_IDENTITY:
      return IdentityRow(object.identity(), revision);
    case v1::KIND_NODE: {
      const v1::Node& node = object.node();
      return {node.name(), absl::StrCat(node.number()), Ips(node.addresses()),    Cidrs(node.pod_cidrs()),
              node.zone(), Ips(node.inner_addresses()), absl::StrCat(node.mtu()), node.boot_id(),
              revision};
    }
    case v1::KIND_CLUSTER: {
      const v1::Cluster& cluster = object.cluster();
      return {cluster.name(),
              absl::StrCat(cluster.id()),
              cluster.region(),
              Cidrs(cluster.pod_cidrs()),
              absl::StrCat(cluster.address_space()),
              revision};
    }
    case v1::KIND_LIVENESS: {
      const v1::Liveness& seen = object.liveness();
      return {seen.cluster(), seen.node().empty() ? "(all)" : seen.node(), seen.alive() ? "up" : "down",
              revision, absl::StrCat(seen.meta().generation())};
    }
    case v1::KIND_REGION:
      return {object.region().name(), absl::StrCat(object.region().home()), revision};
    default:
      return {KeyOf(object).key, revision};
  }
}

}  // namespace

std::string NamespaceOf(const v1::Object& object) {
  if (object.has_endpoint()) return object.endpoint().namespace_();
  if (object.has_policy()) return object.policy().namespace_();
  return "";
}

std::string DisplayName(const v1::Object& object) {
  if (object.has_endpoint()) return object.endpoint().name();
  if (object.has_policy()) return object.policy().name();
  return KeyOf(object).key;
}

std::string GetTable(const KindInfo& kind, absl::Span<const v1::GetResult::Item> items, const GetView& view) {
  const Columns columns = Head(kind.kind);
  const bool with_namespace = view.with_namespace && kind.namespaced;
  // An identity's own column says it.
  const bool with_cluster = !view.clusters.empty() && kind.kind != v1::KIND_IDENTITY;
  Row head;
  if (!view.events.empty()) head.push_back("EVENT");
  if (with_cluster) head.push_back(kind.kind == v1::KIND_LIVENESS ? "OBSERVER" : "CLUSTER");
  if (with_namespace) head.push_back("NAMESPACE");
  head.insert(head.end(), columns.always.begin(), columns.always.end());
  if (view.wide) head.insert(head.end(), columns.wide.begin(), columns.wide.end());
  const size_t cells = head.size();

  Table table(std::move(head));
  for (size_t i = 0; i < items.size(); ++i) {
    const v1::GetResult::Item& item = items[i];
    const std::string cluster = with_cluster ? view.clusters[i] : "";
    Row row;
    if (!view.events.empty()) row.push_back(view.events[i]);
    if (with_cluster) row.push_back(cluster);
    if (with_namespace) row.push_back(NamespaceOf(item.object().object()));
    Row own = RowOf(item, cluster, view);
    if (view.with_kind) own[0] = absl::StrCat(kind.resource, "/", own[0]);
    for (std::string& cell : own) {
      if (row.size() < cells) row.push_back(std::move(cell));
    }
    table.AddRow(std::move(row));
  }
  return table.ToString(view.with_head, view.widths);
}

std::string GetNames(const KindInfo& kind, absl::Span<const v1::GetResult::Item> items) {
  std::string out;
  for (const v1::GetResult::Item& item : items) {
    absl::StrAppend(&out, kind.resource, "/", DisplayName(item.object().object()), "\n");
  }
  return out;
}

}  // namespace trivium::cli
