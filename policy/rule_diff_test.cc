// The diff of random changes of policies against the reference evaluator, before and after: it holds exactly
// the cells whose verdict differs.
#include "policy/rule_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "policy/cidr.h"
#include "policy/labels.h"
#include "policy/parse.h"
#include "policy/selector.h"
#include "policy/testing/random_cilium.h"
#include "policy/testing/reference_evaluator.h"

namespace trivium::policy {
namespace {

constexpr const char* kAddresses[] = {"192.0.2.7", "192.0.2.130", "198.51.100.1", "2001:db8::7",
                                      "203.0.113.1"};

v1::Policy Parse(const std::string& text) {
  const auto parsed = ParseManifests(text, ParseContext{"f", "c1", "default"});
  EXPECT_TRUE(parsed.ok()) << parsed.status() << "\n" << text;
  return parsed.ok() ? parsed->front().object.policy() : v1::Policy();
}

v1::Identity Pod(const std::string& ns, const std::map<std::string, std::string>& labels) {
  v1::Identity identity;
  for (const v1::Label& label : IdentityLabels(PodLabels{"c1", ns, {}, labels}))
    *identity.add_labels() = label;
  return identity;
}

std::shared_ptr<const RuleSet> Rules(const v1::Identity& subject, v1::Rule::Direction direction,
                                     const std::vector<v1::Policy>& policies,
                                     const std::vector<const v1::CidrGroup*>& groups = {}) {
  std::vector<const v1::Policy*> pointers;
  for (const v1::Policy& policy : policies) pointers.push_back(&policy);
  return RuleSet::Build(subject, direction, pointers, groups);
}

std::vector<ChangedPorts> Diff(const RuleSet& before, const RuleSet& after, const PeerRef& peer) {
  return DiffOfClasses(before, before.ClassOf(peer), after, after.ClassOf(peer));
}

TEST(RuleDiffTest, RangesAreMergedAndNameTheirRules) {
  const v1::Identity db = Pod("x", {{"pod", "db"}});
  const v1::Identity web = Pod("x", {{"pod", "web"}});
  const v1::Policy policy = Parse(
      "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db, namespace: x}\n"
      "spec: {podSelector: {matchLabels: {pod: db}}, ingress: [{from: [{podSelector: {matchLabels: {pod: "
      "web}}}], "
      "ports: [{port: 5432}, {port: 8000, endPort: 9000}, {port: 9001, endPort: 9100}]}]}\n");
  const auto before = Rules(db, v1::Rule::INGRESS, {});
  const auto after = Rules(db, v1::Rule::INGRESS, {policy});
  PeerRef peer;
  peer.identity = &web;
  const std::vector<ChangedPorts> changes = Diff(*before, *after, peer);
  std::vector<std::string> texts;
  for (const ChangedPorts& change : changes) {
    EXPECT_EQ(change.before.verdict, Verdict::kAllow);
    EXPECT_EQ(change.after.verdict, Verdict::kDeny);
    EXPECT_FALSE(change.after.by_rule);
    texts.push_back(absl::StrCat(v1::Protocol_Name(change.protocol), " ", change.first, "-", change.last));
  }
  EXPECT_THAT(texts,
              testing::ElementsAre("PROTOCOL_TCP 0-5431", "PROTOCOL_TCP 5433-7999", "PROTOCOL_TCP 9101-65535",
                                   "PROTOCOL_UDP 0-65535", "PROTOCOL_SCTP 0-65535", "PROTOCOL_ICMP 0-255",
                                   "PROTOCOL_ICMPV6 0-255"));
  // The other way round, by a rule; and for everybody else, what is the same for three protocols is said
  // once.
  const auto opened = Diff(*after, *before, peer);
  ASSERT_FALSE(opened.empty());
  EXPECT_EQ(opened[0].after.verdict, Verdict::kAllow);
  peer.identity = &db;
  const auto others = Diff(*before, *after, peer);
  ASSERT_EQ(others.size(), 3u);
  EXPECT_EQ(others[0].protocol, v1::PROTOCOL_ANY);
  EXPECT_EQ(others[0].last, 65535u);
  EXPECT_TRUE(Diff(*after, *after, peer).empty());
}

TEST(RuleDiffTest, TheDecidingRuleIsNamed) {
  const v1::Identity db = Pod("x", {{"pod", "db"}});
  const char* const text =
      "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: db, namespace: x}\n"
      "spec: {endpointSelector: {}, ingress: [{fromEntities: [world], icmps: [{fields: [{type: 8}]}]}]}\n";
  const auto closed =
      Rules(db, v1::Rule::INGRESS,
            {Parse("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: db, namespace: x}\n"
                   "spec: {endpointSelector: {}, ingress: [{}]}\n")});
  const auto open = Rules(db, v1::Rule::INGRESS, {Parse(text)});
  const std::vector<v1::Identity> reserved = ReservedIdentities();
  PeerRef peer;
  for (const v1::Identity& identity : reserved) {
    if (identity.id() == 2) peer.identity = &identity;
  }
  const auto changes = Diff(*closed, *open, peer);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].protocol, v1::PROTOCOL_ICMP);
  EXPECT_EQ(changes[0].first, 8u);
  EXPECT_EQ(changes[0].last, 8u);
  EXPECT_EQ(changes[0].after.rule.policy, "CiliumNetworkPolicy/x/db");
  EXPECT_EQ(changes[0].after.rule.origin, "spec.ingress[0]");
  EXPECT_FALSE(changes[0].before.by_rule);
}

