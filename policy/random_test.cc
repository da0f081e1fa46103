// Random policy sets, judged by the compiled form, by the plain meaning and by the reference evaluator, which
// must all agree. TRIVIUM_RANDOM_SEED and TRIVIUM_RANDOM_SETS choose others than those of every run.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "policy/cidr.h"
#include "policy/labels.h"
#include "policy/parse.h"
#include "policy/port_ranges.h"
#include "policy/rule_set.h"
#include "policy/selector.h"
#include "policy/testing/random_cilium.h"
#include "policy/testing/reference_evaluator.h"
#include "policy/testing/verdict_lookup.h"

namespace trivium::policy {
namespace {

constexpr int kSets = 10000;
constexpr uint64_t kSetsOfAPool = 5;
constexpr int kFlows = 40;  // judged in each set
constexpr const char* kClusters[] = {"c1", "c2"};
constexpr const char* kNamespaces[] = {"x", "y"};
constexpr const char* kPodValues[] = {"a", "b", "c", ""};
constexpr const char* kExternals[] = {"192.0.2.7", "192.0.2.130", "198.51.100.1", "2001:db8::7",
                                      "2001:db8:1::9"};
constexpr const char* kCidrs[] = {"0.0.0.0/0",      "192.0.2.0/24",      "192.0.2.128/25", "192.0.2.7/32",
                                  "192.0.2.200/24", "198.51.100.0/22",   "::/0",           "2001:db8::/32",
                                  "2001:db8::/48",  "2001:db8:1::9/128", "10.0.0.0/8",     "192.0.2.130/31",
                                  "128.0.0.0/1"};
constexpr const char* kPortNames[] = {"web", "dns", "db"};
constexpr int kIcmpTypes[] = {0, 3, 8, 128, 129};
constexpr int kPorts[] = {1, 53, 79, 80, 81, 443, 5432, 8000, 8079, 8080, 65535};
constexpr const char* kProtocols[] = {"TCP", "UDP", "SCTP"};

struct TestPod {
  reference::Pod reference;
  v1::Identity identity;
};

v1::Protocol ToProtocol(const std::string& name) {
  if (name == "TCP") return v1::PROTOCOL_TCP;
  if (name == "UDP") return v1::PROTOCOL_UDP;
  if (name == "SCTP") return v1::PROTOCOL_SCTP;
  if (name == "ICMPv6") return v1::PROTOCOL_ICMPV6;
  return v1::PROTOCOL_ICMP;
}

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  size_t Below(size_t bound) { return random_() % bound; }
  bool Chance(size_t percent) { return Below(100) < percent; }
  template <typename T, size_t N>
  T Pick(const T (&choices)[N]) {
    return choices[Below(N)];
  }

  reference::Labels PodLabels() {
    reference::Labels labels;
    if (Chance(85)) labels["pod"] = Pick(kPodValues);
    if (Chance(40)) labels["example.com/tier"] = Chance(50) ? "front" : "back";
    return labels;
  }
  reference::Labels NamespaceLabels() {
    reference::Labels labels;
    if (Chance(70)) labels["team"] = Chance(50) ? "red" : "blue";
    return labels;
  }

  TestPod Pod(const std::string& cluster, const std::string& ns, const reference::Labels& namespace_labels) {
    TestPod pod;
    pod.reference = reference::Pod{cluster, ns, PodLabels(), {}};
    for (const char* name : kPortNames) {
      if (Chance(50)) pod.reference.ports.push_back({name, Pick(kProtocols), Pick(kPorts)});
    }
    for (const v1::Label& label :
         IdentityLabels(trivium::policy::PodLabels{cluster, ns, namespace_labels, pod.reference.labels})) {
      *pod.identity.add_labels() = label;
    }
    for (const reference::NamedPort& port : pod.reference.ports) {
      v1::NamedPort* named = pod.identity.add_named_ports();
      named->set_name(port.name);
      named->set_protocol(ToProtocol(port.protocol));
      named->set_port(static_cast<uint32_t>(port.port));
    }
    return pod;
  }

