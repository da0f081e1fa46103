#include "tests/support/made_up_policies.h"

#include "absl/strings/str_cat.h"

namespace trivium {
namespace {

// The parts of a shape, drawn from the same number.
struct Parts {
  std::string subject;
  std::string peer;
  int port;
  std::string cluster;
  uint32_t team;
  uint32_t form;
};

Parts PartsOf(uint32_t shape, const std::vector<std::string>& clusters, uint32_t forms) {
  const auto draw = [&shape](size_t of) {
    const auto part = static_cast<uint32_t>(shape % of);
    shape /= static_cast<uint32_t>(of);
    return part;
  };
  Parts parts;
  parts.subject = kMadeUpApps[draw(3)];
  parts.peer = kMadeUpApps[draw(4)];
  parts.port = kMadeUpPorts[draw(3)];
  parts.cluster = clusters[draw(clusters.size())];
  parts.team = 1 + draw(2);
  parts.form = draw(forms);
  return parts;
}

std::string Head(const MadeUpName& name) {
  const char* version = name.kind == "NetworkPolicy" ? "networking.k8s.io/v1" : "cilium.io/v2";
  return absl::StrCat("apiVersion: ", version, "\nkind: ", name.kind, "\nmetadata: {name: ", name.name,
                      name.ns.empty() ? "" : absl::StrCat(", namespace: ", name.ns), "}\nspec:\n");
}

std::string NetworkPolicy(const MadeUpName& name, const Parts& p) {
  const std::string pod = absl::StrCat("podSelector: {matchLabels: {app: ", p.peer, "}}");
  std::string text =
      absl::StrCat(Head(name), "  podSelector: {matchLabels: {app: ", p.subject, "}}\n  policyTypes: ");
  switch (p.form) {
    case 0:  // nobody
      return text + "[Ingress, Egress]\n";
    case 1:  // one peer of one cluster
      return absl::StrCat(text,
                          "[Ingress]\n  ingress:\n  - from:\n    - podSelector: {matchLabels: {app: ", p.peer,
                          ", io.cilium.k8s.policy.cluster: ", p.cluster,
                          "}}\n    ports: [{protocol: TCP, port: ", p.port, "}]\n");
    case 2:  // everybody but one
      return absl::StrCat(
          text,
          "[Ingress, Egress]\n  ingress:\n  - from:\n    - podSelector: {matchExpressions: [{key: app, "
          "operator: NotIn, values: [",
          p.peer, "]}, {key: io.cilium.k8s.policy.cluster, operator: Exists}]}\n  egress: [{}]\n");
    case 3:  // addresses outside, with a hole
      return absl::StrCat(text,
                          "[Ingress, Egress]\n  ingress:\n  - from:\n    - ipBlock: {cidr: 192.0.2.0/24, "
                          "except: [192.0.2.64/26]}\n  egress:\n  - to:\n    - ipBlock: {cidr: 0.0.0.0/0, "
                          "except: [192.0.2.0/25]}\n    ports: [{protocol: TCP, port: ",
                          p.port, ", endPort: ", p.port + 100, "}]\n");
    case 4:  // by the labels of a namespace
      return absl::StrCat(text,
                          "[Ingress]\n  ingress:\n  - from:\n    - namespaceSelector: {matchLabels: {team: t",
                          p.team, "}}\n");
    case 5:  // own cluster's peers on every port, outside on one
      return absl::StrCat(
          text, "[Egress]\n  egress:\n  - to:\n    - ", pod,
          "\n  - to:\n    - ipBlock: {cidr: 198.51.100.0/24}\n    ports: [{protocol: TCP, port: ", p.port,
          "}]\n");
    case 6:  // a pod network named by address: selects no pod
      return absl::StrCat(
          text, "[Ingress]\n  ingress:\n  - from: [{ipBlock: {cidr: 10.2.0.0/17}}]\n  - from:\n    - ", pod,
          "\n");
    default:  // by the name of a port
      return absl::StrCat(text, "[Ingress, Egress]\n  ingress: [{}]\n  egress:\n  - to:\n    - ", pod,
                          "\n    ports: [{protocol: TCP, port: api}]\n");
  }
}

// Of a namespace, or of the whole cluster.
std::string CiliumPolicy(const MadeUpName& name, const Parts& p) {
  const std::string peer = absl::StrCat("{matchLabels: {app: ", p.peer, "}}");
  const std::string ports = absl::StrCat("toPorts: [{ports: [{port: \"", p.port, "\", protocol: TCP}]}]");
  std::string text = absl::StrCat(Head(name), "  endpointSelector: {matchLabels: {app: ", p.subject, "}}\n");
  switch (p.form) {
    case 0:  // everybody, and yet not this one
      return absl::StrCat(text, "  ingress: [{fromEntities: [all]}]\n  ingressDeny:\n  - fromEndpoints: [",
                          peer, "]\n");
    case 1:  // a deny that closes nothing else
      return absl::StrCat(text, "  egressDeny:\n  - toEndpoints: [", peer, "]\n    ", ports,
                          "\n  enableDefaultDeny: {egress: false}\n");
    case 2:  // the own cluster, and a group of addresses
      return absl::StrCat(
          text, "  ingress:\n  - fromEntities: [cluster]\n  - fromCIDRSet: [{cidrGroupRef: g0}]\n    ", ports,
          "\n");
    case 3:  // the world but a group
      return absl::StrCat(text,
                          "  egress:\n  - toEntities: [world, host]\n  - toEndpoints: [{}]\n  egressDeny:\n"
                          "  - toCIDRSet: [{cidrGroupSelector: {matchLabels: {what: partner}}}]\n");
    case 4:  // a service account of one cluster
      return absl::StrCat(text,
                          "  ingress:\n  - fromEndpoints:\n    - matchLabels: "
                          "{io.cilium.k8s.policy.serviceaccount: robot, io.cilium.k8s.policy.cluster: ",
                          p.cluster, "}\n  - fromEntities: [remote-node]\n");
    case 5:  // namespaces by their label
      return absl::StrCat(text, "  ingress:\n  - fromEndpoints:\n    - matchLabels: {", "app: ", p.peer,
                          ", io.cilium.k8s.namespace.labels.team: t", p.team, "}\n    ", ports, "\n");
    default:  // nobody
      return text + "  ingress: [{}]\n  egress: [{}]\n";
  }
}

std::string CidrGroup(const MadeUpName& name, uint32_t shape) {
  constexpr const char* kNetworks[] = {"192.0.2.0/24", "192.0.2.64/26", "198.51.100.0/24", "192.0.2.128/25"};
  std::string text =
      absl::StrCat("apiVersion: cilium.io/v2\nkind: ", name.kind, "\nmetadata: {name: ", name.name,
                   shape % 2 == 0 ? "" : ", labels: {what: partner}", "}\nspec:\n  externalCIDRs: [");
  const uint32_t members = 1 + shape / 2 % 15;  // by bits, at least one
  const char* comma = "";
  for (uint32_t i = 0; i < 4; ++i) {
    if ((members >> i & 1) == 0) continue;
    absl::StrAppend(&text, comma, kNetworks[i]);
    comma = ", ";
  }
  return text + "]\n";
}

}  // namespace

MadeUpName MadeUpNameOf(uint32_t number) {
  if (number < 4) return {"NetworkPolicy", number == 3 ? "tmp" : "shop", absl::StrCat("p", number)};
  if (number < 6) return {"CiliumNetworkPolicy", number == 5 ? "tmp" : "shop", absl::StrCat("c", number - 4)};
  if (number < 7) return {"CiliumClusterwideNetworkPolicy", "", "w0"};
  return {"CiliumCIDRGroup", "", absl::StrCat("g", number - 7)};
}

std::string MadeUpManifest(uint32_t number, uint32_t shape, const std::vector<std::string>& clusters) {
  const MadeUpName name = MadeUpNameOf(number);
  if (number >= 7) return CidrGroup(name, shape);
  if (number >= 4) return CiliumPolicy(name, PartsOf(shape, clusters, 7));
  return NetworkPolicy(name, PartsOf(shape, clusters, 8));
}

}  // namespace trivium
