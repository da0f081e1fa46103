#include "policy/rule_set.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "policy/cidr.h"
#include "policy/flatten.h"
#include "policy/labels.h"
#include "policy/parse.h"
#include "policy/testing/verdict_lookup.h"

namespace trivium::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr v1::Rule::Direction kIn = v1::Rule::INGRESS;
constexpr v1::Rule::Direction kOut = v1::Rule::EGRESS;

v1::Identity Pod(const std::map<std::string, std::string>& labels, const std::string& ns = "x",
                 const std::string& cluster = "c1") {
  v1::Identity identity;
  identity.set_id(1000);
  for (const v1::Label& label : IdentityLabels(PodLabels{cluster, ns, {}, labels}))
    *identity.add_labels() = label;
  return identity;
}

v1::Identity WithPort(v1::Identity identity, const char* name, v1::Protocol protocol, uint32_t port) {
  v1::NamedPort* named = identity.add_named_ports();
  named->set_name(name);
  named->set_protocol(protocol);
  named->set_port(port);
  return identity;
}

v1::Identity Reserved(uint32_t id) {
  for (const v1::Identity& identity : ReservedIdentities()) {
    if (identity.id() == id) return identity;
  }
  ADD_FAILURE() << "no reserved identity " << id;
  return {};
}

v1::Policy Np(const std::string& spec, const std::string& name = "p") {
  const auto parsed = ParseManifests(
      absl::StrCat("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ", name,
                   ", namespace: x}\nspec: {", spec, "}\n"),
      ParseContext{"np", "c1", "default"});
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? parsed->front().object.policy() : v1::Policy();
}

v1::Policy FromText(const std::string& text) {
  v1::Policy policy;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      absl::StrCat("kind: 'CiliumNetworkPolicy' namespace: 'x' name: 'c' ", text), &policy));
  return policy;
}

// Rules of one direction for a subject, and who asks.
class Rules {
 public:
  Rules(const v1::Identity& subject, v1::Rule::Direction direction, std::vector<v1::Policy> policies,
        std::vector<v1::CidrGroup> groups = {}) {
    std::vector<const v1::Policy*> pointers;
    for (const v1::Policy& policy : policies) pointers.push_back(&policy);
    std::vector<const v1::CidrGroup*> group_pointers;
    for (const v1::CidrGroup& group : groups) group_pointers.push_back(&group);
    set = RuleSet::Build(subject, direction, pointers, group_pointers);
  }

  // By the compiled form, which must say the same as the plain meaning.
  bool Allows(const PeerRef& peer, v1::Protocol protocol, uint16_t port) const {
    const Decision decision = set->Decide(peer, protocol, port);
    const std::vector<VerdictEntry> entries = set->Flatten(set->ClassOf(peer));
    const VerdictEntry* entry = LongestMatch(entries, static_cast<uint8_t>(protocol), port);
    const bool allowed = entry != nullptr && entry->verdict == Verdict::kAllow;
    EXPECT_EQ(decision.verdict == Verdict::kAllow, allowed) << v1::Protocol_Name(protocol) << " " << port;
    EXPECT_EQ(decision.by_rule, entry != nullptr && entry->rule != kDefaultRule);
    if (decision.by_rule && entry != nullptr && entry->rule != kDefaultRule) {
      EXPECT_EQ(set->rules().at(entry->rule), decision.rule);
    }
    return allowed;
  }
  bool Allows(const v1::Identity& peer, v1::Protocol protocol = v1::PROTOCOL_TCP, uint16_t port = 80) const {
    return Allows(PeerRef{&peer, nullptr}, protocol, port);
  }
  bool Allows(const char* prefix, v1::Protocol protocol = v1::PROTOCOL_TCP, uint16_t port = 80) const {
    const v1::Cidr cidr = *ParseCidr(prefix);
    return Allows(PeerRef{nullptr, &cidr}, protocol, port);
  }
  std::vector<VerdictEntry> Flat(const v1::Identity& peer) const {
    return set->Flatten(set->ClassOf(PeerRef{&peer, nullptr}));
  }

