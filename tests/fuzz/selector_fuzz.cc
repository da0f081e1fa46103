// Selectors, and whole policies: what the parser takes must mean the same to the policy library, by its plain
// rules and by its compiled form, and to the reference evaluator, for every pair of a few pods and addresses.
// The first byte says where in a manifest the rest stands.
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "policy/cidr.h"
#include "policy/labels.h"
#include "policy/parse.h"
#include "policy/rule_set.h"
#include "policy/testing/reference_evaluator.h"
#include "policy/testing/verdict_lookup.h"
#include "tests/fuzz/fuzz.h"

using namespace trivium;
namespace reference = trivium::policy::reference;

namespace {

constexpr size_t kMaxInput = 8 * 1024;

// Before and behind the input.
constexpr std::pair<const char*, const char*> kPlaces[] = {
    {"", ""},
    {"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: "
     "{podSelector: ",
     "}}"},
    {"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: "
     "{podSelector: {}, "
     "ingress: [{from: [{podSelector: ",
     "}]}]}}"},
    {"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: "
     "{podSelector: {}, "
     "policyTypes: [Egress], egress: [{to: [{namespaceSelector: ",
     "}]}]}}"},
    {"{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: x}, spec: "
     "{endpointSelector: ",
     ", ingress: [{}]}}"},
    {"{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: x}, spec: "
     "{endpointSelector: "
     "{}, egress: [{toEndpoints: [",
     "]}]}}"},
    {"{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: p}, spec: "
     "{endpointSelector: {}, "
     "ingressDeny: [{fromEndpoints: [",
     "]}]}}"},
    {"{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: g, labels: {app: a}}, spec: "
     "{externalCIDRs: "
     "[192.0.2.0/24]}}\n---\n{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, "
     "namespace: x}, "
     "spec: {endpointSelector: {}, egress: [{toCIDRSet: [{cidrGroupSelector: ",
     "}]}]}}"},
};

struct Party {
  reference::Party reference;
  v1::Identity identity;  // of a pod
  v1::Cidr prefix;        // of an address
  policy::PeerRef peer() const {
    return reference.pod.has_value() ? policy::PeerRef{&identity, nullptr}
                                     : policy::PeerRef{nullptr, &prefix};
  }
};

std::vector<Party> MakeParties() {
  std::vector<Party> parties;
  const auto pod = [&](const char* cluster, const char* ns, const char* app, const char* account, int http) {
    policy::PodLabels labels{cluster, ns, {}, {{"app", app}, {"pod", "p"}}, account};
    labels.namespace_labels[policy::kMetadataName] = ns;
    if (std::strcmp(ns, "x") == 0) labels.namespace_labels["team"] = "a";
    Party party;
    party.reference.pod = reference::Pod{cluster, ns, labels.labels, {{"http", "TCP", http}}, account};
    for (const v1::Label& label : policy::IdentityLabels(labels)) *party.identity.add_labels() = label;
    party.identity.set_id(static_cast<uint32_t>(256 + parties.size()));
    v1::NamedPort* port = party.identity.add_named_ports();
    port->set_name("http");
    port->set_protocol(v1::PROTOCOL_TCP);
    port->set_port(static_cast<uint32_t>(http));
    parties.push_back(std::move(party));
  };
  pod("c1", "x", "a", "default", 80);
  pod("c1", "x", "b", "robot", 8080);
  pod("c1", "y", "a", "default", 80);
  pod("c1", "default", "a", "default", 80);
  pod("c2", "x", "a", "default", 80);
  for (const char* address : {"192.0.2.7", "10.0.0.1", "2001:db8::7"}) {
    Party party;
    party.reference.address = address;
    party.prefix = policy::HostPrefix(*policy::ParseAddress(address));
    parties.push_back(std::move(party));
  }
  return parties;
}

struct Question {
  const char* name;
  v1::Protocol protocol;
  int port;
};
constexpr Question kQuestions[] = {
    {"TCP", v1::PROTOCOL_TCP, 80},   {"TCP", v1::PROTOCOL_TCP, 8080}, {"UDP", v1::PROTOCOL_UDP, 53},
    {"SCTP", v1::PROTOCOL_SCTP, 80}, {"ICMP", v1::PROTOCOL_ICMP, 8},  {"ICMPv6", v1::PROTOCOL_ICMPV6, 128},
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > kMaxInput) return 0;
  static const std::vector<Party>* const parties = new std::vector<Party>(MakeParties());
  static const reference::Evaluator* const world = [] {
    auto* evaluator = new reference::Evaluator();
    for (const char* cluster : {"c1", "c2"}) {
      evaluator->PutNamespace(cluster, "x", {{"team", "a"}});
      evaluator->PutNamespace(cluster, "y", {});
      evaluator->PutNamespace(cluster, "default", {});
    }
    return evaluator;
  }();
  const auto& [before, behind] = kPlaces[data[0] % std::size(kPlaces)];
  const std::string text = absl::StrCat(before, fuzz::Text(data, size).substr(1), behind);
  const auto parsed = policy::ParseManifests(text, {"f", "c1", "default"});
  if (!parsed.ok()) return 0;
  std::vector<const v1::Policy*> policies;
  std::vector<const v1::CidrGroup*> groups;
  for (const policy::Parsed& one : *parsed) {
    if (one.object.has_namespace_()) return 0;  // would change the labels of the pods
    // What Cilium's own keys mean in a NetworkPolicy, Kubernetes does not say; the reference leaves them to
    // pods.
    if (one.object.policy().kind() == "NetworkPolicy" &&
        (absl::StrContains(text, "io.cilium.k8s.") || absl::StrContains(text, "io.kubernetes.pod."))) {
      return 0;
    }
    if (one.object.has_policy()) policies.push_back(&one.object.policy());
    if (one.object.has_cidr_group()) groups.push_back(&one.object.cidr_group());
  }
  reference::Evaluator evaluator(*world);
  evaluator.Apply("c1", text);