  // A LabelSelector in flow style. `keys` are the labels that it may be about.
  std::string Selector(const std::vector<std::pair<std::string, std::vector<std::string>>>& keys) {
    if (Chance(20)) return "{}";
    std::vector<std::string> parts;
    if (Chance(60)) {
      const auto& [key, values] = keys[Below(keys.size())];
      parts.push_back(absl::StrCat("matchLabels: {", key, ": \"", values[Below(values.size())], "\"}"));
    }
    if (Chance(50)) {
      std::vector<std::string> expressions;
      for (size_t i = 0; i <= Below(2); ++i) {
        const auto& [key, values] = keys[Below(keys.size())];
        const char* op = Pick(kOperators);
        std::string list;
        if (op[0] == 'I' || op[0] == 'N') {
          list =
              absl::StrCat(", values: [\"", values[Below(values.size())], "\"",
                           Chance(40) ? absl::StrCat(", \"", values[Below(values.size())], "\"") : "", "]");
        }
        expressions.push_back(absl::StrCat("{key: ", key, ", operator: ", op, list, "}"));
      }
      parts.push_back(absl::StrCat("matchExpressions: [", absl::StrJoin(expressions, ", "), "]"));
    }
    return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
  }
  std::string PodSelector(bool may_name_cluster) {
    auto keys = kPodKeys;
    if (may_name_cluster && Chance(15)) keys.push_back(kClusterValues);
    return Selector(keys);
  }
  std::string NamespaceSelector() {
    auto keys = kNamespaceKeys;
    if (Chance(15)) keys.push_back(kClusterValues);
    return Selector(keys);
  }

  std::string IpBlock() {
    const std::string text = Pick(kCidrs);
    const v1::Cidr cidr = *ParseCidr(text);
    std::vector<std::string> excepts;
    for (const char* other : kCidrs) {
      const v1::Cidr except = *ParseCidr(other);
      if (Covers(cidr, except) && except.length() > cidr.length() && Chance(30))
        excepts.push_back(absl::StrCat("\"", other, "\""));
    }
    return absl::StrCat("{cidr: \"", text, "\"",
                        excepts.empty() ? "" : absl::StrCat(", except: [", absl::StrJoin(excepts, ", "), "]"),
                        "}");
  }

  std::string Peer() {
    switch (Below(5)) {
      case 0:
      case 1:
        return absl::StrCat("{podSelector: ", PodSelector(true), "}");
      case 2:
        return absl::StrCat("{namespaceSelector: ", NamespaceSelector(), "}");
      case 3:
        return absl::StrCat("{namespaceSelector: ", NamespaceSelector(), ", podSelector: ", PodSelector(true),
                            "}");
      default:
        return absl::StrCat("{ipBlock: ", IpBlock(), "}");
    }
  }

  std::string Port() {
    std::vector<std::string> parts;
    if (Chance(60)) parts.push_back(absl::StrCat("protocol: ", Pick(kProtocols)));
    if (Chance(25)) {
      parts.push_back(absl::StrCat("port: ", Pick(kPortNames)));
    } else if (Chance(90)) {
      const int first = Pick(kPorts);
      parts.push_back(absl::StrCat("port: ", first));
      if (Chance(35)) {
        const int last = Pick(kPorts);
        if (last >= first) parts.push_back(absl::StrCat("endPort: ", last));
      }
    }
    return absl::StrCat("{", absl::StrJoin(parts, ", "), "}");
  }