  std::shared_ptr<const RuleSet> set;
};

std::vector<std::string> Texts(const std::vector<v1::Cidr>& cidrs) {
  std::vector<std::string> texts;
  for (const v1::Cidr& cidr : cidrs) texts.push_back(CidrText(cidr));
  return texts;
}

TEST(RuleSet, WithoutPoliciesEverythingPasses) {
  for (const v1::Rule::Direction direction : {kIn, kOut}) {
    const Rules rules(Pod({}), direction, {});
    EXPECT_TRUE(rules.Allows(Pod({})));
    EXPECT_TRUE(rules.Allows(Reserved(2), v1::PROTOCOL_ICMP, 8 << 8));
    EXPECT_THAT(rules.Flat(Pod({})), ElementsAre(VerdictEntry{0, 0, 0, 0, Verdict::kAllow, kDefaultRule}));
    EXPECT_TRUE(rules.Allows("192.0.2.0/24"));
  }
}

TEST(RuleSet, ASelectedPodIsClosedInThePoliciesDirectionsOnly) {
  const v1::Policy deny = Np("podSelector: {matchLabels: {app: db}}");
  EXPECT_FALSE(Rules(Pod({{"app", "db"}}), kIn, {deny}).Allows(Pod({})));
  EXPECT_TRUE(Rules(Pod({{"app", "db"}}), kOut, {deny}).Allows(Pod({})));
  EXPECT_TRUE(Rules(Pod({{"app", "web"}}), kIn, {deny}).Allows(Pod({})));
  EXPECT_TRUE(Rules(Pod({{"app", "db"}}, "y"), kIn, {deny}).Allows(Pod({})));
  EXPECT_TRUE(Rules(Pod({{"app", "db"}}, "x", "c2"), kIn, {deny}).Allows(Pod({})));
  EXPECT_THAT(Rules(Pod({{"app", "db"}}), kIn, {deny}).Flat(Pod({})), IsEmpty());
}

TEST(RuleSet, TheOwnNodeAlwaysReachesItsPods) {
  const Rules rules(Pod({}), kIn, {Np("podSelector: {}")});
  EXPECT_TRUE(rules.Allows(Reserved(1), v1::PROTOCOL_TCP, 10250));
  EXPECT_TRUE(rules.Allows(Reserved(1), v1::PROTOCOL_ICMP, 8 << 8));
  const v1::Identity host = Reserved(1);
  EXPECT_EQ(rules.set->Decide(PeerRef{&host, nullptr}, v1::PROTOCOL_TCP, 1).rule.origin,
            "built-in: node reaches its pods");
  for (const uint32_t other : {2u, 3u, 4u, 5u, 6u, 7u, 8u})
    EXPECT_FALSE(rules.Allows(Reserved(other))) << other;
  EXPECT_FALSE(Rules(Pod({}), kOut, {Np("egress: [], policyTypes: [Egress]")}).Allows(Reserved(1)));
}

TEST(RuleSet, NegationsSelectPodsAlone) {
  const Rules rules(Pod({}), kIn,
                    {Np("ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: "
                        "NotIn, values: [red]}]}, "
                        "podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}}]}]")});
  EXPECT_TRUE(rules.Allows(Pod({}, "y")));
  EXPECT_FALSE(rules.Allows(Pod({{"app", ""}}, "y")));
  EXPECT_FALSE(rules.Allows(Pod({}, "y", "c2")));
  for (const uint32_t reserved : {2u, 3u, 4u, 5u, 6u, 7u, 8u})
    EXPECT_FALSE(rules.Allows(Reserved(reserved))) << reserved;
  EXPECT_FALSE(rules.Allows("192.0.2.0/24"));

  // Nor do they when the cluster is a negation, too.
  const Rules elsewhere(Pod({}), kIn,
                        {Np("ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: "
                            "io.cilium.k8s.policy.cluster, operator: NotIn, "
                            "values: [c1]}]}}]}]")});
  EXPECT_TRUE(elsewhere.Allows(Pod({}, "y", "c2")));
  EXPECT_FALSE(elsewhere.Allows(Pod({}, "y")));
  for (const uint32_t reserved : {2u, 3u, 4u, 5u, 6u, 7u, 8u})
    EXPECT_FALSE(elsewhere.Allows(Reserved(reserved)));
}

