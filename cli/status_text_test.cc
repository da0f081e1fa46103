#include "cli/status_text.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace trivium::cli {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

v1::ClusterStatus* AddCluster(v1::StatusResult* result, const std::string& name, const std::string& region,
                              uint64_t revision) {
  v1::ClusterStatus* cluster = result->add_clusters();
  cluster->mutable_head()->set_cluster(name);
  cluster->mutable_head()->set_epoch(1);
  cluster->mutable_head()->set_revision(revision);
  cluster->set_region(region);
  cluster->set_nodes(2);
  cluster->set_mirrored(true);
  cluster->set_endpoints(6);
  return cluster;
}

v1::AgentStatus* AddAgent(v1::ClusterStatus* cluster, const std::string& node, absl::Duration ago) {
  v1::AgentStatus* agent = cluster->add_agents();
  agent->set_cluster(cluster->head().cluster());
  agent->set_node(node);
  agent->set_endpoints(3);
  agent->set_time_ms(absl::ToUnixMillis(kNow - ago));
  return agent;
}

v1::AppliedCluster* Apply(v1::AgentStatus* agent, const std::string& cluster, uint64_t enforced) {
  v1::AppliedCluster* applied = agent->add_applied();
  applied->set_cluster(cluster);
  applied->set_epoch(1);
  applied->set_received(enforced);
  applied->set_enforced(enforced);
  return applied;
}

// aws answers and is up to date; gcp answers, its agents are behind, broken and silent; azure does not
// answer.
std::vector<StatusAnswer> Answers() {
  v1::StatusResult aws;
  aws.set_instance("aws-cp1");
  aws.set_version("0.1.0");
  aws.set_sql_up(true);
  v1::ClusterStatus* own = AddCluster(&aws, "aws", "eu-west-2", 42);
  AddCluster(&aws, "gcp", "europe-west2", 16)->set_mirrored(false);  // not the newest: gcp itself says 17
  v1::AgentStatus* n1 = AddAgent(own, "n1", absl::Seconds(1));
  Apply(n1, "aws", 42);
  Apply(n1, "gcp", 17);

  v1::StatusResult gcp;
  gcp.set_instance("gcp-cp1");
  gcp.set_version("0.1.0");
  gcp.set_sql_up(false);
  AddCluster(&gcp, "aws", "eu-west-2", 41);
  own = AddCluster(&gcp, "gcp", "europe-west2", 17);
  v1::AgentStatus* late = AddAgent(own, "n1", absl::Seconds(2));
  Apply(late, "aws", 40);
  Apply(late, "gcp", 17);
  v1::AgentStatus* broken = AddAgent(own, "n2", absl::Seconds(1));
  Apply(broken, "aws", 42);
  Apply(broken, "gcp", 15)->set_problem("policy map full");
  AddAgent(own, "n3", absl::Minutes(5));
  return {{"aws", aws, {}}, {"gcp", gcp, {}}, {"azure", absl::UnavailableError("nobody answers"), {}}};
}

TEST(StatusTextTest, ShowsHeadsAndHowFarEachAgentIsBehind) {
  EXPECT_EQ(
      StatusText(Answers(), kNow, false, {}),
      "REGION         CLUSTER   EPOCH   REVISION   NODES   ENDPOINTS   IDENTITIES   POLICIES   "
      "CONTROL-PLANE\n"
      "eu-west-2      aws       1       42         2       6           0            0          aws-cp1 "
      "0.1.0\n"
      "europe-west2   gcp       1       17         2       6           0            0          gcp-cp1 0.1.0 "
      "(SQL out of reach)\n"
      "\n"
      "CLUSTER   CONNECTED         HEAD   LAG   NODES-READY\n"
      "aws       2/2               1/42   1     1/2\n"
      "gcp       1/2, not to aws   1/17   1     0/2\n"
      "\n"
      "CLUSTER   AGENT   ENDPOINTS   BEHIND           SEEN     STATE\n"
      "aws       n1      3           0                1s ago   in sync\n"
      "gcp       n1      3           aws 2            2s ago   behind\n"
      "gcp       n2      3           gcp 2            1s ago   not enforced: gcp: policy map full\n"
      "gcp       n3      3           aws 42, gcp 17   5m ago   silent for 5m\n"
      "\n"
      "unreachable: azure: nobody answers\n");
}

TEST(StatusTextTest, WhatKeepsTheMeshFromBeingReady) {
  EXPECT_EQ(NotReady(Answers(), kNow),
            (std::vector<std::string>{"aws: 1 of 2 nodes are ready", "aws: does not hold cluster gcp whole",
                                      "aws: 1 revisions of gcp behind", "gcp: SQL is out of reach",
                                      "gcp: 1 revisions of aws behind", "gcp: 0 of 2 nodes are ready",
                                      "azure: unreachable: nobody answers"}));
  std::vector<StatusAnswer> well = Answers();
  well.resize(1);
  v1::StatusResult& aws = *well[0].result;
  aws.mutable_clusters(0)->set_nodes(1);
  aws.mutable_clusters(1)->mutable_head()->set_revision(17);
  aws.mutable_clusters(1)->set_mirrored(true);
  EXPECT_TRUE(NotReady(well, kNow).empty()) << NotReady(well, kNow)[0];
  EXPECT_EQ(NotReady(well, kNow + absl::Minutes(1)).size(), 1u) << "a silent agent is not ready";
  well[0].down.emplace_back().set_cluster("gcp");
  EXPECT_EQ(NotReady(well, kNow), std::vector<std::string>{"aws: sees cluster gcp down"});
}