  std::string Rules(const char* section, const char* peers) {
    std::vector<std::string> rules;
    for (size_t i = Below(4); i > 0; --i) {
      std::vector<std::string> parts;
      if (Chance(80)) {
        std::vector<std::string> list;
        for (size_t n = Below(10) == 0 ? 0 : 1 + Below(3); n > 0; --n) list.push_back(Peer());
        parts.push_back(absl::StrCat(peers, ": [", absl::StrJoin(list, ", "), "]"));
      }
      if (Chance(65)) {
        std::vector<std::string> list;
        for (size_t n = Below(10) == 0 ? 0 : 1 + Below(3); n > 0; --n) list.push_back(Port());
        parts.push_back(absl::StrCat("ports: [", absl::StrJoin(list, ", "), "]"));
      }
      rules.push_back(absl::StrCat("{", absl::StrJoin(parts, ", "), "}"));
    }
    return absl::StrCat("  ", section, ": [", absl::StrJoin(rules, ", "), "]\n");
  }

  std::string Policy(const std::string& name) {
    if (Chance(50)) return RandomCilium(&random_).Policy(name, Pick(kNamespaces), Chance(30));
    std::string text = absl::StrCat(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ", name,
        ", namespace: ", Pick(kNamespaces), "}\nspec:\n  podSelector: ", PodSelector(false), "\n");
    if (Chance(40)) absl::StrAppend(&text, "  policyTypes: ", Pick(kTypes), "\n");
    if (Chance(75)) absl::StrAppend(&text, Rules("ingress", "from"));
    if (Chance(60)) absl::StrAppend(&text, Rules("egress", "to"));
    return text;
  }

 private:
  static constexpr const char* kOperators[] = {"In", "NotIn", "Exists", "DoesNotExist"};
  static constexpr const char* kTypes[] = {"[Ingress]", "[Egress]", "[Ingress, Egress]", "[]"};
  const std::pair<std::string, std::vector<std::string>> kClusterValues{"io.cilium.k8s.policy.cluster",
                                                                        {"c1", "c2", "c3"}};
  const std::vector<std::pair<std::string, std::vector<std::string>>> kPodKeys{
      {"pod", {"a", "b", "c", ""}}, {"example.com/tier", {"front", "back"}}, {"none", {"a"}}};
  const std::vector<std::pair<std::string, std::vector<std::string>>> kNamespaceKeys{
      {"team", {"red", "blue"}}, {"kubernetes.io/metadata.name", {"x", "y"}}, {"none", {"a"}}};
  std::mt19937_64 random_;
};

// Policies, read by both sides. Reading takes far longer than judging, so that several sets draw from one
// pool.
class Pool {
 public:
  struct Entry {
    std::string cluster;
    std::string ns;
    std::string name;
    std::string text;
    v1::Policy policy;
  };

  explicit Pool(uint64_t seed) {
    Generator generate(seed ^ 0x9e3779b97f4a7c15);
    for (const char* cluster : kClusters) reference_.Apply(cluster, RandomCilium::Groups());
    const auto groups = ParseManifests(RandomCilium::Groups(), ParseContext{"groups", "c1", "default"});
    EXPECT_TRUE(groups.ok()) << groups.status();
    for (const Parsed& group : *groups) groups_.push_back(group.object.cidr_group());
    for (size_t i = 0; i < 10; ++i) {
      Entry& entry = entries_.emplace_back();
      entry.cluster = generate.Pick(kClusters);
      entry.name = absl::StrCat("p", i);
      entry.text = generate.Policy(entry.name);
      reference_.Apply(entry.cluster, entry.text);
      const auto parsed = ParseManifests(entry.text, ParseContext{"random", entry.cluster, "default"});
      EXPECT_TRUE(parsed.ok()) << parsed.status() << "\n" << entry.text;
      if (!parsed.ok()) continue;
      entry.policy = parsed->front().object.policy();
      entry.ns = entry.policy.namespace_();
    }
  }

  const std::vector<Entry>& entries() const { return entries_; }
  const reference::Evaluator& reference() const { return reference_; }
  // The same in each cluster.
  std::vector<const v1::CidrGroup*> groups() const {
    std::vector<const v1::CidrGroup*> groups;
    for (const v1::CidrGroup& group : groups_) groups.push_back(&group);
    return groups;
  }