TEST(RuleSet, BlocksSelectAddressesAlone) {
  const Rules rules(Pod({}), kIn,
                    {Np("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, "
                        "10.2.3.0/24]}}, {ipBlock: {cidr: "
                        "10.1.7.0/24}}, {ipBlock: {cidr: '::/0'}}]}]")});
  EXPECT_TRUE(rules.Allows("10.0.0.0/8"));
  EXPECT_FALSE(rules.Allows("10.1.0.0/16"));
  EXPECT_FALSE(rules.Allows("10.2.3.0/24"));
  EXPECT_TRUE(rules.Allows("10.1.7.0/24"));
  EXPECT_TRUE(rules.Allows("::/0"));
  EXPECT_FALSE(rules.Allows("0.0.0.0/0"));
  // The world is what no known prefix covers, so that no block can mean it.
  EXPECT_FALSE(rules.Allows(Reserved(2)));
  EXPECT_FALSE(rules.Allows(Pod({})));
  EXPECT_THAT(Texts(rules.set->prefixes()),
              ElementsAre("10.0.0.0/8", "10.1.0.0/16", "10.1.7.0/24", "10.2.3.0/24", "::/0"));
  // Prefixes of others' policies, longer or shorter, and single addresses.
  EXPECT_TRUE(rules.Allows("10.9.0.0/16"));
  EXPECT_FALSE(rules.Allows("10.1.9.0/24"));
  EXPECT_FALSE(rules.Allows("10.0.0.0/7"));
}

TEST(RuleSet, EveryoneIsEveryone) {
  const Rules rules(Pod({}), kIn, {Np("ingress: [{ports: [{port: 80}]}]")});
  for (const uint32_t reserved : {1u, 2u, 6u}) EXPECT_TRUE(rules.Allows(Reserved(reserved)));
  EXPECT_TRUE(rules.Allows("203.0.113.0/24"));
  EXPECT_TRUE(rules.Allows(Pod({}, "y", "c2")));
  EXPECT_FALSE(rules.Allows(Pod({}), v1::PROTOCOL_TCP, 81));
  EXPECT_FALSE(rules.Allows(Pod({}), v1::PROTOCOL_UDP, 80));
  EXPECT_FALSE(rules.Allows(Pod({}), v1::PROTOCOL_ICMP, 8 << 8));
}

TEST(RuleSet, AnyPortIsEveryProtocolToo) {
  const Rules rules(Pod({}), kIn, {Np("ingress: [{from: [{podSelector: {}}]}]")});
  EXPECT_TRUE(rules.Allows(Pod({}), v1::PROTOCOL_ICMP, 8 << 8));
  EXPECT_TRUE(rules.Allows(Pod({}), static_cast<v1::Protocol>(47), 0));
  EXPECT_EQ(rules.Flat(Pod({})).size(), 1u);
}

