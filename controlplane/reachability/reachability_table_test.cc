// The rows against the plain meaning of the rules, and small changes against starting over.
#include "controlplane/reachability/reachability_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "controlplane/reachability/positions.h"
#include "policy/cidr.h"
#include "policy/labels.h"
#include "policy/parse.h"
#include "schema/object.h"
#include "tests/support/fake_rows.h"

namespace trivium {
namespace {

using testing::ElementsAre;

// A mesh of two clusters, "aws" (own) and "gcp", changed by hand.
class Mesh {
 public:
  Mesh() {
    world_.positions = {{"aws", 1, 1}};
    for (v1::Identity& reserved : policy::ReservedIdentities()) {
      const uint32_t id = reserved.id();
      world_.peers[id].identity = std::make_shared<const v1::Identity>(std::move(reserved));
    }
  }

  void Pod(uint32_t id, const std::string& app, const std::string& cluster = "aws", uint32_t web_port = 0) {
    auto identity = std::make_shared<v1::Identity>();
    identity->set_id(id);
    for (const v1::Label& label :
         policy::IdentityLabels(policy::PodLabels{cluster, "shop", {}, {{"app", app}}})) {
      *identity->add_labels() = label;
    }
    if (web_port != 0) {
      v1::NamedPort* port = identity->add_named_ports();
      port->set_name("web");
      port->set_protocol(v1::PROTOCOL_TCP);
      port->set_port(web_port);
    }
    const uint32_t number = cluster == "aws" ? 1 : 2;
    world_.peers[id] = {identity, number, number, cluster == "aws"};
  }
  void Gone(uint32_t id) { world_.peers.erase(id); }
  void Policy(const std::string& name, const std::string& spec, bool cilium = false) {
    const auto parsed = policy::ParseManifests(
        absl::StrCat(cilium ? "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy"
                            : "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy",
                     "\nmetadata: {name: ", name, ", namespace: shop}\nspec: {", spec, "}\n"),
        policy::ParseContext{"test", "aws", "default"});
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    const auto object = std::make_shared<const v1::Object>(parsed->front().object);
    world_.policies[KeyOf(*object).key] = {object, &object->policy()};
  }
  void NoPolicy(const std::string& name) {
    std::erase_if(world_.policies, [&](const auto& entry) { return entry.second->name() == name; });
  }
  void Group(const std::string& name, const std::string& cidr) {
    const auto parsed = policy::ParseManifests(
        absl::StrCat("apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: ", name,
                     "}\nspec: {externalCIDRs: [\"", cidr, "\"]}\n"),
        policy::ParseContext{"test", "aws", "default"});
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    const auto object = std::make_shared<const v1::Object>(parsed->front().object);
    world_.groups[KeyOf(*object).key] = {object, &object->cidr_group()};
  }
  const ReachabilityWorld& world() const { return world_; }

 private:
  ReachabilityWorld world_;
};

// What the writes leave in the database.
struct Written {
  FakeDatabase::ClusterRows rows;
  size_t writes = 0;
  Written() { rows.name = "aws"; }

  void Take(ReachabilityTable* table, const ReachabilityWorld& world, bool whole, size_t at_once = 7) {
    table->Begin(world, whole);
    while (!table->Step(3)) {
    }
    while (std::optional<ReachabilityWrite> write = table->NextWrite(at_once)) {
      write->state.writes = rows.reachability_state.writes;
      write->state.positions = world.positions;
      ASSERT_TRUE(WriteReachabilityRows(*write, &rows).ok());
      ++writes;
    }
    EXPECT_EQ(rows.reachability.size() + rows.selections.size(), table->rows());
  }
};

auto KeyOfRow(const ReachabilityRow& row) {
  return std::make_tuple(row.identity, row.ingress, row.peer, row.prefix, row.first_port, row.protocols,
                         row.last_port, row.allowed, row.policy, row.origin, row.peer_home,
                         row.peer_cluster_id);
}

std::vector<ReachabilityRow> Sorted(std::vector<ReachabilityRow> rows) {
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return KeyOfRow(a) < KeyOfRow(b); });
  return rows;
}

std::vector<SelectionRow> Sorted(std::vector<SelectionRow> rows) {
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::make_pair(a.identity, a.name) < std::make_pair(b.identity, b.name);
  });
  return rows;
}