 private:
  std::vector<Entry> entries_;
  std::vector<v1::CidrGroup> groups_;
  reference::Evaluator reference_;
};

// One world with some of a pool's policies, in both forms.
class RandomSet {
 public:
  RandomSet(uint64_t seed, const Pool& pool)
      : generate_(seed), reference_(pool.reference()), groups_(pool.groups()) {
    for (const char* cluster : kClusters) {
      for (const char* ns : kNamespaces) {
        const reference::Labels labels = generate_.NamespaceLabels();
        reference_.PutNamespace(cluster, ns, labels);
        for (size_t i = generate_.Below(3); i > 0; --i) pods_.push_back(generate_.Pod(cluster, ns, labels));
      }
    }
    if (pods_.empty()) pods_.push_back(generate_.Pod("c1", "default", {}));
    const size_t share = 20 + generate_.Below(60);
    for (const Pool::Entry& entry : pool.entries()) {
      if (generate_.Chance(share)) {
        policies_[entry.cluster].push_back(&entry.policy);
        absl::StrAppend(&texts_, "# in ", entry.cluster, "\n", entry.text, "---\n");
      } else {
        reference_.Delete(entry.cluster, entry.policy.kind(), entry.ns, entry.name);
      }
    }
  }

  void Judge() {
    for (int i = 0; i < kFlows; ++i) {
      const TestPod* from = generate_.Chance(85) ? &pods_[generate_.Below(pods_.size())] : nullptr;
      const TestPod* to =
          from == nullptr || generate_.Chance(85) ? &pods_[generate_.Below(pods_.size())] : nullptr;
      reference::Connection connection;
      if (generate_.Chance(15)) {
        connection.protocol = generate_.Chance(50) ? "ICMP" : "ICMPv6";
        connection.port = generate_.Pick(kIcmpTypes);
      } else {
        connection.protocol = generate_.Pick(kProtocols);
        connection.port =
            generate_.Chance(85) ? generate_.Pick(kPorts) : static_cast<int>(generate_.Below(65536));
      }
      const std::string outside = generate_.Pick(kExternals);
      Fill(from, outside, &connection.from);
      Fill(to, outside, &connection.to);
      if (from != nullptr)
        JudgeEnd(*from, to, connection, v1::Rule::EGRESS, reference_.EgressAllows(connection));
      if (to != nullptr)
        JudgeEnd(*to, from, connection, v1::Rule::INGRESS, reference_.IngressAllows(connection));
      if (::testing::Test::HasFailure()) return;
    }
  }

  int allowed() const { return allowed_; }
  int denied() const { return denied_; }

 private:
  static void Fill(const TestPod* pod, const std::string& outside, reference::Party* party) {
    if (pod != nullptr) {
      party->pod = pod->reference;
    } else {
      party->address = outside;
    }
  }