TEST(StatusTextTest, WideHasALineForEachAgentAndCluster) {
  const std::string text = StatusText(Answers(), kNow, true, {});
  EXPECT_NE(text.find("gcp       n2      gcp   15         15         17     2        policy map full\n"),
            std::string::npos)
      << text;
}

TEST(StatusTextTest, NamesPoliciesThatAreNotEnforced) {
  std::vector<StatusAnswer> answers = Answers();
  v1::AgentStatus* agent = answers[0].result->mutable_clusters(0)->mutable_agents(0);
  for (const char* name : {"db", "web"}) {
    v1::NotEnforcedPolicy* policy = agent->add_not_enforced();
    policy->set_cluster("aws");
    policy->set_kind("NetworkPolicy");
    policy->set_namespace_("shop");
    policy->set_name(name);
    policy->set_reason("map policy_verdict is full");
    policy->set_since_ms(absl::ToUnixMillis(kNow - absl::Minutes(2)));
    policy->set_endpoints(3);
  }
  agent->set_not_enforced_total(7);
  const std::string text = StatusText(answers, kNow, false, {});
  EXPECT_NE(text.find("not enforced: NetworkPolicy shop/db and 6 more: map policy_verdict is full\n"),
            std::string::npos)
      << text;
  const std::string wide = StatusText(answers, kNow, true, {});
  EXPECT_NE(
      wide.find("CLUSTER   AGENT   NOT-ENFORCED             ENDPOINTS   SINCE    REASON\n"
                "aws       n1      NetworkPolicy shop/db    3           2m ago   map policy_verdict is full\n"
                "aws       n1      NetworkPolicy shop/web   3           2m ago   map policy_verdict is full\n"
                "and 5 more\n"),
      std::string::npos)
      << wide;
  answers.resize(1);
  EXPECT_FALSE(StatusJson(answers, kNow)["inStep"].get<bool>());
  EXPECT_EQ(StatusJson(answers, kNow)["agents"][0]["notEnforced"][0]["name"], "db");
}

TEST(StatusTextTest, SaysWhatIsDownAndWhoSeesIt) {
  std::vector<StatusAnswer> answers = Answers();
  v1::Liveness seen;
  seen.set_cluster("azure");
  answers[0].down.push_back(seen);
  seen.set_cluster("gcp");
  seen.set_node("n3");
  answers[1].down.push_back(seen);
  const std::string text = StatusText(answers, kNow, false, {});
  EXPECT_NE(text.find("\ndown: cluster azure, as aws sees it\ndown: node gcp/n3, as gcp sees it\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(StatusJson(answers, kNow)["down"].size(), 2u);
  EXPECT_EQ(StatusJson(answers, kNow)["down"][1]["observer"], "gcp");
}

TEST(StatusTextTest, AnotherEpochIsWhollyBehind) {
  std::vector<StatusAnswer> answers = Answers();
  answers.resize(1);
  answers[0].result->mutable_clusters(0)->mutable_head()->set_epoch(9);
  EXPECT_NE(StatusText(answers, kNow, false, {}).find("aws 42"), std::string::npos);
}

TEST(StatusTextTest, ColoursOnlyWhenAsked) {
  Style style;
  EXPECT_EQ(StatusText(Answers(), kNow, false, style).find('\x1b'), std::string::npos);
  style.colour = true;
  EXPECT_NE(StatusText(Answers(), kNow, false, style).find("\x1b[32min sync\x1b[0m"), std::string::npos);
}

TEST(StatusTextTest, JsonSaysTheSame) {
  const Json json = StatusJson(Answers(), kNow);
  EXPECT_EQ(json["clusters"].size(), 2u);
  EXPECT_EQ(json["clusters"][1]["head"]["revision"], 17);
  EXPECT_EQ(json["clusters"][0]["controlPlane"], "aws-cp1");
  EXPECT_EQ(json["agents"][1]["behind"]["aws"], 2);
  EXPECT_EQ(json["agents"][1]["silentMs"], 2000);
  EXPECT_EQ(json["unreachable"][0]["cluster"], "azure");
  EXPECT_EQ(json["inStep"], false);
}

TEST(StatusTextTest, InStepMeansEveryNodeOfThoseWhoAnswer) {
  std::vector<StatusAnswer> answers = Answers();
  answers.resize(1);
  v1::StatusResult& aws = *answers[0].result;
  aws.mutable_clusters(0)->set_nodes(1);
  EXPECT_EQ(StatusJson(answers, kNow)["inStep"], true);
  aws.mutable_clusters(0)->set_nodes(2);  // one of them never reported
  EXPECT_EQ(StatusJson(answers, kNow)["inStep"], false);
  aws.mutable_clusters(0)->set_nodes(1);
  aws.mutable_clusters(1)->mutable_head()->set_revision(18);
  EXPECT_EQ(StatusJson(answers, kNow)["inStep"], false);
  aws.mutable_clusters(1)->mutable_head()->set_revision(17);
  aws.mutable_clusters(0)->mutable_agents(0)->mutable_applied(0)->set_problem("map full");
  EXPECT_EQ(StatusJson(answers, kNow)["inStep"], false);
  answers[0].result = absl::UnavailableError("gone");
  EXPECT_EQ(StatusJson(answers, kNow)["inStep"], false);
}

}  // namespace
}  // namespace trivium::cli