TEST(RuleSet, NamedPortsAreTheServers) {
  const v1::Policy in = Np("ingress: [{ports: [{port: web}, {port: web, protocol: UDP}]}]");
  const v1::Identity server =
      WithPort(WithPort(Pod({}), "web", v1::PROTOCOL_TCP, 8080), "dns", v1::PROTOCOL_UDP, 53);
  EXPECT_TRUE(Rules(server, kIn, {in}).Allows(Pod({}), v1::PROTOCOL_TCP, 8080));
  EXPECT_FALSE(Rules(server, kIn, {in}).Allows(Pod({}), v1::PROTOCOL_UDP, 8080));
  EXPECT_FALSE(Rules(Pod({}), kIn, {in}).Allows(server, v1::PROTOCOL_TCP, 8080));

  const Rules out(Pod({}), kOut,
                  {Np("egress: [{to: [{podSelector: {}}], ports: [{port: web}]}, {to: [{ipBlock: {cidr: "
                      "0.0.0.0/0}}], ports: [{port: web}]}]")});
  const v1::Identity other = WithPort(Pod({}), "web", v1::PROTOCOL_TCP, 9090);
  EXPECT_TRUE(out.Allows(server, v1::PROTOCOL_TCP, 8080));
  EXPECT_FALSE(out.Allows(server, v1::PROTOCOL_TCP, 9090));
  EXPECT_TRUE(out.Allows(other, v1::PROTOCOL_TCP, 9090));
  EXPECT_FALSE(out.Allows(Pod({}), v1::PROTOCOL_TCP, 8080));
  EXPECT_FALSE(out.Allows("0.0.0.0/0", v1::PROTOCOL_TCP, 8080));
  // Pods of another namespace have the name, too, and no rule that wants it: they stay in class 0.
  const v1::Identity stranger = WithPort(Pod({}, "y"), "web", v1::PROTOCOL_TCP, 8080);
  EXPECT_EQ(out.set->ClassOf(PeerRef{&stranger, nullptr}), "");
}

TEST(RuleSet, RangesBecomeFewPrefixes) {
  const Rules range(Pod({}), kIn, {Np("ingress: [{ports: [{port: 1, endPort: 65535}]}]")});
  EXPECT_EQ(range.Flat(Pod({})).size(), 2u);  // all of TCP but port 0
  const Rules two(Pod({}), kIn,
                  {Np("ingress: [{ports: [{port: 1024, endPort: 2047}, {port: 2048, endPort: 4095}]}]")});
  EXPECT_EQ(two.Flat(Pod({})).size(), 2u);
  const Rules tcp(Pod({}), kIn, {Np("ingress: [{ports: [{port: 80}, {}, {port: 90, endPort: 1000}]}]")});
  EXPECT_THAT(tcp.Flat(Pod({})), ElementsAre(VerdictEntry{6, 8, 0, 0, Verdict::kAllow, 1}));
  // Allowed as a whole, whatever narrower rules say beside it.
  const Rules all(Pod({}), kIn, {Np("ingress: [{ports: [{port: 80}]}, {}]")});
  EXPECT_THAT(all.Flat(Pod({})), ElementsAre(VerdictEntry{0, 0, 0, 0, Verdict::kAllow, 2}));
}

constexpr char kDenyPort[] = R"(blocks {
  default_deny_ingress: true
  rules { any_peer: true action: DENY origin: 'deny' ports { protocol: PROTOCOL_TCP first: 80 last: 80 } }
})";

TEST(RuleSet, DenyOutdoesAllowHoweverSpecific) {
  const v1::Policy allow_80 =
      Np("ingress: [{from: [{podSelector: {}}], ports: [{port: 80}, {port: 81}]}, {}]");
  const Rules rules(Pod({}), kIn, {allow_80, FromText(kDenyPort)});
  EXPECT_FALSE(rules.Allows(Pod({}), v1::PROTOCOL_TCP, 80));
  EXPECT_TRUE(rules.Allows(Pod({}), v1::PROTOCOL_TCP, 81));
  EXPECT_TRUE(rules.Allows(Pod({}), v1::PROTOCOL_ICMP, 8 << 8));
  EXPECT_FALSE(
      rules.Allows(Reserved(1), v1::PROTOCOL_TCP, 80));  // only a deny rule can close a pod to its node

  const v1::Policy deny_all =
      FromText("blocks { default_deny_ingress: true rules { any_peer: true any_port: true action: DENY } }");
  const Rules none(Pod({}), kIn, {allow_80, deny_all});
  EXPECT_FALSE(none.Allows(Pod({}), v1::PROTOCOL_TCP, 81));
  EXPECT_EQ(none.Flat(Pod({})).size(), 1u);
}

