#include "policy/testing/reference_cilium.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace trivium::policy::reference {
namespace {

const char kNamespace[] = "io.kubernetes.pod.namespace";
const char kNamespaceLabels[] = "io.cilium.k8s.namespace.labels.";
const char kCluster[] = "io.cilium.k8s.policy.cluster";

bool Absent(const YAML::Node& node) { return !node.IsDefined() || node.IsNull(); }
std::string TextOf(const YAML::Node& node) { return Absent(node) ? "" : node.Scalar(); }

std::string Lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// ---- Selectors ----

std::string WithSource(const std::string& key) {
  return key.find(':') == std::string::npos ? "any:" + key : key;
}

CiliumSelector ReadSelector(const YAML::Node& node, bool sources) {
  CiliumSelector selector;
  if (Absent(node)) return selector;
  const auto key = [&](const std::string& text) { return sources ? WithSource(text) : text; };
  if (!Absent(node["matchLabels"])) {
    for (const auto& entry : node["matchLabels"]) {
      selector.push_back({key(entry.first.Scalar()), "In", {TextOf(entry.second)}});
    }
  }
  if (!Absent(node["matchExpressions"])) {
    for (const auto& item : node["matchExpressions"]) {
      CiliumExpression expression{key(TextOf(item["key"])), TextOf(item["operator"]), {}};
      if (!Absent(item["values"])) {
        for (const auto& value : item["values"]) expression.values.push_back(TextOf(value));
      }
      selector.push_back(expression);
    }
  }
  return selector;
}

bool Holds(const CiliumExpression& expression, const SourcedLabels& labels) {
  bool has = false, among = false;
  for (const auto& [key, value] : labels) {
    bool same = key == expression.key;
    if (expression.key.rfind("any:", 0) == 0)
      same = key.substr(key.find(':') + 1) == expression.key.substr(4);
    if (!same) continue;
    has = true;
    among = among || std::count(expression.values.begin(), expression.values.end(), value) > 0;
  }
  if (expression.op == "In") return among;
  if (expression.op == "NotIn") return !among;
  if (expression.op == "Exists") return has;
  return !has;
}

bool Selects(const CiliumSelector& selector, const SourcedLabels& labels) {
  for (const CiliumExpression& expression : selector) {
    if (!Holds(expression, labels)) return false;
  }
  return true;
}

// Whether some key is "k8s:<name>" or "any:<name>" (or begins so).
bool Names(const CiliumSelector& selector, const std::string& name, bool prefix) {
  for (const CiliumExpression& expression : selector) {
    for (const char* source : {"k8s:", "any:"}) {
      const std::string wanted = source + name;
      if (expression.key == wanted || (prefix && expression.key.rfind(wanted, 0) == 0)) return true;
    }
  }
  return false;
}

bool NamesReserved(const CiliumSelector& selector) {
  for (const CiliumExpression& expression : selector) {
    if (expression.key.rfind("reserved:", 0) == 0) return true;
  }
  return false;
}

bool NamesInit(const CiliumSelector& selector) {
  for (const CiliumExpression& expression : selector) {
    if (expression.key == "reserved:init") return true;
  }
  return false;
}

CiliumSelector ScopedPeer(CiliumSelector selector, const std::string& cluster, const std::string& ns,
                          bool subject_is_init) {
  if (NamesReserved(selector)) return selector;
  const CiliumSelector written = selector;
  if (!Names(written, kNamespace, false)) {
    if (ns.empty()) {
      if (!subject_is_init) selector.push_back({std::string("k8s:") + kNamespace, "Exists", {}});
    } else if (!Names(written, kNamespaceLabels, true)) {
      selector.push_back({std::string("k8s:") + kNamespace, "In", {ns}});
    }
  }
  if (!Names(written, kCluster, false)) selector.push_back({std::string("k8s:") + kCluster, "In", {cluster}});
  return selector;
}

// ---- Rules ----

int IcmpType(const std::string& text, bool six) {
  static const std::map<std::string, int> kFour = {{"EchoReply", 0},
                                                   {"DestinationUnreachable", 3},
                                                   {"Redirect", 5},
                                                   {"Echo", 8},
                                                   {"EchoRequest", 8},
                                                   {"RouterAdvertisement", 9},
                                                   {"RouterSelection", 10},
                                                   {"TimeExceeded", 11},
                                                   {"ParameterProblem", 12},
                                                   {"Timestamp", 13},
                                                   {"TimestampReply", 14},
                                                   {"Photuris", 40},
                                                   {"ExtendedEchoRequest", 42},
                                                   {"ExtendedEchoReply", 43}};
  static const std::map<std::string, int> kSix = {{"DestinationUnreachable", 1},
                                                  {"PacketTooBig", 2},
                                                  {"TimeExceeded", 3},
                                                  {"ParameterProblem", 4},
                                                  {"EchoRequest", 128},
                                                  {"EchoReply", 129},
                                                  {"MulticastListenerQuery", 130},
                                                  {"MulticastListenerReport", 131},
                                                  {"MulticastListenerDone", 132},
                                                  {"RouterSolicitation", 133},
                                                  {"RouterAdvertisement", 134},
                                                  {"NeighborSolicitation", 135},
                                                  {"NeighborAdvertisement", 136},
                                                  {"RedirectMessage", 137},
                                                  {"RouterRenumbering", 138},
                                                  {"ICMPNodeInformationQuery", 139},
                                                  {"ICMPNodeInformationResponse", 140},
                                                  {"InverseNeighborDiscoverySolicitation", 141},
                                                  {"InverseNeighborDiscoveryAdvertisement", 142},
                                                  {"HomeAgentAddressDiscoveryRequest", 144},
                                                  {"HomeAgentAddressDiscoveryReply", 145},
                                                  {"MobilePrefixSolicitation", 146},
                                                  {"MobilePrefixAdvertisement", 147},
                                                  {"DuplicateAddressRequestCodeSuffix", 157},
                                                  {"DuplicateAddressConfirmationCodeSuffix", 158},
                                                  {"ExtendedEchoRequest", 160},
                                                  {"ExtendedEchoReply", 161}};
  const std::map<std::string, int>& names = six ? kSix : kFour;
  const auto it = names.find(text);
  return it != names.end() ? it->second : std::stoi(text);
}

CiliumPort ReadPort(const YAML::Node& node) {
  CiliumPort port;
  port.protocol = TextOf(node["protocol"]);
  if (port.protocol.empty()) port.protocol = "ANY";
  const std::string text = TextOf(node["port"]);
  if (!std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) {
    port.name = Lower(text);
    return port;
  }
  port.first = std::stoi(text);
  port.last = Absent(node["endPort"]) ? 0 : std::stoi(TextOf(node["endPort"]));
  if (port.last < port.first) port.last = port.first;
  if (port.first == 0 && port.last == 0) port.last = 65535;  // port 0 stands for all of them
  return port;
}

CiliumRule ReadRule(const YAML::Node& node, bool deny, bool ingress, const std::string& cluster,
                    const std::string& ns, bool subject_is_init) {
  CiliumRule rule;
  rule.deny = deny;
  const std::string way = ingress ? "from" : "to";
  const auto list = [&](const std::string& name) -> YAML::Node {
    const YAML::Node items = node[way + name];
    if (Absent(items)) return YAML::Node(YAML::NodeType::Sequence);
    rule.lists_peers = true;
    if (items.size() == 0) rule.nobody = true;
    return items;
  };
  for (const auto& item : list("Endpoints")) {
    rule.endpoints.push_back(ScopedPeer(ReadSelector(item, true), cluster, ns, subject_is_init));
  }
  for (const auto& item : list("CIDR")) rule.cidrs.push_back({item.Scalar(), "", std::nullopt, {}});
  for (const auto& item : list("CIDRSet")) {
    CiliumCidr cidr{TextOf(item["cidr"]), TextOf(item["cidrGroupRef"]), std::nullopt, {}};
    if (!Absent(item["cidrGroupSelector"])) cidr.groups = ReadSelector(item["cidrGroupSelector"], false);
    if (!Absent(item["except"])) {
      for (const auto& except : item["except"]) cidr.except.push_back(except.Scalar());
    }
    rule.cidrs.push_back(cidr);
  }
  for (const auto& item : list("Entities")) rule.entities.push_back(item.Scalar());

  if (const YAML::Node port_rules = node["toPorts"]; !Absent(port_rules)) {
    for (const auto& port_rule : port_rules) {
      rule.lists_ports = true;
      if (Absent(port_rule) || Absent(port_rule["ports"])) continue;
      for (const auto& port : port_rule["ports"]) rule.ports.push_back(ReadPort(port));
    }
  }
  if (const YAML::Node icmps = node["icmps"]; !Absent(icmps)) {
    for (const auto& icmp : icmps) {
      rule.lists_ports = true;
      if (Absent(icmp) || Absent(icmp["fields"])) continue;
      for (const auto& field : icmp["fields"]) {
        const bool six = TextOf(field["family"]) == "IPv6";
        CiliumPort port;
        port.protocol = six ? "ICMPv6" : "ICMP";
        port.first = port.last = IcmpType(TextOf(field["type"]), six);
        rule.ports.push_back(port);
      }
    }
  }
  return rule;
}

CiliumSpec ReadSpec(const YAML::Node& node, const std::string& cluster, const std::string& ns) {
  CiliumSpec spec;
  spec.subject = ReadSelector(node["endpointSelector"], true);
  const bool is_init = NamesInit(spec.subject);
  if (!ns.empty()) {
    // matchLabels["k8s:...namespace"] is overwritten; any other requirement stays beside it.
    if (!Absent(node["endpointSelector"]["matchLabels"])) {
      const std::string key = std::string("k8s:") + kNamespace;
      if (!Absent(node["endpointSelector"]["matchLabels"][key])) {
        const auto it = std::find_if(spec.subject.begin(), spec.subject.end(),
                                     [&](const CiliumExpression& e) { return e.key == key; });
        spec.subject.erase(it);
      }
    }
    spec.subject.push_back({std::string("k8s:") + kNamespace, "In", {ns}});
  }
  const auto read = [&](const char* name, bool deny, bool ingress, std::vector<CiliumRule>* rules) {
    if (Absent(node[name])) return;
    for (const auto& item : node[name]) rules->push_back(ReadRule(item, deny, ingress, cluster, ns, is_init));
  };
  read("ingress", false, true, &spec.ingress);
  read("ingressDeny", true, true, &spec.ingress);
  read("egress", false, false, &spec.egress);
  read("egressDeny", true, false, &spec.egress);
  spec.closes_ingress = !spec.ingress.empty();
  spec.closes_egress = !spec.egress.empty();
  if (const YAML::Node closes = node["enableDefaultDeny"]; !Absent(closes)) {
    if (!Absent(closes["ingress"]) && !closes["ingress"].as<bool>()) spec.closes_ingress = false;
    if (!Absent(closes["egress"]) && !closes["egress"].as<bool>()) spec.closes_egress = false;
  }
  return spec;
}

// ---- Meaning ----

bool CidrHas(const CiliumCidr& cidr, const CidrGroups& groups, const std::string& address) {
  bool in = false;
  if (!cidr.cidr.empty()) in = IsWithin(address, cidr.cidr);
  for (const auto& [name, group] : groups) {
    const bool meant = cidr.groups.has_value() ? Selects(*cidr.groups, group.labels) : name == cidr.group;
    if (!meant) continue;
    for (const std::string& member : group.cidrs) in = in || IsWithin(address, member);
  }
  for (const std::string& except : cidr.except) {
    if (IsWithin(address, except)) return false;
  }
  return in;
}

bool EntityHas(const std::string& entity, const std::string& cluster, const CiliumParty& party) {
  if (entity == "all") return true;
  if (entity == "none") return false;
  if (entity == "cluster") {
    for (const char* inside :
         {"host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver"}) {
      if (party.labels.count(std::string("reserved:") + inside) != 0) return true;
    }
    const auto it = party.labels.find(std::string("k8s:") + kCluster);
    return it != party.labels.end() && it->second == cluster;
  }
  return party.labels.count("reserved:" + entity) != 0;
}

bool PeerMatches(const CiliumRule& rule, const CidrGroups& groups, const std::string& cluster,
                 const CiliumParty& peer) {
  if (rule.nobody) return false;
  if (!rule.lists_peers) return rule.lists_ports;  // a rule that names nothing means nothing
  for (const CiliumSelector& selector : rule.endpoints) {
    if (Selects(selector, peer.labels)) return true;
  }
  for (const CiliumCidr& cidr : rule.cidrs) {
    if (!peer.address.empty() && CidrHas(cidr, groups, peer.address)) return true;
  }
  for (const std::string& entity : rule.entities) {
    if (EntityHas(entity, cluster, peer)) return true;
  }
  return false;
}

bool PortMatches(const CiliumRule& rule, const CiliumParty& server, const std::string& protocol, int port) {
  if (!rule.lists_ports) return true;
  const bool has_ports = protocol == "TCP" || protocol == "UDP" || protocol == "SCTP";
  for (const CiliumPort& one : rule.ports) {
    if (one.protocol == "ANY" ? !has_ports : one.protocol != protocol) continue;
    if (one.name.empty()) {
      if (one.first <= port && port <= one.last) return true;
      continue;
    }
    for (const CiliumParty::Port& named : server.ports) {
      if (Lower(named.name) == one.name && named.protocol == protocol && named.port == port) return true;
    }
  }
  return false;
}

// The bits of an address, most significant first.
std::vector<bool> Bits(const std::string& address) {
  uint8_t bytes[16];
  size_t count = 0;
  if (inet_pton(AF_INET, address.c_str(), bytes) == 1) {
    count = 4;
  } else if (inet_pton(AF_INET6, address.c_str(), bytes) == 1) {
    count = 16;
  }
  std::vector<bool> bits;
  for (size_t i = 0; i < count * 8; ++i) bits.push_back(((bytes[i / 8] >> (7 - i % 8)) & 1) != 0);
  return bits;
}

}  // namespace