std::string Text(const ReachabilityRow& row) {
  return absl::StrCat(row.ingress ? "in " : "out ", row.protocols, ":", row.first_port, "-", row.last_port,
                      row.allowed ? " allowed" : " denied", row.origin.empty() ? "" : " by ", row.policy,
                      row.policy.empty() ? "" : " ", row.origin);
}

std::vector<std::string> Between(const std::vector<ReachabilityRow>& rows, uint32_t identity, uint32_t peer,
                                 const std::string& prefix = "") {
  std::vector<std::string> texts;
  for (const ReachabilityRow& row : Sorted(rows)) {
    if (row.identity == identity && row.peer == peer && row.prefix == prefix) texts.push_back(Text(row));
  }
  return texts;
}

constexpr char kOnlyWeb[] =
    "podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], "
    "ports: [{port: 5432}]}]";

TEST(ReachabilityTableTest, SaysWhatPoliciesSay) {
  Mesh mesh;
  mesh.Pod(300, "db");
  mesh.Pod(301, "web");
  mesh.Pod(900, "web", "gcp");
  mesh.Policy("db", kOnlyWeb);
  mesh.Policy("out",
              "podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: "
              "[{to: [{ipBlock: {cidr: 192.0.2.0/24}}]}]");
  ReachabilityTable table;
  Written written;
  written.Take(&table, mesh.world(), true);
  const std::vector<ReachabilityRow>& rows = written.rows.reachability;
  // TCP (1) has ranges of its own, the others (62) have none: a default that no rule made has no name.
  EXPECT_THAT(Between(rows, 300, 301),
              ElementsAre("out 63:0-65535 allowed", "in 1:0-5431 denied", "in 62:0-65535 denied",
                          "in 1:5432-5432 allowed by NetworkPolicy/shop/db spec.ingress[0]",
                          "in 1:5433-65535 denied"));
  EXPECT_THAT(Between(rows, 300, 900), ElementsAre("out 63:0-65535 allowed", "in 63:0-65535 denied"))
      << "a selector without a cluster means its own";
  EXPECT_THAT(Between(rows, 300, 1), ElementsAre("out 63:0-65535 allowed",
                                                 "in 63:0-65535 allowed by built-in: node reaches its pods"));
  EXPECT_THAT(Between(rows, 301, 0, "192.0.2.0/24"),
              ElementsAre("out 63:0-65535 allowed by NetworkPolicy/shop/out spec.egress[0]"));
  EXPECT_THAT(Between(rows, 301, 2), ElementsAre("out 63:0-65535 denied", "in 63:0-65535 allowed"));
  EXPECT_TRUE(Between(rows, 900, 300).empty()) << "another cluster's policies are its own affair";
  ASSERT_EQ(written.rows.selections.size(), 2u);
  EXPECT_EQ(Sorted(written.rows.selections)[0],
            (SelectionRow{300, "NetworkPolicy", "shop", "db", true, false}));
  EXPECT_EQ(Sorted(written.rows.selections)[1],
            (SelectionRow{301, "NetworkPolicy", "shop", "out", false, true}));
}

TEST(ReachabilityTableTest, AChangeWorksOutOnlyWhatItTouches) {
  Mesh mesh;
  for (uint32_t i = 0; i < 50; ++i) mesh.Pod(300 + i, i == 0 ? "db" : absl::StrCat("app-", i));
  mesh.Policy("db", kOnlyWeb);
  ReachabilityTable table;
  Written written;
  written.Take(&table, mesh.world(), true);
  EXPECT_EQ(table.counters().built, 50u);
  // Two rule sets without any rule but the built-in one, for 49, and one for ingress of the database: three
  // tables, since its egress is like that of all others.
  const uint64_t judged = table.counters().judged;
  EXPECT_EQ(judged, 3u * 58);

  const size_t writes = written.writes;
  written.Take(&table, mesh.world(), false);
  EXPECT_EQ(table.counters().built, 50u);
  EXPECT_EQ(table.counters().judged, judged);
  EXPECT_EQ(written.writes, writes) << "nothing changed, nothing is written";

  mesh.Pod(900, "web", "gcp");
  written.Take(&table, mesh.world(), false);
  EXPECT_EQ(table.counters().built, 50u) << "nobody's rules are others";
  EXPECT_EQ(table.counters().judged, judged + 3) << "one peer, by each table";

  mesh.Policy("db", "podSelector: {matchLabels: {app: db}}");
  written.Take(&table, mesh.world(), false);
  EXPECT_EQ(table.counters().built, 51u) << "of the one that it selects";
  EXPECT_EQ(table.counters().judged, judged + 3 + 59);
}

