// What CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy and CiliumCIDRGroup are read as, and what of them
// is refused.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policy/cidr.h"
#include "policy/parse.h"

namespace trivium::policy {
namespace {

using ::testing::HasSubstr;

std::string Manifest(absl::string_view kind, absl::string_view spec) {
  return absl::StrCat("apiVersion: cilium.io/v2\nkind: ", kind, "\nmetadata: {name: p",
                      kind == "CiliumNetworkPolicy" ? ", namespace: x" : "", "}\n", spec);
}
std::string Cnp(absl::string_view spec) {
  return Manifest("CiliumNetworkPolicy", absl::StrCat("spec: {endpointSelector: {}, ", spec, "}\n"));
}
std::string Ccnp(absl::string_view spec) {
  return Manifest("CiliumClusterwideNetworkPolicy",
                  absl::StrCat("spec: {endpointSelector: {}, ", spec, "}\n"));
}
std::string Group(absl::string_view spec) { return Manifest("CiliumCIDRGroup", spec); }

absl::StatusOr<std::vector<Parsed>> Parse(absl::string_view text) {
  return ParseManifests(text, ParseContext{"cnp.yaml", "c1", "default"});
}

v1::Policy PolicyOf(absl::string_view text) {
  const auto parsed = Parse(text);
  EXPECT_TRUE(parsed.ok()) << parsed.status() << "\n" << text;
  return parsed.ok() && parsed->size() == 1 ? parsed->front().object.policy() : v1::Policy();
}

std::string ErrorOf(absl::string_view text) {
  const auto parsed = Parse(text);
  EXPECT_FALSE(parsed.ok()) << text;
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

std::string Text(const v1::Selector& selector) {
  std::string out;
  for (const v1::Requirement& r : selector.requirements()) {
    absl::StrAppend(&out, out.empty() ? "" : " & ", r.key(), " ",
                    v1::Requirement::Operator_Name(r.operator_()));
    for (const std::string& value : r.values()) absl::StrAppend(&out, " '", value, "'");
  }
  return absl::StrReplaceAll(out, {{"io.kubernetes.pod.namespace", "@ns"},
                                   {"io.cilium.k8s.policy.cluster", "@cluster"},
                                   {"io.cilium.k8s.namespace.labels.", "@nslabel."},
                                   {"io.cilium.k8s.policy.serviceaccount", "@sa"}});
}

std::string Text(const v1::CidrPeer& peer) {
  std::string out = peer.has_cidr() ? CidrText(peer.cidr()) : absl::StrCat("group ", peer.group());
  if (peer.has_group_selector()) out = absl::StrCat("groups ", Text(peer.group_selector()));
  for (const v1::Cidr& except : peer.except()) absl::StrAppend(&out, " -", CidrText(except));
  return out;
}

std::string Text(const v1::Peer& peer) {
  if (peer.has_labels()) return absl::StrCat("[", Text(peer.labels()), "]");
  return peer.has_cidr() ? Text(peer.cidr()) : v1::Entity_Name(peer.entity());
}

std::string Text(const v1::PortRange& port) {
  std::string protocol = v1::Protocol_Name(port.protocol()).substr(9);
  if (!port.name().empty()) return absl::StrCat(port.name(), "/", protocol);
  if (port.has_icmp_type()) return absl::StrCat("type ", port.first(), "/", protocol);
  return absl::StrCat(port.first(), port.last() == port.first() ? "" : absl::StrCat("-", port.last()), "/",
                      protocol);
}

// "in allow [peers] ports": one line a rule.
std::string Text(const v1::PolicyBlock& block) {
  std::string out =
      absl::StrCat(block.default_deny_ingress() ? "I" : "", block.default_deny_egress() ? "E" : "");
  for (const v1::Rule& rule : block.rules()) {
    absl::StrAppend(&out, "\n", rule.direction() == v1::Rule::INGRESS ? "in" : "out",
                    rule.action() == v1::Rule::DENY ? " deny" : " allow", rule.any_peer() ? " anyone" : "");
    for (const v1::Peer& peer : rule.peers()) absl::StrAppend(&out, " ", Text(peer));
    absl::StrAppend(&out, rule.any_port() ? " anything" : "");
    for (const v1::PortRange& port : rule.ports()) absl::StrAppend(&out, " ", Text(port));
  }
  return out;
}

std::string RulesOf(absl::string_view text) {
  const v1::Policy policy = PolicyOf(text);
  return policy.blocks_size() == 1 ? Text(policy.blocks(0)) : "";
}

TEST(CiliumPolicy, KindNameAndSubjects) {
  const v1::Policy cnp = PolicyOf(
      Manifest("CiliumNetworkPolicy",
               "spec: {endpointSelector: {matchLabels: {app: db}}, ingress: [{}], description: why, "
               "labels: [{key: a, value: b, source: k8s}]}\nstatus: {conditions: [{type: Valid}]}\n"));
  EXPECT_EQ(cnp.kind(), "CiliumNetworkPolicy");
  EXPECT_EQ(cnp.namespace_(), "x");
  EXPECT_EQ(cnp.name(), "p");
  EXPECT_EQ(Text(cnp.blocks(0).subject()), "any:app IN 'db' & k8s:@cluster IN 'c1' & k8s:@ns IN 'x'");

  const v1::Policy ccnp = PolicyOf(Ccnp("ingress: [{}]"));
  EXPECT_EQ(ccnp.kind(), "CiliumClusterwideNetworkPolicy");
  EXPECT_EQ(ccnp.namespace_(), "");
  EXPECT_EQ(Text(ccnp.blocks(0).subject()), "k8s:@cluster IN 'c1'");
}

struct SubjectCase {
  const char* kind;
  const char* selector;
  const char* want;
};

TEST(CiliumPolicy, SubjectsStayAtHome) {
  const char* cnp = "CiliumNetworkPolicy";
  const char* ccnp = "CiliumClusterwideNetworkPolicy";
  const SubjectCase cases[] = {
      {cnp, "matchLabels: {'k8s:app': db}", "k8s:app IN 'db' & k8s:@cluster IN 'c1' & k8s:@ns IN 'x'"},
      // With its source the foreign namespace is replaced, without it both must hold: nobody.
      {cnp, "matchLabels: {'k8s:io.kubernetes.pod.namespace': y}", "k8s:@cluster IN 'c1' & k8s:@ns IN 'x'"},
      {cnp, "matchLabels: {io.kubernetes.pod.namespace: y}",
       "any:@ns IN 'y' & k8s:@cluster IN 'c1' & k8s:@ns IN 'x'"},
      {cnp, "matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: In, values: [y]}]",
       "k8s:@cluster IN 'c1' & k8s:@ns IN 'x' & k8s:@ns IN 'y'"},
      {cnp, "matchLabels: {'reserved:init': ''}", "k8s:@ns IN 'x' & reserved:init IN ''"},
      {ccnp, "matchLabels: {'reserved:init': ''}", "reserved:init IN ''"},
      {ccnp, "matchLabels: {'k8s:io.kubernetes.pod.namespace': y}", "k8s:@cluster IN 'c1' & k8s:@ns IN 'y'"},
      {ccnp, "matchExpressions: [{key: app, operator: NotIn, values: [a, b]}]",
       "any:app NOT_IN 'a' 'b' & k8s:@cluster IN 'c1'"},
  };
  for (const SubjectCase& c : cases) {
    const v1::Policy policy = PolicyOf(
        Manifest(c.kind, absl::StrCat("spec: {endpointSelector: {", c.selector, "}, ingress: [{}]}\n")));
    ASSERT_EQ(policy.blocks_size(), 1) << c.selector;
    EXPECT_EQ(Text(policy.blocks(0).subject()), c.want) << c.selector;
  }
}

struct PeerCase {
  const char* selector;
  const char* cnp;   // as a peer of a policy in namespace x of cluster c1
  const char* ccnp;  // as a peer of a clusterwide policy
};

TEST(CiliumPolicy, ScopeOfPeers) {
  const PeerCase cases[] = {
      {"{}", "k8s:@cluster IN 'c1' & k8s:@ns IN 'x'", "k8s:@cluster IN 'c1' & k8s:@ns EXISTS"},
      {"{matchLabels: {app: a}}", "any:app IN 'a' & k8s:@cluster IN 'c1' & k8s:@ns IN 'x'",
       "any:app IN 'a' & k8s:@cluster IN 'c1' & k8s:@ns EXISTS"},
      {"{matchLabels: {'any:app': a}}", "any:app IN 'a' & k8s:@cluster IN 'c1' & k8s:@ns IN 'x'",
       "any:app IN 'a' & k8s:@cluster IN 'c1' & k8s:@ns EXISTS"},
      {"{matchLabels: {io.kubernetes.pod.namespace: y}}", "any:@ns IN 'y' & k8s:@cluster IN 'c1'",
       "any:@ns IN 'y' & k8s:@cluster IN 'c1'"},
      {"{matchExpressions: [{key: 'k8s:io.kubernetes.pod.namespace', operator: Exists}]}",
       "k8s:@cluster IN 'c1' & k8s:@ns EXISTS", "k8s:@cluster IN 'c1' & k8s:@ns EXISTS"},
      {"{matchLabels: {io.cilium.k8s.namespace.labels.team: t}}",
       "any:@nslabel.team IN 't' & k8s:@cluster IN 'c1'",
       "any:@nslabel.team IN 't' & k8s:@cluster IN 'c1' & k8s:@ns EXISTS"},
      {"{matchLabels: {io.cilium.k8s.policy.cluster: c2}}", "any:@cluster IN 'c2' & k8s:@ns IN 'x'",
       "any:@cluster IN 'c2' & k8s:@ns EXISTS"},
      {"{matchExpressions: [{key: 'k8s:io.cilium.k8s.policy.cluster', operator: In, values: [c2, c1]}]}",
       "k8s:@cluster IN 'c1' 'c2' & k8s:@ns IN 'x'", "k8s:@cluster IN 'c1' 'c2' & k8s:@ns EXISTS"},
      {"{matchLabels: {'reserved:host': ''}}", "reserved:host IN ''", "reserved:host IN ''"},
      {"{matchExpressions: [{key: 'reserved:world', operator: DoesNotExist}]}",
       "reserved:world DOES_NOT_EXIST", "reserved:world DOES_NOT_EXIST"},
      {"{matchLabels: {io.cilium.k8s.policy.serviceaccount: s}}",
       "any:@sa IN 's' & k8s:@cluster IN 'c1' & k8s:@ns IN 'x'",
       "any:@sa IN 's' & k8s:@cluster IN 'c1' & k8s:@ns EXISTS"},
  };
  for (const PeerCase& c : cases) {
    for (const bool wide : {false, true}) {
      const std::string spec = absl::StrCat("egress: [{toEndpoints: [", c.selector, "]}]");
      EXPECT_EQ(RulesOf(wide ? Ccnp(spec) : Cnp(spec)),
                absl::StrCat("E\nout allow [", wide ? c.ccnp : c.cnp, "] anything"))
          << c.selector;
    }
  }
  // A clusterwide policy for pods that have no labels yet leaves its peers without a namespace.
  EXPECT_EQ(RulesOf(Manifest("CiliumClusterwideNetworkPolicy",
                             "spec: {endpointSelector: {matchLabels: {'reserved:init': ''}}, "
                             "egress: [{toEndpoints: [{}]}]}\n")),
            "E\nout allow [k8s:@cluster IN 'c1'] anything");
}

struct RuleCase {
  const char* spec;
  const char* want;
};

TEST(CiliumPolicy, WhatRulesSay) {
  const RuleCase cases[] = {
      // Nothing named: nothing allowed or denied, but the direction is closed.
      {"ingress: [{}]", "I"},
      {"ingressDeny: [{}]", "I"},
      {"egress: [{}]", "E"},
      {"egressDeny: [{}], ingress: [{}]", "IE"},
      {"ingress: [{}], egress: []", "I"},
      {"ingress: [{}], egress: null", "I"},
      {"ingress: [{toPorts: []}]", "I"},
      {"ingress: [{icmps: []}]", "I"},
      {"ingress: [{toPorts: [{}]}]", "I"},
      {"ingress: [{fromEntities: [all], toPorts: [{ports: []}]}]", "I"},
      {"ingress: [{fromEntities: [all], icmps: [{fields: []}]}]", "I"},
      {"ingress: [{fromEndpoints: []}]", "I"},
      {"ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: '80'}]}]}]", "I"},
      {"ingress: [{fromCIDR: []}]", "I"},
      {"ingress: [{fromCIDRSet: [], fromEntities: [all]}]", "I"},
      {"ingress: [{fromEntities: []}]", "I"},
      // A list that is null is not there.
      {"ingress: [{fromEndpoints: null, toPorts: [{ports: [{port: '80'}]}]}]", "I\nin allow anyone 80/ANY"},
      {"ingress: [{fromEntities: [all], toPorts: null}]", "I\nin allow ENTITY_ALL anything"},
      {"ingress: [{fromEntities: [all], toPorts: []}]", "I\nin allow ENTITY_ALL anything"},
      {"ingressDeny: [{fromEntities: [world]}]", "I\nin deny ENTITY_WORLD anything"},
      // enableDefaultDeny: per direction, and nothing without a rule.
      {"enableDefaultDeny: {ingress: false}, ingress: [{fromEntities: [all]}], egress: [{}]",
       "E\nin allow ENTITY_ALL anything"},
      {"enableDefaultDeny: {ingress: true, egress: true}, egress: [{}]", "E"},
      {"enableDefaultDeny: {egress: false}, egressDeny: [{toCIDR: [10.0.0.0/8]}]",
       "\nout deny 10.0.0.0/8 anything"},
      {"enableDefaultDeny: {}, ingress: [{}]", "I"},
      {"enableDefaultDeny: null, ingress: [{}]", "I"},
      // Entities.
      {"ingress: [{fromEntities: [all, world, world-ipv4, world-ipv6, cluster, host, remote-node, "
       "kube-apiserver, "
       "init, health, unmanaged, ingress, none]}]",
       "I\nin allow ENTITY_ALL ENTITY_WORLD ENTITY_WORLD_IPV4 ENTITY_WORLD_IPV6 ENTITY_CLUSTER ENTITY_HOST "
       "ENTITY_REMOTE_NODE ENTITY_KUBE_APISERVER ENTITY_INIT ENTITY_HEALTH ENTITY_UNMANAGED ENTITY_INGRESS "
       "ENTITY_NONE anything"},
      // CIDRs.
      {"egress: [{toCIDR: [10.1.2.3/8, 'fd00::/8']}]", "E\nout allow 10.0.0.0/8 fd00::/8 anything"},
      {"egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.0.0.0/8]}, {cidr: 0.0.0.0/0}]}]",
       "E\nout allow 10.0.0.0/8 -10.1.0.0/16 -10.0.0.0/8 0.0.0.0/0 anything"},
      {"egress: [{toCIDRSet: [{cidrGroupRef: partners, except: [10.1.0.0/16]}]}]",
       "E\nout allow group partners -10.1.0.0/16 anything"},
      {"egress: [{toCIDRSet: [{cidrGroupSelector: {matchLabels: {team: t}}}]}]",
       "E\nout allow groups team IN 't' anything"},
      {"egress: [{toCIDRSet: [{cidrGroupSelector: {}}]}]", "E\nout allow groups  anything"},
      // Ports.
      {"egress: [{toPorts: [{ports: [{port: '80', protocol: TCP}, {port: '53', protocol: UDP}]}, "
       "{ports: [{port: '9', protocol: SCTP}]}]}]",
       "E\nout allow anyone 80/TCP 53/UDP 9/SCTP"},
      {"egress: [{toPorts: [{ports: [{port: '80', protocol: ANY}, {port: '81', protocol: ''}, {port: '0'}, "
       "{port: '0', protocol: TCP, endPort: 0}]}]}]",
       "E\nout allow anyone 80/ANY 81/ANY 0/ANY 0/TCP"},
      {"egress: [{toPorts: [{ports: [{port: '80', endPort: 90}, {port: '80', endPort: 80}, {port: '80', "
       "endPort: 7}, "
       "{port: '80', endPort: 0}]}]}]",
       "E\nout allow anyone 80-90/ANY 80/ANY 80/ANY 80/ANY"},
      {"egress: [{toPorts: [{ports: [{port: '0', endPort: 90}]}]}]", "E\nout allow anyone 1-90/ANY"},
      {"egress: [{toPorts: [{ports: [{port: Web-1, protocol: TCP}, {port: '0x10'}]}]}]",
       "E\nout allow anyone web-1/TCP 0x10/ANY"},
      {"ingressDeny: [{toPorts: [{ports: [{port: '22'}]}]}]", "I\nin deny anyone 22/ANY"},
      // ICMP.
      {"ingress: [{icmps: [{fields: [{type: 8}, {family: IPv6, type: 128}, {family: IPv4, type: EchoReply}, "
       "{family: IPv6, type: EchoRequest}, {type: '3'}]}]}]",
       "I\nin allow anyone type 8/ICMP type 128/ICMPV6 type 0/ICMP type 128/ICMPV6 type 3/ICMP"},
      {"ingress: [{fromEntities: [world], icmps: [{fields: [{type: Echo}]}]}]",
       "I\nin allow ENTITY_WORLD type 8/ICMP"},
  };
  for (const RuleCase& c : cases) EXPECT_EQ(RulesOf(Cnp(c.spec)), c.want) << c.spec;
}

TEST(CiliumPolicy, SpecAndSpecsAreBlocksWithOriginsOfTheirOwn) {
  const v1::Policy policy = PolicyOf(Manifest("CiliumNetworkPolicy", R"(
spec: {endpointSelector: {}, ingress: [{}, {fromEntities: [all]}]}
specs:
- {endpointSelector: {}, egressDeny: [{toEntities: [world]}]}
- {endpointSelector: {matchLabels: {a: b}}, egress: [{toEntities: [host]}]}
)"));
  ASSERT_EQ(policy.blocks_size(), 3);
  EXPECT_EQ(policy.blocks(0).rules(0).origin(), "spec.ingress[1]");
  EXPECT_EQ(policy.blocks(1).rules(0).origin(), "specs[0].egressDeny[0]");
  EXPECT_EQ(policy.blocks(2).rules(0).origin(), "specs[1].egress[0]");
}

TEST(CiliumPolicy, JsonAndListsAreReadToo) {
  const auto parsed = Parse(R"({"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "cilium.io/v2", "kind": "CiliumCIDRGroup", "metadata": {"name": "g", "labels": {"team": "t"}},
     "spec": {"externalCIDRs": ["10.0.0.0/8", "10.0.0.0/8", "2001:db8::/32"]}},
    {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": "p"},
     "spec": {"endpointSelector": {}, "egress": [{"toCIDRSet": [{"cidrGroupRef": "g"}]}]}}]})");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->size(), 2u);
  const v1::CidrGroup& group = (*parsed)[0].object.cidr_group();
  EXPECT_EQ(group.name(), "g");
  EXPECT_EQ(group.labels().at("team"), "t");
  ASSERT_EQ(group.cidrs_size(), 2);
  EXPECT_EQ(CidrText(group.cidrs(0)), "10.0.0.0/8");
  EXPECT_EQ(CidrText(group.cidrs(1)), "2001:db8::/32");
  EXPECT_EQ((*parsed)[1].object.policy().blocks(0).rules(0).origin(), "spec.egress[0]");
  EXPECT_TRUE(Parse(Group("spec: {externalCIDRs: []}\n")).ok());
}

struct Refused {
  const char* spec;
  const char* message;  // part of it
};

TEST(CiliumPolicy, WhatIsNotEnforcedIsRefusedByName) {
  const Refused cases[] = {
      {"ingress: [{fromRequires: [{}]}]",
       "cnp.yaml:4: spec.ingress[0].fromRequires: this field is not enforced"},
      {"ingress: [{fromNodes: [{}]}]", "spec.ingress[0].fromNodes: this field is not enforced"},
      {"ingress: [{fromGroups: []}]", "spec.ingress[0].fromGroups: this field is not enforced"},
      {"ingress: [{authentication: {mode: required}}]",
       "spec.ingress[0].authentication: this field is not enforced"},
      {"egress: [{toFQDNs: [{matchName: a.b}]}]", "spec.egress[0].toFQDNs: this field is not enforced"},
      {"egress: [{toServices: [{}]}]", "spec.egress[0].toServices: this field is not enforced"},
      {"egress: [{toGroups: [{}]}]", "spec.egress[0].toGroups: this field is not enforced"},
      {"egress: [{toNodes: [{}]}]", "spec.egress[0].toNodes: this field is not enforced"},
      {"egress: [{toRequires: [{}]}]", "spec.egress[0].toRequires: this field is not enforced"},
      {"egressDeny: [{toServices: [{}]}]", "spec.egressDeny[0].toServices: this field is not enforced"},
      {"egress: [{toPorts: [{ports: [{port: '80'}], rules: {http: [{}]}}]}]",
       "spec.egress[0].toPorts[0].rules: this field is not enforced"},
      {"egress: [{toPorts: [{listener: {}}]}]",
       "spec.egress[0].toPorts[0].listener: this field is not enforced"},
      {"egress: [{toPorts: [{terminatingTLS: {}}]}]", "terminatingTLS: this field is not enforced"},
      {"egress: [{toPorts: [{originatingTLS: {}}]}]", "originatingTLS: this field is not enforced"},
      {"egress: [{toPorts: [{serverNames: [a]}]}]", "serverNames: this field is not enforced"},
      {"ingress: [{}], nodeSelector: {}", "spec.nodeSelector: this field is not enforced"},
      {"ingress: [{}], log: {value: a}", "spec.log: this field is not enforced"},
      {"ingress: [{}], order: 1", "spec.order: this field is not enforced"},
      {"ingress: [{fromEndpoints: [{matchCELExpression: 'true'}]}]",
       "matchCELExpression: this field is not enforced"},
      {"egress: [{toPorts: [{ports: [{port: '0', protocol: VRRP}]}]}]",
       "the protocol VRRP is not enforced yet"},
  };
  for (const Refused& c : cases) EXPECT_THAT(ErrorOf(Cnp(c.spec)), HasSubstr(c.message)) << c.spec;
  // Null is absent, as everywhere.
  EXPECT_TRUE(Parse(Cnp("egress: [{toEntities: [all], toFQDNs: null}], nodeSelector: null")).ok());
}

TEST(CiliumPolicy, FaultsAreRefusedWithTheirPlace) {
  const Refused cases[] = {
      {"ingress: []", "spec: has no rule"},
      {"enableDefaultDeny: {ingress: true}", "spec: has no rule"},
      {"ingress: [null]", "spec.ingress[0]: is empty"},
      {"ingress: [{fromEndpoint: [{}]}]", "spec.ingress[0].fromEndpoint: unknown field"},
      {"ingress: [{toEndpoints: [{}]}]", "spec.ingress[0].toEndpoints: unknown field"},
      {"egress: [{fromEndpoints: [{}]}]", "spec.egress[0].fromEndpoints: unknown field"},
      {"ingressDeny: [{toPorts: [{rules: {}}]}]", "spec.ingressDeny[0].toPorts[0].rules: unknown field"},
      {"ingress: {}", "spec.ingress: is a map; a list is wanted here"},
      {"ingress: [{fromEndpoints: {}}]", "spec.ingress[0].fromEndpoints: is a map; a list is wanted here"},
      {"ingress: [{fromEndpoints: [null]}]", "spec.ingress[0].fromEndpoints[0]: is empty"},
      {"ingress: [{fromEndpoints: [{}], fromEntities: [all]}]",
       "fromEntities: cannot stand beside fromEndpoints"},
      {"ingress: [{fromCIDR: [10.0.0.0/8], fromCIDRSet: [{cidr: 10.0.0.0/8}]}]",
       "fromCIDRSet: cannot stand beside fromCIDR"},
      {"ingress: [{toPorts: [{ports: [{port: '80'}]}], icmps: [{fields: [{type: 8}]}]}]",
       "icmps: cannot stand beside toPorts"},
      {"ingress: [{fromEntities: [World]}]", "\"World\" is no entity; entities are all, world,"},
      {"ingress: [{fromEntities: [1]}]", "is the number 1; text is wanted here"},
      {"ingress: [{fromCIDR: [10.0.0.1]}]", "spec.ingress[0].fromCIDR[0]: "},
      {"ingress: [{fromCIDR: [10.0.0.0/33]}]", "spec.ingress[0].fromCIDR[0]: "},
      {"ingress: [{fromCIDRSet: [{}]}]", "wants exactly one of cidr, cidrGroupRef and cidrGroupSelector"},
      {"ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, cidrGroupRef: g}]}]", "wants exactly one of"},
      {"ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]}]",
       "spec.ingress[0].fromCIDRSet[0].except[0]: 11.0.0.0/16 is not a part of 10.0.0.0/8"},
      {"ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: ['fd00::/16']}]}]", "is not a part of"},
      {"ingress: [{fromCIDRSet: [{cidrGroupRef: A_b}]}]",
       "cidrGroupRef: the group \"A_b\" is not a valid name"},
      {"ingress: [{toPorts: [{ports: [{port: 80}]}]}]", "port: is the number 80; text is wanted here"},
      {"ingress: [{toPorts: [{ports: [{protocol: TCP}]}]}]", "port: is missing"},
      {"ingress: [{toPorts: [{ports: [null]}]}]", "ports[0]: is empty"},
      {"ingress: [{toPorts: [null]}]", "spec.ingress[0].toPorts[0]: is empty"},
      {"ingress: [{icmps: [null]}]", "spec.ingress[0].icmps[0]: is empty"},
      {"ingress: [{icmps: [{fields: [null]}]}]", "spec.ingress[0].icmps[0].fields[0]: is empty"},
      {"ingress: [{fromEndpoints: [{matchLabels: {app: a, 'any:app': b}}]}]",
       "the label any:app stands here twice"},
      {"ingress: [{toPorts: [{ports: [{port: '65536'}]}]}]", "\"65536\" is neither a port number"},
      {"ingress: [{toPorts: [{ports: [{port: '080'}]}]}]", "\"080\" is neither a port number"},
      {"ingress: [{toPorts: [{ports: [{port: '-1'}]}]}]", "\"-1\" is neither a port number"},
      {"ingress: [{toPorts: [{ports: [{port: a--b}]}]}]", "\"a--b\" is neither a port number"},
      {"ingress: [{toPorts: [{ports: [{port: a123456789012345}]}]}]", "is neither a port number"},
      {"ingress: [{toPorts: [{ports: [{port: ''}]}]}]", "\"\" is neither a port number"},
      {"ingress: [{toPorts: [{ports: [{port: web, endPort: 90}]}]}]", "an endPort needs a numeric port"},
      {"ingress: [{toPorts: [{ports: [{port: '1', endPort: 65536}]}]}]", "65536 is no port"},
      {"ingress: [{toPorts: [{ports: [{port: '1', endPort: '2'}]}]}]", "endPort: is the text \"2\""},
      {"ingress: [{toPorts: [{ports: [{port: '80', protocol: tcp}]}]}]", "\"tcp\" is no protocol"},
      {"ingress: [{toPorts: [{ports: [{port: '8', protocol: ICMP}]}]}]",
       "ICMP has no ports; name its types in icmps"},
      {"ingress: [{icmps: [{fields: [{type: 256}]}]}]", "256 is no ICMP type"},
      {"ingress: [{icmps: [{fields: [{type: -1}]}]}]", "-1 is no ICMP type"},
      {"ingress: [{icmps: [{fields: [{family: IPv4}]}]}]", "type: is missing"},
      {"ingress: [{icmps: [{fields: [{type: PacketTooBig}]}]}]", "\"PacketTooBig\" is no ICMP type of IPv4"},
      {"ingress: [{icmps: [{fields: [{family: IPv6, type: Echo}]}]}]", "\"Echo\" is no ICMP type of IPv6"},
      {"ingress: [{icmps: [{fields: [{family: ipv6, type: 128}]}]}]", "\"ipv6\" is no family"},
      {"ingress: [{fromEndpoints: [{matchLabels: {'container:app': a}}]}]", "has the source \"container\""},
      {"ingress: [{fromEndpoints: [{matchLabels: {'k8s:-app': a}}]}]", "label key \"-app\" is not valid"},
      {"ingress: [{fromEndpoints: [{matchLabels: {app: 'a b'}}]}]", "label value \"a b\" is not valid"},
      {"ingress: [{fromEndpoints: [{matchExpressions: [{key: app, operator: Is, values: [a]}]}]}]",
       "\"Is\" is no operator"},
      {"ingress: [{fromEndpoints: [{matchExpressions: [{key: app, operator: In}]}]}]",
       "needs at least one value"},
      {"ingress: [{}], enableDefaultDeny: {ingress: 'true'}", "true or false is wanted here, without quotes"},
      {"ingress: [{}], enableDefaultDeny: {ingres: true}", "spec.enableDefaultDeny.ingres: unknown field"},
      {"ingress: [{}], enableDefaultDeny: true", "a map is wanted here"},
      {"ingress: [{}], labels: [{value: a}]", "spec.labels[0].key: is missing"},
      {"ingress: [{}], description: [a]", "spec.description: is a list"},
      {"ingress: [{}], ingress: [{}]", "spec.ingress: this field stands here twice"},
  };
  for (const Refused& c : cases) EXPECT_THAT(ErrorOf(Cnp(c.spec)), HasSubstr(c.message)) << c.spec;

  const char* cnp = "CiliumNetworkPolicy";
  EXPECT_THAT(ErrorOf(Manifest(cnp, "")), HasSubstr("spec: is missing; a policy has a spec, or specs"));
  EXPECT_THAT(ErrorOf(Manifest(cnp, "specs: []\n")), HasSubstr("spec: is missing"));
  EXPECT_THAT(ErrorOf(Manifest(cnp, "specs: [null]\n")), HasSubstr("specs[0]: is empty"));
  EXPECT_THAT(ErrorOf(Manifest(cnp, "spec: {ingress: [{}]}\n")),
              HasSubstr("spec.endpointSelector: is missing"));
  EXPECT_THAT(ErrorOf(Manifest(cnp, "spec: {endpointSelector: null, ingress: [{}]}\n")),
              HasSubstr("spec.endpointSelector: is missing"));
  EXPECT_THAT(ErrorOf("apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\n"
                      "metadata: {name: p, namespace: x}\nspec: {endpointSelector: {}, ingress: [{}]}\n"),
              HasSubstr("metadata.namespace: this kind of object is in no namespace"));
  EXPECT_THAT(ErrorOf("apiVersion: cilium.io/v1\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\n"),
              HasSubstr("the kind CiliumNetworkPolicy of cilium.io/v1 is not one of ours"));
}

TEST(CiliumPolicy, MoreThanFortyPortsAreRefused) {
  std::string ports, types;
  for (int i = 1; i <= 41; ++i) {
    absl::StrAppend(&ports, i == 1 ? "" : ", ", "{port: '", i, "'}");
    absl::StrAppend(&types, i == 1 ? "" : ", ", "{type: ", i, "}");
  }
  EXPECT_THAT(ErrorOf(Cnp(absl::StrCat("ingress: [{toPorts: [{ports: [", ports, "]}]}]"))),
              HasSubstr("41 ports; at most 40 stand in one rule"));
  EXPECT_THAT(ErrorOf(Cnp(absl::StrCat("ingress: [{icmps: [{fields: [", types, "]}]}]"))),
              HasSubstr("41 ICMP types; at most 40 stand in one rule"));
  const std::string forty = ports.substr(0, ports.rfind(", "));
  EXPECT_TRUE(Parse(Cnp(absl::StrCat("ingress: [{toPorts: [{ports: [", forty, "]}]}]"))).ok());
}

TEST(CidrGroup, FaultsAreRefused) {
  EXPECT_THAT(ErrorOf(Group("")), HasSubstr("spec: is missing"));
  EXPECT_THAT(ErrorOf(Group("spec: {}\n")), HasSubstr("spec.externalCIDRs: is missing"));
  EXPECT_THAT(ErrorOf(Group("spec: {externalCIDRs: [10.0.0.1]}\n")), HasSubstr("spec.externalCIDRs[0]: "));
  EXPECT_THAT(ErrorOf(Group("spec: {externalCIDRs: [null]}\n")),
              HasSubstr("spec.externalCIDRs[0]: is missing"));
  EXPECT_THAT(ErrorOf(Group("spec: {cidrs: []}\n")), HasSubstr("spec.cidrs: unknown field"));
}

}  // namespace
}  // namespace trivium::policy