bool IsWithin(const std::string& address, const std::string& cidr) {
  const size_t slash = cidr.find('/');
  const std::vector<bool> network = Bits(cidr.substr(0, slash));
  const std::vector<bool> bits = Bits(address);
  if (bits.size() != network.size()) return false;
  const int length = std::stoi(cidr.substr(slash + 1));
  for (int i = 0; i < length; ++i) {
    if (bits[static_cast<size_t>(i)] != network[static_cast<size_t>(i)]) return false;
  }
  return true;
}

CidrGroup ReadReferenceGroup(const YAML::Node& document) {
  CidrGroup group;
  if (const YAML::Node labels = document["metadata"]["labels"]; !Absent(labels)) {
    for (const auto& entry : labels) group.labels[entry.first.Scalar()] = TextOf(entry.second);
  }
  for (const auto& cidr : document["spec"]["externalCIDRs"]) group.cidrs.push_back(cidr.Scalar());
  return group;
}

CiliumPolicy ReadReferenceCilium(const YAML::Node& document, const std::string& cluster,
                                 const std::string& ns) {
  CiliumPolicy policy;
  if (!Absent(document["spec"])) policy.specs.push_back(ReadSpec(document["spec"], cluster, ns));
  if (!Absent(document["specs"])) {
    for (const auto& spec : document["specs"]) policy.specs.push_back(ReadSpec(spec, cluster, ns));
  }
  return policy;
}

void JudgeReferenceCilium(const CiliumPolicy& policy, const CidrGroups& groups, const std::string& cluster,
                          const CiliumParty& subject, const CiliumParty& peer, bool ingress,
                          const std::string& protocol, int port, CiliumVerdict* verdict) {
  for (const CiliumSpec& spec : policy.specs) {
    if (!Selects(spec.subject, subject.labels)) continue;
    verdict->closed = verdict->closed || (ingress ? spec.closes_ingress : spec.closes_egress);
    for (const CiliumRule& rule : ingress ? spec.ingress : spec.egress) {
      if (!PeerMatches(rule, groups, cluster, peer)) continue;
      if (!PortMatches(rule, ingress ? subject : peer, protocol, port)) continue;
      (rule.deny ? verdict->denied : verdict->allowed) = true;
    }
  }
}

}  // namespace trivium::policy::reference
