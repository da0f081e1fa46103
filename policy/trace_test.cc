#include "policy/trace.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "policy/cidr.h"
#include "policy/labels.h"
#include "policy/parse.h"

namespace trivium::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

v1::Identity Pod(const std::map<std::string, std::string>& labels, const std::string& ns = "shop",
                 const std::string& cluster = "c1") {
  v1::Identity identity;
  identity.set_id(1000);
  for (const v1::Label& label : IdentityLabels(PodLabels{cluster, ns, {}, labels})) {
    *identity.add_labels() = label;
  }
  return identity;
}

v1::Identity Reserved(uint32_t id) {
  for (const v1::Identity& identity : ReservedIdentities()) {
    if (identity.id() == id) return identity;
  }
  ADD_FAILURE() << "no reserved identity " << id;
  return {};
}

// Policies and groups of cluster c1, in namespace shop.
class World {
 public:
  explicit World(const std::string& yaml) {
    if (yaml.empty()) return;
    auto parsed = ParseManifests(yaml, ParseContext{"t", "c1", "shop"});
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    if (parsed.ok()) objects_ = *std::move(parsed);
    for (const Parsed& each : objects_) {
      if (each.object.has_policy()) policies_.push_back(&each.object.policy());
      if (each.object.has_cidr_group()) groups_.push_back(&each.object.cidr_group());
    }
  }

  Trace Into(const v1::Identity& subject, const v1::Identity& from, v1::Protocol protocol = v1::PROTOCOL_TCP,
             uint16_t port = 80) const {
    return Explain({&subject, v1::Rule::INGRESS, {&from, nullptr}, protocol, port}, policies_, groups_);
  }
  Trace OutOf(const v1::Identity& subject, const PeerRef& to, v1::Protocol protocol = v1::PROTOCOL_TCP,
              uint16_t port = 80) const {
    return Explain({&subject, v1::Rule::EGRESS, to, protocol, port}, policies_, groups_);
  }

 private:
  std::vector<Parsed> objects_;
  std::vector<const v1::Policy*> policies_;
  std::vector<const v1::CidrGroup*> groups_;
};

std::string Np(const std::string& name, const std::string& spec) {
  return absl::StrCat("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ", name,
                      ", namespace: shop}\nspec: {", spec, "}\n---\n");
}
std::string Cnp(const std::string& name, const std::string& spec) {
  return absl::StrCat("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: ", name,
                      ", namespace: shop}\nspec: {", spec, "}\n---\n");
}

TEST(Trace, NobodyIsSelected) {
  const Trace trace = World("").Into(Pod({{"app", "db"}}), Pod({{"app", "web"}}));
  EXPECT_EQ(trace.decision.verdict, Verdict::kAllow);
  EXPECT_EQ(trace.reason, "no policy selects the destination: everything is allowed");
  EXPECT_THAT(trace.selecting, IsEmpty());
  EXPECT_THAT(trace.would_allow, IsEmpty());
}

TEST(Trace, TheRuleThatAllowsComesFirstAndOthersFollow) {
  const World world(
      Np("db", "podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}]") +
      Np("web",
         "podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], "
         "ports: [{port: 80}]}]"));
  const Trace trace = world.Into(Pod({{"app", "db"}}), Pod({{"app", "web"}}));
  EXPECT_EQ(trace.decision.verdict, Verdict::kAllow);
  EXPECT_EQ(trace.reason, "allowed by NetworkPolicy shop/db spec.ingress[0]");
  ASSERT_THAT(trace.matching, SizeIs(2));
  EXPECT_EQ(trace.matching[0].rule, trace.decision.rule);
  EXPECT_THAT(trace.matching[0].reason, HasSubstr("any port"));
  EXPECT_EQ(RuleText(trace.matching[1].rule), "NetworkPolicy shop/web spec.ingress[0]");
  EXPECT_THAT(trace.matching[1].reason, HasSubstr("app=web"));
  EXPECT_THAT(trace.matching[1].reason, HasSubstr("TCP/80 is in TCP/80"));
  ASSERT_THAT(trace.selecting, SizeIs(2));
  EXPECT_EQ(trace.selecting[0].reason, "closes ingress");
}

TEST(Trace, ADenialSaysWhichPartOfWhichRuleDidNotMatch) {
  const World world(Np(
      "db",
      "podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], "
      "ports: [{port: 5432}]}, {from: [{podSelector: {matchLabels: {app: job, tier: back}}}, "
      "{podSelector: {matchLabels: {app: cron}}}], ports: [{port: 80}]}, "
      "{from: [{podSelector: {matchLabels: {app: none}}}], ports: [{port: 81}]}]"));
  const Trace trace = world.Into(Pod({{"app", "db"}}), Pod({{"app", "web"}}));
  EXPECT_EQ(trace.decision.verdict, Verdict::kDeny);
  EXPECT_FALSE(trace.decision.by_rule);
  EXPECT_EQ(trace.reason, "a policy closes ingress of the destination, and no rule allows this");
  EXPECT_THAT(trace.matching, IsEmpty());
  ASSERT_THAT(trace.would_allow, SizeIs(2)) << "a rule that misses both parts is not close";
  EXPECT_EQ(trace.would_allow[0].rule.origin, "spec.ingress[0]");
  EXPECT_EQ(trace.would_allow[0].reason, "the source matches, but the rule is for TCP/5432, not for TCP/80");
  EXPECT_EQ(trace.would_allow[1].rule.origin, "spec.ingress[1]");
  EXPECT_EQ(
      trace.would_allow[1].reason,
      "the port matches, but the rule wants app=cron (it has web) of the source (the closest of 2 peers)");
}