TEST(RuleSet, DenyWithoutDefaultDenyLeavesTheRestOpen) {
  const Rules rules(Pod({}), kIn, {FromText(R"(blocks {
    rules { any_peer: true action: DENY ports { protocol: PROTOCOL_ANY first: 80 last: 80 } } })")});
  for (const v1::Protocol protocol : {v1::PROTOCOL_TCP, v1::PROTOCOL_UDP, v1::PROTOCOL_SCTP}) {
    EXPECT_FALSE(rules.Allows(Pod({}), protocol, 80));
    EXPECT_TRUE(rules.Allows(Pod({}), protocol, 81));
  }
  EXPECT_TRUE(rules.Allows(Pod({}), v1::PROTOCOL_ICMP, 80));
}

TEST(RuleSet, IcmpByType) {
  const Rules rules(Pod({}), kIn, {FromText(R"(blocks { default_deny_ingress: true
    rules { any_peer: true ports { protocol: PROTOCOL_ICMP first: 8 last: 8 has_icmp_type: true } ports { protocol: PROTOCOL_ICMPV6 } } })")});
  EXPECT_TRUE(rules.Allows(Pod({}), v1::PROTOCOL_ICMP, 8 << 8));
  EXPECT_TRUE(rules.Allows(Pod({}), v1::PROTOCOL_ICMP, 8 << 8 | 7));
  EXPECT_FALSE(rules.Allows(Pod({}), v1::PROTOCOL_ICMP, 9 << 8));
  EXPECT_FALSE(rules.Allows(Pod({}), v1::PROTOCOL_ICMP, 7 << 8 | 255));
  EXPECT_TRUE(rules.Allows(Pod({}), v1::PROTOCOL_ICMPV6, 0));
  EXPECT_FALSE(rules.Allows(Pod({}), v1::PROTOCOL_TCP, 8));
  EXPECT_EQ(rules.Flat(Pod({})).size(), 2u);
}

TEST(RuleSet, AnActionOfALaterVersionAllowsNothing) {
  const Rules rules(
      Pod({}), kIn,
      {FromText(
          "blocks { default_deny_ingress: true rules { any_peer: true any_port: true action: REDIRECT } }")});
  EXPECT_FALSE(rules.Allows(Pod({})));
}

TEST(RuleSet, ARuleWithoutPeersSelectsNobody) {
  const Rules rules(Pod({}), kIn,
                    {FromText("blocks { default_deny_ingress: true rules { any_port: true } }")});
  EXPECT_FALSE(rules.Allows(Pod({})));
}

TEST(RuleSet, GroupsOfPrefixes) {
  v1::CidrGroup group;
  group.set_name("partners");
  *group.add_cidrs() = *ParseCidr("192.0.2.0/24");
  *group.add_cidrs() = *ParseCidr("198.51.100.0/24");
  const v1::Policy policy = FromText(R"(blocks { default_deny_ingress: true rules { any_port: true
    peers { cidr { group: 'partners' except { address: '\300\000\002\200' length: 25 } } } peers { cidr { group: 'nobody' } } } })");
  const Rules rules(Pod({}), kIn, {policy}, {group});
  EXPECT_TRUE(rules.Allows("192.0.2.0/24"));
  EXPECT_FALSE(rules.Allows("192.0.2.128/25"));
  EXPECT_TRUE(rules.Allows("198.51.100.0/24"));
  EXPECT_FALSE(Rules(Pod({}), kIn, {policy}).Allows("192.0.2.0/24"));
}

v1::Policy Cnp(const std::string& spec) {
  const auto parsed = ParseManifests(
      absl::StrCat("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: x}\n"
                   "spec: {endpointSelector: {}, ",
                   spec, "}\n"),
      ParseContext{"cnp", "c1", "default"});
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  return parsed.ok() ? parsed->front().object.policy() : v1::Policy();
}

