#include "policy/testing/reference_evaluator.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "policy/testing/reference_cilium.h"
#include "yaml-cpp/yaml.h"

namespace trivium::policy::reference {
namespace {

constexpr char kClusterKey[] = "io.cilium.k8s.policy.cluster";

struct Expression {
  std::string key;
  std::string op;
  std::vector<std::string> values;
};
struct LabelSelector {
  Labels match_labels;
  std::vector<Expression> match_expressions;
};
struct IpBlock {
  std::string cidr;
  std::vector<std::string> except;
};
struct Peer {
  std::optional<LabelSelector> pod_selector;
  std::optional<LabelSelector> namespace_selector;
  std::optional<IpBlock> ip_block;
};
struct Port {
  std::string protocol = "TCP";
  std::optional<std::string> name;
  std::optional<int> number;
  std::optional<int> end;
};
struct Rule {
  std::vector<Peer> peers;
  std::vector<Port> ports;
};
struct NetworkPolicy {
  std::string ns;
  LabelSelector pod_selector;
  bool affects_ingress = false;
  bool affects_egress = false;
  std::vector<Rule> ingress;
  std::vector<Rule> egress;
};

// ---- Reading
// -----------------------------------------------------------------------------------------------------

bool Absent(const YAML::Node& node) { return !node.IsDefined() || node.IsNull(); }

std::string TextOf(const YAML::Node& node) { return Absent(node) ? "" : node.Scalar(); }

LabelSelector ReadSelector(const YAML::Node& node) {
  LabelSelector selector;
  if (Absent(node)) return selector;
  if (const YAML::Node labels = node["matchLabels"]; !Absent(labels)) {
    for (const auto& entry : labels) selector.match_labels[entry.first.Scalar()] = TextOf(entry.second);
  }
  if (const YAML::Node expressions = node["matchExpressions"]; !Absent(expressions)) {
    for (const auto& item : expressions) {
      Expression expression{TextOf(item["key"]), TextOf(item["operator"]), {}};
      if (const YAML::Node values = item["values"]; !Absent(values)) {
        for (const auto& value : values) expression.values.push_back(TextOf(value));
      }
      selector.match_expressions.push_back(std::move(expression));
    }
  }
  return selector;
}

Peer ReadPeer(const YAML::Node& node) {
  Peer peer;
  if (!Absent(node["podSelector"])) peer.pod_selector = ReadSelector(node["podSelector"]);
  if (!Absent(node["namespaceSelector"])) peer.namespace_selector = ReadSelector(node["namespaceSelector"]);
  if (const YAML::Node block = node["ipBlock"]; !Absent(block)) {
    peer.ip_block = IpBlock{TextOf(block["cidr"]), {}};
    if (!Absent(block["except"])) {
      for (const auto& except : block["except"]) peer.ip_block->except.push_back(TextOf(except));
    }
  }
  return peer;
}

Port ReadPort(const YAML::Node& node) {
  Port port;
  if (Absent(node)) return port;
  if (!Absent(node["protocol"])) port.protocol = TextOf(node["protocol"]);
  if (const YAML::Node number = node["port"]; !Absent(number)) {
    const std::string text = number.Scalar();
    if (std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      port.number = std::stoi(text);
    } else {
      port.name = text;
    }
  }
  if (!Absent(node["endPort"])) port.end = node["endPort"].as<int>();
  return port;
}

std::vector<Rule> ReadRules(const YAML::Node& node, const char* peers) {
  std::vector<Rule> rules;
  if (Absent(node)) return rules;
  for (const auto& item : node) {
    Rule rule;
    if (!Absent(item) && !Absent(item[peers])) {
      for (const auto& peer : item[peers]) rule.peers.push_back(ReadPeer(peer));
    }
    if (!Absent(item) && !Absent(item["ports"])) {
      for (const auto& port : item["ports"]) rule.ports.push_back(ReadPort(port));
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

NetworkPolicy ReadPolicy(const YAML::Node& document) {
  NetworkPolicy policy;
  const YAML::Node ns = document["metadata"]["namespace"];
  policy.ns = Absent(ns) || ns.Scalar().empty() ? "default" : ns.Scalar();
  const YAML::Node spec = Absent(document["spec"]) ? YAML::Node(YAML::NodeType::Map) : document["spec"];
  policy.pod_selector = ReadSelector(spec["podSelector"]);
  policy.ingress = ReadRules(spec["ingress"], "from");
  policy.egress = ReadRules(spec["egress"], "to");
  const YAML::Node types = spec["policyTypes"];
  if (Absent(types) || types.size() == 0) {
    // "If this field is not specified, it will default based on the existence of ingress or egress rules;
    // policies that contain an egress section are assumed to affect egress, and all policies are assumed to
    // affect ingress."
    policy.affects_ingress = true;
    policy.affects_egress = !policy.egress.empty();
  } else {
    for (const auto& type : types) {
      policy.affects_ingress = policy.affects_ingress || TextOf(type) == "Ingress";
      policy.affects_egress = policy.affects_egress || TextOf(type) == "Egress";
    }
  }
  return policy;
}

// ---- Meaning
// -----------------------------------------------------------------------------------------------------

bool Selects(const LabelSelector& selector, const Labels& labels) {
  for (const auto& [key, value] : selector.match_labels) {
    const auto it = labels.find(key);
    if (it == labels.end() || it->second != value) return false;
  }
  for (const Expression& expression : selector.match_expressions) {
    const auto it = labels.find(expression.key);
    const bool has = it != labels.end();
    bool among = false;
    for (const std::string& value : expression.values) among = among || (has && it->second == value);
    if (expression.op == "In" && !among) return false;
    if (expression.op == "NotIn" && among) return false;
    if (expression.op == "Exists" && !has) return false;
    if (expression.op == "DoesNotExist" && has) return false;
  }
  return true;
}

bool NamesCluster(const std::optional<LabelSelector>& selector) {
  if (!selector.has_value()) return false;
  if (selector->match_labels.count(kClusterKey) != 0) return true;
  for (const Expression& expression : selector->match_expressions) {
    if (expression.key == kClusterKey) return true;
  }
  return false;
}

}  // namespace

struct Evaluator::State {
  struct Cluster {
    std::map<std::string, Labels> namespaces;
    std::map<std::pair<std::string, std::string>, NetworkPolicy> policies;  // by namespace and name
    std::map<std::pair<std::string, std::string>, CiliumPolicy>
        cilium;  // clusterwide ones without a namespace
    CidrGroups groups;
  };
  std::map<std::string, Cluster> clusters;

  Labels NamespaceLabels(const Pod& pod) const {
    const auto cluster = clusters.find(pod.cluster);
    if (cluster != clusters.end()) {
      const auto ns = cluster->second.namespaces.find(pod.ns);
      if (ns != cluster->second.namespaces.end()) return ns->second;
    }
    return Labels{{"kubernetes.io/metadata.name", pod.ns}};
  }

  // What selectors of pods see: the pod's own labels and what the mesh says of it, as in the field's
  // identities.
  Labels SelectableLabels(const Pod& pod) const {
    Labels labels;
    for (const auto& [key, value] : pod.labels) {
      if (key.rfind("io.cilium.k8s.namespace.labels.", 0) != 0) labels[key] = value;
    }
    for (const auto& [key, value] : NamespaceLabels(pod)) {
      labels["io.cilium.k8s.namespace.labels." + key] = value;
    }
    labels["io.kubernetes.pod.namespace"] = pod.ns;
    labels["io.cilium.k8s.policy.serviceaccount"] = pod.service_account;
    labels[kClusterKey] = pod.cluster;
    return labels;
  }

  bool PeerMatches(const Peer& peer, const std::string& cluster, const std::string& ns,
                   const Party& party) const {
    if (peer.ip_block.has_value()) {
      if (party.pod.has_value() || !IsWithin(party.address, peer.ip_block->cidr)) return false;
      for (const std::string& except : peer.ip_block->except) {
        if (IsWithin(party.address, except)) return false;
      }
      return true;
    }
    if (!party.pod.has_value()) return false;
    const Pod& pod = *party.pod;
    if (!NamesCluster(peer.pod_selector) && !NamesCluster(peer.namespace_selector) && pod.cluster != cluster)
      return false;
    if (peer.namespace_selector.has_value()) {
      Labels namespace_labels = NamespaceLabels(pod);
      namespace_labels[kClusterKey] = pod.cluster;
      if (!Selects(*peer.namespace_selector, namespace_labels)) return false;
    } else if (pod.ns != ns) {
      return false;
    }
    return !peer.pod_selector.has_value() || Selects(*peer.pod_selector, SelectableLabels(pod));
  }

  // `server` is who is connected to: named ports are its own.
  static bool PortMatches(const Port& port, const Connection& connection) {
    if (port.protocol != connection.protocol) return false;
    if (port.name.has_value()) {
      if (!connection.to.pod.has_value()) return false;
      for (const NamedPort& named : connection.to.pod->ports) {
        if (named.name == *port.name && named.protocol == port.protocol && named.port == connection.port)
          return true;
      }
      return false;
    }
    if (!port.number.has_value()) return true;
    return *port.number <= connection.port && connection.port <= port.end.value_or(*port.number);
  }

  bool RuleMatches(const Rule& rule, const std::string& cluster, const std::string& ns, const Party& party,
                   const Connection& connection) const {
    bool peer = rule.peers.empty();
    for (const Peer& one : rule.peers) peer = peer || PeerMatches(one, cluster, ns, party);
    bool port = rule.ports.empty();
    for (const Port& one : rule.ports) port = port || PortMatches(one, connection);
    return peer && port;
  }

  CiliumParty PartyOf(const Party& party) const {
    CiliumParty out;
    if (!party.pod.has_value()) {
      out.address = party.address;
      out.labels["reserved:world"] = "";
      out.labels[party.address.find(':') == std::string::npos ? "reserved:world-ipv4"
                                                              : "reserved:world-ipv6"] = "";
      return out;
    }
    const Pod& pod = *party.pod;
    for (const auto& [key, value] : SelectableLabels(pod)) out.labels["k8s:" + key] = value;
    for (const NamedPort& port : pod.ports) out.ports.push_back({port.name, port.protocol, port.port});
    return out;
  }

  bool Judge(const Pod& subject, const Party& party, bool ingress, const Connection& connection) const {
    const auto cluster = clusters.find(subject.cluster);
    if (cluster == clusters.end()) return true;
    CiliumVerdict verdict;
    const CiliumParty self = PartyOf(Party{subject, ""});
    const CiliumParty peer = PartyOf(party);
    for (const auto& [key, policy] : cluster->second.cilium) {
      JudgeReferenceCilium(policy, cluster->second.groups, subject.cluster, self, peer, ingress,
                           connection.protocol, connection.port, &verdict);
    }
    const NetworkVerdict network = JudgeNetworkPolicies(subject, party, ingress, connection, cluster->second);
    if (verdict.denied) return false;
    if (verdict.allowed || network.allowed) return true;
    return !verdict.closed && !network.isolated;
  }

  struct NetworkVerdict {
    bool isolated = false;
    bool allowed = false;
  };
  NetworkVerdict JudgeNetworkPolicies(const Pod& subject, const Party& party, bool ingress,
                                      const Connection& connection, const Cluster& cluster) const {
    NetworkVerdict verdict;
    const Labels labels = SelectableLabels(subject);
    for (const auto& [key, policy] : cluster.policies) {
      if (policy.ns != subject.ns || !Selects(policy.pod_selector, labels)) continue;
      if (ingress ? !policy.affects_ingress : !policy.affects_egress) continue;
      verdict.isolated = true;
      for (const Rule& rule : ingress ? policy.ingress : policy.egress) {
        if (RuleMatches(rule, subject.cluster, policy.ns, party, connection)) verdict.allowed = true;
      }
    }
    return verdict;
  }

  void ApplyOne(const std::string& cluster, const YAML::Node& document) {
    if (Absent(document)) return;
    const std::string kind = TextOf(document["kind"]);
    if (kind == "List") {
      if (!Absent(document["items"])) {
        for (const auto& item : document["items"]) ApplyOne(cluster, item);
      }
    } else if (kind == "Namespace") {
      Labels labels;
      if (const YAML::Node node = document["metadata"]["labels"]; !Absent(node)) {
        for (const auto& entry : node) labels[entry.first.Scalar()] = TextOf(entry.second);
      }
      const std::string name = TextOf(document["metadata"]["name"]);
      labels["kubernetes.io/metadata.name"] = name;
      clusters[cluster].namespaces[name] = std::move(labels);
    } else if (kind == "CiliumCIDRGroup") {
      clusters[cluster].groups[TextOf(document["metadata"]["name"])] = ReadReferenceGroup(document);
    } else if (kind == "CiliumNetworkPolicy" || kind == "CiliumClusterwideNetworkPolicy") {
      std::string ns;
      if (kind == "CiliumNetworkPolicy") {
        ns = TextOf(document["metadata"]["namespace"]);
        if (ns.empty()) ns = "default";
      }
      clusters[cluster].cilium[{ns, TextOf(document["metadata"]["name"])}] =
          ReadReferenceCilium(document, cluster, ns);
    } else {
      NetworkPolicy policy = ReadPolicy(document);
      const auto key = std::make_pair(policy.ns, TextOf(document["metadata"]["name"]));
      clusters[cluster].policies[key] = std::move(policy);
    }
  }
};

Evaluator::Evaluator() : state_(std::make_unique<State>()) {}
Evaluator::Evaluator(const Evaluator& other) : state_(std::make_unique<State>(*other.state_)) {}
Evaluator::~Evaluator() = default;

void Evaluator::PutNamespace(const std::string& cluster, const std::string& name, Labels labels) {
  labels["kubernetes.io/metadata.name"] = name;
  state_->clusters[cluster].namespaces[name] = std::move(labels);
}

void Evaluator::DeleteNamespace(const std::string& cluster, const std::string& name) {
  State::Cluster& home = state_->clusters[cluster];
  home.namespaces.erase(name);
  std::erase_if(home.policies, [&](const auto& entry) { return entry.first.first == name; });
  std::erase_if(home.cilium, [&](const auto& entry) { return entry.first.first == name; });
}

void Evaluator::Apply(const std::string& cluster, const std::string& yaml) {
  for (const YAML::Node& document : YAML::LoadAll(yaml)) state_->ApplyOne(cluster, document);
}

void Evaluator::Delete(const std::string& cluster, const std::string& kind, const std::string& ns,
                       const std::string& name) {
  State::Cluster& home = state_->clusters[cluster];
  if (kind == "CiliumCIDRGroup") {
    home.groups.erase(name);
  } else if (kind == "NetworkPolicy") {
    home.policies.erase({ns, name});
  } else {
    home.cilium.erase({ns, name});
  }
}

bool Evaluator::EgressAllows(const Connection& connection) const {
  return !connection.from.pod.has_value() ||
         state_->Judge(*connection.from.pod, connection.to, false, connection);
}

bool Evaluator::IngressAllows(const Connection& connection) const {
  return !connection.to.pod.has_value() ||
         state_->Judge(*connection.to.pod, connection.from, true, connection);
}

bool Evaluator::Allows(const Connection& connection) const {
  return EgressAllows(connection) && IngressAllows(connection);
}

}  // namespace trivium::policy::reference