  void JudgeEnd(const TestPod& subject, const TestPod* peer, const reference::Connection& connection,
                v1::Rule::Direction direction, bool wanted) {
    std::shared_ptr<const RuleSet>& rules = rule_sets_[{&subject, direction}];
    if (rules == nullptr) {
      rules = RuleSet::Build(subject.identity, direction, policies_[subject.reference.cluster], groups_);
    }

    PeerRef ref;
    const v1::Identity& world =
        *std::find_if(reserved_.begin(), reserved_.end(), [](const auto& i) { return i.id() == 2; });
    v1::Cidr longest;
    if (peer != nullptr) {
      ref.identity = &peer->identity;
    } else {
      const std::string& address =
          direction == v1::Rule::EGRESS ? connection.to.address : connection.from.address;
      const v1::Cidr host = HostPrefix(*ParseAddress(address));
      for (const v1::Cidr& prefix : rules->prefixes()) {
        if (!Covers(prefix, host) || (ref.prefix != nullptr && prefix.length() <= longest.length())) continue;
        longest = prefix;
        ref.prefix = &longest;
      }
      if (ref.prefix == nullptr) ref.identity = &world;
    }
    const v1::Protocol protocol = ToProtocol(connection.protocol);
    const bool icmp = protocol == v1::PROTOCOL_ICMP || protocol == v1::PROTOCOL_ICMPV6;
    const auto port = static_cast<uint16_t>(icmp ? connection.port << 8 : connection.port);
    const Decision decision = rules->Decide(ref, protocol, port);
    const std::vector<VerdictEntry> entries = rules->Flatten(rules->ClassOf(ref));
    const VerdictEntry* entry = LongestMatch(entries, static_cast<uint8_t>(protocol), port);

    const auto describe = [&] {
      return absl::StrCat(direction == v1::Rule::EGRESS ? "egress" : "ingress", " of ",
                          subject.identity.ShortDebugString(), "\npeer ",
                          ref.identity != nullptr ? ref.identity->ShortDebugString() : CidrText(longest),
                          "\n", connection.protocol, " ", connection.port, "\n", texts_);
    };
    ASSERT_EQ(decision.verdict == Verdict::kAllow, wanted) << "the plain meaning\n" << describe();
    ASSERT_EQ(entry != nullptr && entry->verdict == Verdict::kAllow, wanted) << "the compiled form\n"
                                                                             << describe();
    ASSERT_EQ(entry != nullptr && entry->rule != kDefaultRule, decision.by_rule) << describe();
    if (decision.by_rule) {
      ASSERT_EQ(rules->rules().at(entry->rule), decision.rule) << describe();
    }
    const std::vector<PortRangeVerdict> ranges = PortRangesOf(*rules, rules->ClassOf(ref)).ranges;
    const auto in_range = [&](const PortRangeVerdict& range) {
      return range.protocol == protocol && range.first <= connection.port && connection.port <= range.last;
    };
    ASSERT_EQ(std::count_if(ranges.begin(), ranges.end(), in_range), 1) << describe();
    const Decision ranged = DecisionOf(*rules, std::find_if(ranges.begin(), ranges.end(), in_range)->outcome);
    ASSERT_EQ(ranged.verdict, decision.verdict) << "as ranges\n" << describe();
    ASSERT_EQ(ranged.by_rule, decision.by_rule) << describe();
    ASSERT_EQ(ranged.rule, decision.rule) << describe();
    ++(wanted ? allowed_ : denied_);
  }

  Generator generate_;
  reference::Evaluator reference_;
  const std::vector<const v1::CidrGroup*> groups_;
  const std::vector<v1::Identity> reserved_ = ReservedIdentities();
  std::vector<TestPod> pods_;
  std::map<std::string, std::vector<const v1::Policy*>> policies_;
  std::map<std::pair<const TestPod*, v1::Rule::Direction>, std::shared_ptr<const RuleSet>> rule_sets_;
  std::string texts_;
  int allowed_ = 0;
  int denied_ = 0;
};

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

TEST(RandomPolicies, AllThreeJudgesAgree) {
  const uint64_t first = FromEnvironment("TRIVIUM_RANDOM_SEED", 1);
  const uint64_t sets = FromEnvironment("TRIVIUM_RANDOM_SETS", kSets);
  int64_t allowed = 0;
  int64_t denied = 0;
  std::unique_ptr<Pool> pool;
  for (uint64_t seed = first; seed < first + sets; ++seed) {
    if (pool == nullptr || seed % kSetsOfAPool == 0) pool = std::make_unique<Pool>(seed / kSetsOfAPool);
    RandomSet set(seed, *pool);
    set.Judge();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
    allowed += set.allowed();
    denied += set.denied();
  }
  std::cout << "seeds " << first << " to " << first + sets - 1 << ": " << allowed << " allowed, " << denied
            << " denied\n";
  // Neither verdict is rare, or the test would say little.
  EXPECT_GT(allowed * 5, denied);
  EXPECT_GT(denied * 5, allowed);
}

}  // namespace
}  // namespace trivium::policy