TEST(Trace, ScopesAreNamedInWords) {
  const World world(
      Np("db", "podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]"));
  const Trace trace = world.Into(Pod({{"app", "db"}}), Pod({{"app", "web"}}, "other", "c2"));
  ASSERT_THAT(trace.would_allow, SizeIs(1));
  EXPECT_THAT(trace.would_allow[0].reason, HasSubstr("cluster=c1 (it has c2)"));
  EXPECT_THAT(trace.would_allow[0].reason, HasSubstr("namespace=shop (it has other)"));
  EXPECT_THAT(trace.would_allow[0].reason, testing::Not(HasSubstr("app=web")));
}

TEST(Trace, ADenyWinsAndSaysWhatElseWouldBeNeeded) {
  const std::string deny = Cnp("deny", "endpointSelector: {}, ingressDeny: [{fromEntities: [all]}]");
  const Trace alone = World(deny).Into(Pod({{"app", "db"}}), Pod({{"app", "web"}}));
  EXPECT_EQ(alone.reason, "denied by CiliumNetworkPolicy shop/deny spec.ingressDeny[0]");
  ASSERT_THAT(alone.would_allow, SizeIs(1));
  EXPECT_EQ(alone.would_allow[0].action, Verdict::kDeny);
  EXPECT_THAT(alone.would_allow[0].reason, HasSubstr("and some rule must allow it then"));

  const Trace both = World(deny + Np("open", "podSelector: {}, ingress: [{}]"))
                         .Into(Pod({{"app", "db"}}), Pod({{"app", "web"}}));
  EXPECT_EQ(both.decision.verdict, Verdict::kDeny);
  ASSERT_THAT(both.matching, SizeIs(2));
  EXPECT_EQ(both.matching[0].action, Verdict::kDeny);
  EXPECT_EQ(both.matching[1].action, Verdict::kAllow);
  ASSERT_THAT(both.would_allow, SizeIs(1));
  EXPECT_THAT(both.would_allow[0].reason, testing::Not(HasSubstr("some rule must allow")));
}

TEST(Trace, NamedPortsSayWhatTheyStandFor) {
  const World world(Cnp("out",
                        "endpointSelector: {}, egress: [{toEntities: [cluster], toPorts: [{ports: "
                        "[{port: web, protocol: TCP}]}]}]"));
  v1::Identity server = Pod({{"app", "web"}});
  const v1::Identity client = Pod({{"app", "client"}});
  EXPECT_THAT(world.OutOf(client, {&server, nullptr}).would_allow.at(0).reason,
              HasSubstr("the destination has no port named web"));
  v1::NamedPort* port = server.add_named_ports();
  port->set_name("web");
  port->set_protocol(v1::PROTOCOL_TCP);
  port->set_port(8080);
  EXPECT_THAT(world.OutOf(client, {&server, nullptr}).would_allow.at(0).reason,
              HasSubstr("port web of the destination is TCP/8080"));
  EXPECT_EQ(world.OutOf(client, {&server, nullptr}, v1::PROTOCOL_TCP, 8080).decision.verdict,
            Verdict::kAllow);
}

TEST(Trace, TheWorldByPrefixesAndGroups) {
  const World world(
      Cnp("out",
          "endpointSelector: {}, egress: [{toCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.9/32]}]}, "
          "{toCIDRSet: [{cidrGroupRef: partners}]}, {toEndpoints: [{matchLabels: {app: db}}]}]") +
      "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: partners}\n"
      "spec: {externalCIDRs: [198.51.100.0/24]}\n");
  const v1::Identity client = Pod({{"app", "client"}});
  v1::Cidr to = HostPrefix(*ParseAddress("198.51.100.7"));
  Trace trace = world.OutOf(client, {nullptr, &to});
  EXPECT_EQ(trace.reason, "allowed by CiliumNetworkPolicy shop/out spec.egress[1]");
  EXPECT_EQ(trace.matching.at(0).reason, "the destination is CIDR group partners; any port");

  to = HostPrefix(*ParseAddress("203.0.113.9"));
  trace = world.OutOf(client, {nullptr, &to});
  ASSERT_THAT(trace.would_allow, SizeIs(3));
  EXPECT_EQ(
      trace.would_allow[0].reason,
      "the rule is for 203.0.113.0/24 except 203.0.113.9/32, and the destination is 203.0.113.9, outside "
      "the mesh");
  const v1::Identity db = Pod({{"app", "x"}});
  EXPECT_THAT(world.OutOf(client, {&db, nullptr}).would_allow.at(0).reason,
              HasSubstr("a CIDR never means a pod"));
}

TEST(Trace, ThePodsOwnNodeIsLetInByTheBuiltInRule) {
  const World world(Np("db", "podSelector: {}, ingress: []"));
  const v1::Identity host = Reserved(1);
  const Trace trace = world.Into(Pod({}), host);
  EXPECT_EQ(trace.reason, "allowed by built-in: node reaches its pods");
  EXPECT_THAT(trace.matching.at(0).reason, HasSubstr("entity host"));
  // It is never offered as what would have allowed others.
  EXPECT_THAT(world.Into(Pod({}), Reserved(6)).would_allow, IsEmpty());
}

TEST(Trace, IcmpByType) {
  const World world(Cnp("ping", "endpointSelector: {}, ingress: [{icmps: [{fields: [{type: 8}]}]}]"));
  const v1::Identity pod = Pod({});
  EXPECT_EQ(world.Into(pod, pod, v1::PROTOCOL_ICMP, 8 << 8).decision.verdict, Verdict::kAllow);
  EXPECT_EQ(world.Into(pod, pod, v1::PROTOCOL_ICMP, 3 << 8).would_allow.at(0).reason,
            "the source matches, but the rule is for ICMP type 8, not for ICMP type 3");
}

}  // namespace
}  // namespace trivium::policy