// ---- Against the reference

struct World {
  std::mt19937_64 random;
  reference::Evaluator before, after;
  std::vector<v1::Policy> was, will;
  std::vector<reference::Pod> pods;
  std::vector<v1::Identity> identities;
  std::string texts;

  explicit World(uint64_t seed, const std::string& groups) : random(seed) {
    RandomCilium generator(&random);
    for (reference::Evaluator* evaluator : {&before, &after}) {
      evaluator->Apply("c1", groups);
      for (const char* ns : {"x", "y"}) evaluator->PutNamespace("c1", ns, {});
    }
    for (size_t i = 0; i < 5; ++i) {
      const std::string name = absl::StrCat("p", i);
      const std::string ns = random() % 2 == 0 ? "x" : "y";
      const bool wide = random() % 4 == 0;
      const std::string text = generator.Policy(name, ns, wide);
      // Most stay; some are added, deleted, or written anew.
      const size_t fate = random() % 5;
      if (fate != 1) Put(text, &before, &was, "before");
      if (fate != 2) Put(fate == 3 ? generator.Policy(name, ns, wide) : text, &after, &will, "after");
    }
    for (const char* ns : {"x", "x", "y"}) {
      reference::Pod pod{"c1", ns, {}, {}};
      pod.labels["pod"] = std::string(1, static_cast<char>('a' + random() % 3));
      if (random() % 2 == 0) pod.ports.push_back({"web", "TCP", 80});
      if (random() % 2 == 0) pod.ports.push_back({"dns", "UDP", 53});
      v1::Identity identity = Pod(pod.ns, pod.labels);
      for (const reference::NamedPort& port : pod.ports) {
        v1::NamedPort* named = identity.add_named_ports();
        named->set_name(port.name);
        named->set_protocol(port.protocol == "TCP" ? v1::PROTOCOL_TCP : v1::PROTOCOL_UDP);
        named->set_port(static_cast<uint32_t>(port.port));
      }
      pods.push_back(pod);
      identities.push_back(identity);
    }
  }

  void Put(const std::string& text, reference::Evaluator* evaluator, std::vector<v1::Policy>* policies,
           const char* when) {
    evaluator->Apply("c1", text);
    policies->push_back(Parse(text));
    absl::StrAppend(&texts, "# ", when, "\n", text);
  }
};

int g_changed = 0, g_same = 0;

