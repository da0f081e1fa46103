// `rollout status` and `status --wait` as whole command lines.
#include "cli/commands_fixture.h"

namespace trivium::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class RolloutTest : public CommandsTest {
 protected:
  RolloutTest() {
    v1::SnapshotObject* policy = policy_.mutable_get()->add_items()->mutable_object();
    policy->set_revision(17);
    policy->mutable_object()->mutable_policy()->set_kind("NetworkPolicy");
    policy->mutable_object()->mutable_policy()->set_namespace_("shop");
    policy->mutable_object()->mutable_policy()->set_name("web");
    policy_.mutable_get()->mutable_at()->set_epoch(1);
    for (uint32_t i = 1; i <= 2; ++i) {
      v1::Node* node = nodes_.mutable_get()->add_items()->mutable_object()->mutable_object()->mutable_node();
      node->set_number(i);
      node->set_name(absl::StrCat("n", i));
    }
    v1::ClusterStatus* own = status_.mutable_status()->add_clusters();
    own->mutable_head()->set_cluster("aws-euw2");
    *own->add_agents() = Agent("n1", 17);
    *own->add_agents() = Agent("n2", 16);
    bus_.answers = {[this](const v1::Request& request) -> absl::StatusOr<v1::Reply> {
      if (request.has_status()) return status_;
      if (request.get().kind() == "Node") return nodes_;
      if (request.get().kind() == "NetworkPolicy") return policy_;
      v1::Reply missing;
      missing.set_code(static_cast<uint32_t>(absl::StatusCode::kNotFound));
      missing.set_message("does not exist");
      return missing;
    }};
  }

  static v1::AgentStatus Agent(const std::string& node, uint64_t enforced) {
    v1::AgentStatus agent;
    agent.set_cluster("aws-euw2");
    agent.set_node(node);
    agent.set_time_ms(absl::ToUnixMillis(absl::Now()));
    v1::AppliedCluster* applied = agent.add_applied();
    applied->set_cluster("aws-euw2");
    applied->set_epoch(1);
    applied->set_received(enforced);
    applied->set_enforced(enforced);
    return agent;
  }

  v1::Reply policy_, nodes_, status_;
};

TEST_F(RolloutTest, FollowsTheAgentsReportsUntilAllEnforceIt) {
  bus_.stream = {"garbage", Agent("n1", 17).SerializeAsString(), Agent("n2", 18).SerializeAsString()};
  EXPECT_EQ(Run({"rollout", "status", "web", "-n", "shop"}), kExitOk) << err();
  EXPECT_EQ(out(),
            "Waiting for NetworkPolicy shop/web (revision 17): 1 of 2 nodes of aws-euw2 enforce it\n"
            "  n2: late: at revision 16 of 17\n"
            "NetworkPolicy shop/web is enforced on all 2 nodes of aws-euw2 (revision 17)\n");
  EXPECT_THAT(bus_.subjects[0], "trivium.v1.agent.aws-euw2.*.status");
}

TEST_F(RolloutTest, SaysWhoIsMissingWhenTimeIsUp) {
  EXPECT_EQ(Run({"rollout", "status", "netpol/web", "-n", "shop", "--timeout", "300ms"}), kExitTimedOut);
  EXPECT_THAT(err(), HasSubstr("after 300ms 1 of 2 nodes of aws-euw2 do not enforce NetworkPolicy shop/web:\n"
                               "  n2: late: at revision 16 of 17\n"));
  EXPECT_THAT(err(), HasSubstr("hint: "));
  v1::NotEnforcedPolicy* refused =
      status_.mutable_status()->mutable_clusters(0)->mutable_agents(0)->add_not_enforced();
  refused->set_cluster("aws-euw2");
  refused->set_kind("NetworkPolicy");
  refused->set_namespace_("shop");
  refused->set_name("web");
  refused->set_reason("map full");
  EXPECT_EQ(Run({"rollout", "status", "netpol", "web", "-n", "shop", "--once"}), kExitRefused);
  EXPECT_THAT(out(), HasSubstr("0 of 2 nodes"));
  EXPECT_THAT(out(), HasSubstr("map full"));
}

TEST_F(RolloutTest, AgentsOfOthersDoNotCount) {
  v1::AgentStatus other = Agent("n2", 18);
  other.set_cluster("gcp-euw2");
  bus_.stream = {other.SerializeAsString()};
  EXPECT_EQ(Run({"rollout", "status", "web", "-n", "shop", "--timeout", "300ms"}), kExitTimedOut);
}

TEST_F(RolloutTest, FindsThePolicyOrSaysHowToNameIt) {
  EXPECT_EQ(Run({"rollout", "status", "cnp/web", "-n", "shop"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("does not exist"));
  EXPECT_EQ(Run({"rollout", "status", "node/n1"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("is of one policy"));
  policy_.mutable_get()->clear_items();
  EXPECT_EQ(Run({"rollout", "status", "web", "-n", "shop"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("there is no policy \"web\" of any kind in namespace shop"));
  bus_.answers = {[this](const v1::Request& request) {
    v1::Reply reply;
    v1::Policy* policy =
        reply.mutable_get()->add_items()->mutable_object()->mutable_object()->mutable_policy();
    policy->set_kind(request.get().kind());
    policy->set_name("web");
    return reply;
  }};
  EXPECT_EQ(Run({"rollout", "status", "web", "-n", "shop"}), kExitRefused);
  EXPECT_THAT(err(), HasSubstr("write KIND/NAME"));
}

TEST_F(RolloutTest, StatusWaitsUntilTheMeshIsReady) {
  const auto with = [this](uint64_t enforced) {
    v1::Reply reply;
    reply.mutable_status()->set_sql_up(true);
    v1::ClusterStatus* own = reply.mutable_status()->add_clusters();
    own->mutable_head()->set_cluster("aws-euw2");
    own->mutable_head()->set_epoch(1);
    own->mutable_head()->set_revision(17);
    own->set_nodes(1);
    own->set_mirrored(true);
    *own->add_agents() = Agent("n1", enforced);
    return reply;
  };
  int asked = 0;
  bus_.answers = {[&](const v1::Request& request) {
    return request.has_status() ? with(++asked < 3 ? 16 : 17) : v1::Reply();
  }};
  EXPECT_EQ(Run({"status", "--wait", "--context", "aws", "--timeout", "20s"}), kExitOk) << err();
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(err(), "waiting: aws-euw2: 0 of 1 nodes are ready\n");
  EXPECT_THAT(out(), HasSubstr("aws-euw2   1/1         1/17   0     1/1\n"));
  asked = -1000;
  EXPECT_EQ(Run({"status", "--wait", "--context", "aws", "--timeout", "900ms"}), kExitTimedOut);
  EXPECT_THAT(err(), HasSubstr("not ready: aws-euw2: 0 of 1 nodes are ready\n"));
  EXPECT_THAT(out(), HasSubstr("behind")) << "what it looks like is shown all the same";
}

}  // namespace
}  // namespace trivium::cli