TEST(ReachabilityTableTest, PiecesAreOfTheSizeThatIsAskedFor) {
  Mesh mesh;
  for (uint32_t i = 0; i < 20; ++i) mesh.Pod(300 + i, absl::StrCat("app-", i));
  ReachabilityTable table;
  table.Begin(mesh.world(), true);
  while (!table.Step(10)) {
  }
  size_t pieces = 0;
  while (const std::optional<ReachabilityWrite> write = table.NextWrite(100)) {
    EXPECT_LT(write->rows.size(), 100u + 2 * 28) << "no more than one identity beyond";
    ++pieces;
  }
  EXPECT_GT(pieces, 10u);
  EXPECT_EQ(ReachabilityTable::LeastRows(mesh.world()), 2u * 20 * 28);
  EXPECT_EQ(table.rows(), 2u * 20 * 28);
}

// What a database holds for one pair, direction and port; every port must be in exactly one row.
bool Allowed(const std::vector<ReachabilityRow>& rows, uint32_t bit, uint32_t port,
             const policy::Decision& wanted) {
  size_t found = 0;
  bool allowed = false;
  for (const ReachabilityRow& row : rows) {
    if ((row.protocols & bit) == 0 || port < row.first_port || port > row.last_port) continue;
    ++found;
    allowed = row.allowed;
    EXPECT_EQ(row.policy, wanted.rule.policy);
    EXPECT_EQ(row.origin, wanted.rule.origin);
  }
  EXPECT_EQ(found, 1u);
  return allowed;
}

// Every identity against every peer and prefix, by the rules' plain meaning.
void ExpectPlainMeaning(const ReachabilityWorld& world, const std::vector<ReachabilityRow>& rows) {
  std::vector<const v1::Policy*> policies;
  for (const auto& [key, policy] : world.policies) policies.push_back(policy.get());
  std::vector<const v1::CidrGroup*> groups;
  for (const auto& [key, group] : world.groups) groups.push_back(group.get());
  std::map<std::tuple<uint32_t, bool, uint32_t, std::string>, std::vector<ReachabilityRow>> by_pair;
  for (const ReachabilityRow& row : rows) {
    by_pair[{row.identity, row.ingress, row.peer, row.prefix}].push_back(row);
  }
  size_t pairs = 0;
  const auto judge = [&](const policy::RuleSet& rules, const policy::PeerRef& peer,
                         const std::vector<ReachabilityRow>& of_pair) {
    ++pairs;
    static constexpr std::pair<v1::Protocol, uint32_t> kProtocols[] = {
        {v1::PROTOCOL_TCP, kTcpBit}, {v1::PROTOCOL_UDP, kUdpBit}, {v1::PROTOCOL_SCTP, kSctpBit}};
    for (const auto& [protocol, bit] : kProtocols) {
      for (const uint32_t port : {0, 53, 79, 80, 81, 443, 8080, 65535}) {
        const policy::Decision wanted = rules.Decide(peer, protocol, static_cast<uint16_t>(port));
        EXPECT_EQ(Allowed(of_pair, bit, port, wanted), wanted.verdict == policy::Verdict::kAllow);
      }
    }
    const policy::Decision ping = rules.Decide(peer, v1::PROTOCOL_ICMP, 8 << 8);
    EXPECT_EQ(Allowed(of_pair, kIcmpBit, 8, ping), ping.verdict == policy::Verdict::kAllow);
  };
  for (const auto& [id, subject] : world.peers) {
    if (!subject.own) continue;
    for (const v1::Rule::Direction direction : {v1::Rule::INGRESS, v1::Rule::EGRESS}) {
      const auto rules = policy::RuleSet::Build(*subject.identity, direction, policies, groups);
      const bool in = direction == v1::Rule::INGRESS;
      for (const auto& [peer_id, peer] : world.peers) {
        judge(*rules, {peer.identity.get(), nullptr}, by_pair[{id, in, peer_id, ""}]);
      }
      for (const v1::Cidr& prefix : rules->prefixes()) {
        judge(*rules, {nullptr, &prefix}, by_pair[{id, in, 0, policy::CidrText(prefix)}]);
      }
    }
  }
  EXPECT_EQ(pairs, by_pair.size()) << "rows about nobody";
}