void CheckPair(const World& world, size_t subject, const reference::Party& peer, const PeerRef& ref,
               v1::Rule::Direction direction, const RuleSet& before, const RuleSet& after) {
  const std::vector<ChangedPorts> changes = Diff(before, after, ref);
  for (const auto& [name, protocol] :
       std::vector<std::pair<std::string, v1::Protocol>>{{"TCP", v1::PROTOCOL_TCP},
                                                         {"UDP", v1::PROTOCOL_UDP},
                                                         {"SCTP", v1::PROTOCOL_SCTP},
                                                         {"ICMP", v1::PROTOCOL_ICMP},
                                                         {"ICMPv6", v1::PROTOCOL_ICMPV6}}) {
    const bool icmp = name[0] == 'I';
    const auto concerns = [&](const ChangedPorts& change) {
      return change.protocol == protocol || (change.protocol == v1::PROTOCOL_ANY && !icmp);
    };
    // Where rules of the generator begin and end, and where the diff's ranges do.
    std::set<int> ports = {1,   2,   52,  53,   54,   78,   79,   80,   81,   82,
                           442, 443, 444, 7999, 8000, 8001, 8080, 8081, 65535};
    if (icmp) ports = {0, 2, 3, 4, 7, 8, 9, 127, 128, 129, 130, 255};
    for (const ChangedPorts& change : changes) {
      if (!concerns(change)) continue;
      for (const int near : {-1, 0, 1}) {
        for (const uint32_t edge : {change.first, change.last}) {
          const int port = static_cast<int>(edge) + near;
          if (port >= (icmp ? 0 : 1) && port <= (icmp ? 255 : 65535)) ports.insert(port);
        }
      }
    }
    for (const int port : ports) {
      reference::Connection connection;
      connection.protocol = name;
      connection.port = port;
      reference::Party own;
      own.pod = world.pods[subject];
      const bool in = direction == v1::Rule::INGRESS;
      connection.from = in ? peer : own;
      connection.to = in ? own : peer;
      const auto judge = [&](const reference::Evaluator& evaluator) {
        return in ? evaluator.IngressAllows(connection) : evaluator.EgressAllows(connection);
      };
      const bool was = judge(world.before), will = judge(world.after);
      const ChangedPorts* found = nullptr;
      int times = 0;
      for (const ChangedPorts& change : changes) {
        if (!concerns(change) || static_cast<uint32_t>(port) < change.first ||
            static_cast<uint32_t>(port) > change.last)
          continue;
        found = &change;
        ++times;
      }
      const auto describe = [&] {
        return absl::StrCat(in ? "ingress of " : "egress of ", world.identities[subject].ShortDebugString(),
                            "\npeer ", peer.address, " ", name, " ", port, " was ", was, " will be ", will,
                            "\n", world.texts);
      };
      ASSERT_EQ(times, was != will ? 1 : 0) << describe();
      ++(was != will ? g_changed : g_same);
      if (found == nullptr) continue;
      ASSERT_EQ(found->before.verdict == Verdict::kAllow, was) << describe();
      ASSERT_EQ(found->after.verdict == Verdict::kAllow, will) << describe();
    }
  }
}

TEST(RuleDiffTest, HoldsExactlyTheCellsThatDiffer) {
  const std::string group_texts = RandomCilium::Groups();
  const auto parsed = ParseManifests(group_texts, ParseContext{"groups", "c1", "default"});
  ASSERT_TRUE(parsed.ok());
  std::vector<const v1::CidrGroup*> groups;
  for (const Parsed& group : *parsed) groups.push_back(&group.object.cidr_group());
  const std::vector<v1::Identity> reserved = ReservedIdentities();
  for (uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const World world(seed, group_texts);
    for (size_t subject = 0; subject < world.pods.size(); ++subject) {
      for (const v1::Rule::Direction direction : {v1::Rule::INGRESS, v1::Rule::EGRESS}) {
        const auto before = Rules(world.identities[subject], direction, world.was, groups);
        const auto after = Rules(world.identities[subject], direction, world.will, groups);
        for (size_t other = 0; other < world.pods.size(); ++other) {
          reference::Party peer;
          peer.pod = world.pods[other];
          PeerRef ref;
          ref.identity = &world.identities[other];
          CheckPair(world, subject, peer, ref, direction, *before, *after);
          if (HasFatalFailure()) return;
        }
        const std::vector<v1::Cidr> prefixes = PrefixesOf(*before, *after);
        for (const char* address : kAddresses) {
          reference::Party peer;
          peer.address = address;
          PeerRef ref;
          const v1::Cidr host = HostPrefix(*ParseAddress(address));
          for (const v1::Cidr& prefix : prefixes) {
            if (Covers(prefix, host) && (ref.prefix == nullptr || prefix.length() > ref.prefix->length())) {
              ref.prefix = &prefix;
            }
          }
          for (const v1::Identity& identity : reserved) {
            if (identity.id() == 2 && ref.prefix == nullptr) ref.identity = &identity;
          }
          CheckPair(world, subject, peer, ref, direction, *before, *after);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
  // Neither is rare, or the test would say little.
  EXPECT_GT(g_changed * 20, g_same);
  EXPECT_GT(g_same, g_changed / 20);
}

}  // namespace
}  // namespace trivium::policy