TEST(RuleSet, GroupsAreSelectedByTheirLabels) {
  v1::CidrGroup partners, offices;
  partners.set_name("partners");
  (*partners.mutable_labels())["kind"] = "partner";
  *partners.add_cidrs() = *ParseCidr("192.0.2.0/24");
  offices.set_name("offices");
  *offices.add_cidrs() = *ParseCidr("198.51.100.0/24");
  const std::vector<v1::CidrGroup> groups = {partners, offices};
  const auto allows = [&](const char* selector, const char* prefix) {
    return Rules(Pod({}), kOut,
                 {Cnp(absl::StrCat("egress: [{toCIDRSet: [{cidrGroupSelector: ", selector, "}]}]"))}, groups)
        .Allows(prefix);
  };
  EXPECT_TRUE(allows("{matchLabels: {kind: partner}}", "192.0.2.0/24"));
  EXPECT_FALSE(allows("{matchLabels: {kind: partner}}", "198.51.100.0/24"));
  EXPECT_FALSE(allows("{matchExpressions: [{key: kind, operator: DoesNotExist}]}", "192.0.2.0/24"));
  EXPECT_TRUE(allows("{}", "198.51.100.0/24"));
}

TEST(RuleSet, SelectorsSeeTheLabelsOfTheOutside) {
  const auto rules = [](const char* selector) {
    return Rules(Pod({}), kOut, {Cnp(absl::StrCat("egress: [{toEndpoints: [", selector, "]}]"))});
  };
  const Rules world = rules("{matchLabels: {'reserved:world': ''}}");
  EXPECT_TRUE(world.Allows("192.0.2.0/24"));
  EXPECT_TRUE(world.Allows(Reserved(2)));
  EXPECT_FALSE(world.Allows(Pod({})));
  // A selector that tells the families apart gives each an identity of its own.
  const Rules four = rules("{matchLabels: {'reserved:world-ipv4': ''}}");
  EXPECT_TRUE(four.Allows("0.0.0.0/0"));
  EXPECT_FALSE(four.Allows("::/0"));
  EXPECT_THAT(Texts(four.set->prefixes()), UnorderedElementsAre("0.0.0.0/0", "::/0"));
  // Negations alone, with both scopes lifted.
  const Rules negations = rules(
      "{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [y]}, "
      "{key: io.cilium.k8s.policy.cluster, operator: NotIn, values: [c2]}]}");
  EXPECT_TRUE(negations.Allows("192.0.2.0/24"));
  EXPECT_TRUE(negations.Allows(Reserved(2)));
  EXPECT_FALSE(negations.Allows(Pod({}, "y")));
  EXPECT_FALSE(rules("{}").Allows("192.0.2.0/24"));
}

TEST(RuleSet, AnApiServerElsewhereIsARemoteNode) {
  const Rules rules(Pod({}), kOut, {Cnp("egress: [{toEntities: [remote-node]}]")});
  EXPECT_TRUE(rules.Allows(Reserved(6)));
  EXPECT_TRUE(rules.Allows(Reserved(7)));
  EXPECT_FALSE(rules.Allows(Reserved(1)));
}

TEST(RuleSet, ClassZeroIsWhoNoSelectorKnows) {
  const Rules rules(Pod({}), kIn, {Np("ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]")});
  const v1::Identity web = Pod({{"app", "web"}});
  const v1::Identity web2 = Pod({{"app", "web"}, {"v", "2"}});
  const v1::Identity other = Pod({{"app", "db"}});
  EXPECT_EQ(rules.set->ClassOf(PeerRef{&other, nullptr}), "");
  EXPECT_NE(rules.set->ClassOf(PeerRef{&web, nullptr}), "");
  EXPECT_EQ(rules.set->ClassOf(PeerRef{&web, nullptr}), rules.set->ClassOf(PeerRef{&web2, nullptr}));
}