  for (const Party& subject : *parties) {
    if (!subject.reference.pod.has_value() || subject.reference.pod->cluster != "c1") continue;
    for (const v1::Rule::Direction direction : {v1::Rule::INGRESS, v1::Rule::EGRESS}) {
      const auto rules = policy::RuleSet::Build(subject.identity, direction, policies, groups);
      for (const Party& peer : *parties) {
        if (&peer == &subject) continue;
        const auto entries = rules->Flatten(rules->ClassOf(peer.peer()));
        for (const Question& question : kQuestions) {
          const bool icmp =
              question.protocol == v1::PROTOCOL_ICMP || question.protocol == v1::PROTOCOL_ICMPV6;
          const auto port = static_cast<uint16_t>(icmp ? question.port << 8 : question.port);
          const bool ingress = direction == v1::Rule::INGRESS;
          const reference::Connection connection{ingress ? peer.reference : subject.reference,
                                                 ingress ? subject.reference : peer.reference, question.name,
                                                 question.port};
          const bool want =
              ingress ? evaluator.IngressAllows(connection) : evaluator.EgressAllows(connection);
          const bool plain =
              rules->Decide(peer.peer(), question.protocol, port).verdict == policy::Verdict::kAllow;
          const policy::VerdictEntry* entry =
              policy::LongestMatch(entries, static_cast<uint8_t>(question.protocol), port);
          const bool compiled = entry != nullptr && entry->verdict == policy::Verdict::kAllow;
          fuzz::Require(plain == want && compiled == want,
                        absl::StrCat("subject ", subject.identity.id(), ingress ? " ingress " : " egress ",
                                     question.name, " ", question.port, ": reference ", want, ", plain ",
                                     plain, ", compiled ", compiled, "\n", text));
        }
      }
    }
  }
  return 0;
}