// Random changes, one after the other: the rows that small steps lead to are those of starting over, and both
// are what the rules say.
TEST(ReachabilityTableTest, SmallStepsLeadToTheSameRows) {
  const std::string apps[] = {"web", "db", "cache"};
  const std::string specs[] = {
      "podSelector: {}, policyTypes: [Ingress, Egress]",
      "podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: web}]}]",
      "podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: "
      "[{to: [{podSelector: {}}], ports: [{port: 80, endPort: 8000}, {port: 53, protocol: UDP}]}, "
      "{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]",
      "podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: web}]}]",
  };
  const std::string cilium[] = {
      "endpointSelector: {matchLabels: {app: cache}}, egressDeny: [{toEntities: [world]}], "
      "ingress: [{fromEntities: [cluster]}]",
      "endpointSelector: {}, egress: [{toCIDRSet: [{cidrGroupRef: partners}]}]",
      "endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEndpoints: [{matchLabels: {app: web, "
      "io.cilium.k8s.policy.cluster: gcp}}], toPorts: [{ports: [{port: \"443\"}]}]}], "
      "ingressDeny: [{icmps: [{fields: [{type: 8, family: IPv4}]}]}]",
  };
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](uint32_t n) { return static_cast<uint32_t>(random() % n); };
    Mesh mesh;
    ReachabilityTable table;
    Written written;
    written.Take(&table, mesh.world(), true);
    for (int step = 0; step < 25; ++step) {
      for (uint32_t changes = 0; changes <= below(3); ++changes) {
        const std::string cluster = below(2) == 0 ? "aws" : "gcp";
        const uint32_t id = (cluster == "aws" ? 300 : 900) + below(6);
        switch (below(7)) {
          case 0:
          case 1:
          case 2:
            mesh.Pod(id, apps[below(3)], cluster, below(2) == 0 ? 8080 : 0);
            break;
          case 3:
            mesh.Gone(id);
            break;
          case 4:
            mesh.Policy(absl::StrCat("p", below(3)), specs[below(4)]);
            break;
          case 5:
            mesh.Policy(absl::StrCat("c", below(2)), cilium[below(3)], true);
            mesh.Group("partners", below(2) == 0 ? "192.0.2.0/24" : "198.51.100.0/24");
            break;
          default:
            mesh.NoPolicy(absl::StrCat(below(2) == 0 ? "p" : "c", below(3)));
        }
      }
      written.Take(&table, mesh.world(), false);
      ReachabilityTable anew;
      Written scratch;
      scratch.Take(&anew, mesh.world(), true, 1000);
      ASSERT_EQ(Sorted(written.rows.reachability), Sorted(scratch.rows.reachability)) << "seed " << seed;
      ASSERT_EQ(Sorted(written.rows.selections), Sorted(scratch.rows.selections)) << "seed " << seed;
    }
    ExpectPlainMeaning(mesh.world(), written.rows.reachability);
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
}

TEST(PositionsTest, BehindIsBehindInAnyCluster) {
  const std::vector<ClusterPosition> mine = {{"aws", 1, 5}, {"gcp", 2, 1}};
  EXPECT_EQ(BehindIn(mine, {}), "");
  EXPECT_EQ(BehindIn(mine, mine), "");
  EXPECT_EQ(BehindIn(mine, {{"aws", 1, 4}, {"gcp", 1, 9}}), "");
  EXPECT_EQ(BehindIn(mine, {{"aws", 1, 4}, {"gcp", 2, 2}}), "gcp");
  EXPECT_EQ(BehindIn(mine, {{"aws", 2, 0}}), "aws");
  EXPECT_EQ(BehindIn(mine, {{"azure", 9, 9}}), "") << "a cluster that is no more";
}

}  // namespace
}  // namespace trivium