TEST(RuleSet, KeysAreEqualForTheSameRulesAlone) {
  const v1::Policy p = Np("ingress: [{from: [{podSelector: {}}]}]", "p");
  const v1::Policy q = Np("ingress: [{ports: [{port: web}]}]", "q");
  const v1::Policy elsewhere = Np("podSelector: {matchLabels: {app: other}}, ingress: [{}]", "r");
  const auto key = [](const v1::Identity& subject, v1::Rule::Direction direction,
                      std::vector<v1::Policy> policies) {
    return Rules(subject, direction, std::move(policies)).set->key();
  };
  EXPECT_EQ(key(Pod({}), kIn, {p, q}), key(Pod({{"a", "b"}}), kIn, {q, elsewhere, p}));
  std::set<std::string> different = {
      key(Pod({}), kIn, {p, q}),
      key(Pod({}), kIn, {p}),
      key(Pod({}), kIn, {q}),
      key(Pod({}), kIn, {}),
      key(Pod({}), kOut, {}),
      key(Pod({}), kIn, {Np("ingress: [{from: [{podSelector: {}}]}]", "p2")}),
      key(Pod({}), kIn, {Np("ingress: [{from: [{podSelector: {}}]}, {from: [{podSelector: {}}]}]", "p")}),
      key(WithPort(Pod({}), "web", v1::PROTOCOL_TCP, 80), kIn, {p, q}),
      key(WithPort(Pod({}), "web", v1::PROTOCOL_TCP, 81), kIn, {p, q}),
      key(Pod({}), kIn, {p, q, FromText(kDenyPort)}),
  };
  EXPECT_EQ(different.size(), 10u);
}

TEST(RuleSet, TheOrderOfPoliciesDoesNotMatter) {
  const v1::Policy a = Np("ingress: [{ports: [{port: 80}]}]", "a");
  const v1::Policy b = Np("ingress: [{ports: [{port: 80}]}]", "b");
  for (const std::vector<v1::Policy>& order : {std::vector<v1::Policy>{a, b}, {b, a}}) {
    const Rules rules(Pod({}), kIn, order);
    const v1::Identity peer = Pod({});
    EXPECT_EQ(rules.set->Decide(PeerRef{&peer, nullptr}, v1::PROTOCOL_TCP, 80).rule.policy,
              "NetworkPolicy/x/a");
  }
}

// How many entries a protocol's stretches take, and that they mean the same on each port.
size_t Entries(const std::vector<Stretch>& stretches, const Outcome& inherited) {
  std::vector<VerdictEntry> entries;
  AppendPrefixes(6, stretches, inherited, &entries);
  for (uint32_t port = 0; port < 65536; ++port) {
    const VerdictEntry* entry = LongestMatch(entries, 6, static_cast<uint16_t>(port));
    const Outcome got = entry == nullptr ? inherited : Outcome{entry->verdict, entry->rule};
    const auto stretch =
        std::find_if(stretches.rbegin(), stretches.rend(), [&](const Stretch& s) { return s.first <= port; });
    if (!(got == stretch->outcome)) {
      ADD_FAILURE() << "port " << port;
      break;
    }
  }
  return entries.size();
}

TEST(Flatten, IsMinimal) {
  const Outcome deny;
  const Outcome allow{Verdict::kAllow, 0};
  const Outcome other{Verdict::kAllow, 1};
  EXPECT_EQ(Entries({{0, deny}}, deny), 0u);
  EXPECT_EQ(Entries({{0, allow}}, deny), 1u);
  EXPECT_EQ(Entries({{0, deny}, {80, allow}, {81, deny}}, deny), 1u);
  // All but one port: an exception as a longer prefix, not sixteen prefixes around it.
  EXPECT_EQ(Entries({{0, allow}, {80, deny}, {81, allow}}, deny), 2u);
  EXPECT_EQ(Entries({{0, allow}, {80, deny}, {81, allow}}, allow), 1u);
  EXPECT_EQ(Entries({{0, deny}, {1, allow}}, deny), 2u);
  EXPECT_EQ(Entries({{0, deny}, {8000, allow}, {8011, deny}}, deny), 3u);  // 8000/13, 8008/15, 8010/16
  EXPECT_EQ(Entries({{0, deny}, {1024, allow}, {3072, other}, {4096, deny}}, deny), 3u);
}

}  // namespace
}  // namespace trivium::policy
