#include "cli/rollout_text.h"

#include <gtest/gtest.h>

namespace trivium::cli {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

v1::AgentStatus Agent(uint64_t received, uint64_t enforced, absl::Duration ago = absl::Seconds(1)) {
  v1::AgentStatus agent;
  agent.set_time_ms(absl::ToUnixMillis(kNow - ago));
  v1::AppliedCluster* applied = agent.add_applied();
  applied->set_cluster("aws");
  applied->set_epoch(1);
  applied->set_received(received);
  applied->set_enforced(enforced);
  return agent;
}

void NotEnforced(v1::AgentStatus* agent, const std::string& name) {
  v1::NotEnforcedPolicy* policy = agent->add_not_enforced();
  policy->set_cluster("aws");
  policy->set_kind("NetworkPolicy");
  policy->set_namespace_("shop");
  policy->set_name(name);
  policy->set_reason("map policy_verdict is full");
  policy->set_since_ms(absl::ToUnixMillis(kNow - absl::Minutes(3)));
  policy->set_endpoints(2);
  agent->set_not_enforced_total(static_cast<uint32_t>(agent->not_enforced_size()));
}

TEST(RolloutTextTest, WhoIsMissingSinceWhenAndWhy) {
  const RolloutPolicy policy{"aws", "NetworkPolicy", "shop", "web", 1, 17};
  std::map<std::string, v1::AgentStatus> agents = {
      {"n1", Agent(17, 17)}, {"n2", Agent(16, 16)},
      {"n3", Agent(18, 18)}, {"n4", Agent(12, 12, absl::Minutes(2))},
      {"n5", Agent(17, 15)}, {"n7", Agent(20, 20)},
      {"n8", Agent(20, 20)},
  };
  NotEnforced(&agents["n3"], "web");
  NotEnforced(&agents["n7"], "another");
  agents["n5"].mutable_applied(0)->set_problem("map ipcache is full");
  agents["n8"].set_not_enforced_total(150);
  agents["n9"] = Agent(20, 20);
  agents["n9"].mutable_applied(0)->set_epoch(2);
  const auto judged =
      JudgeRollout(policy, {"n9", "n8", "n7", "n6", "n5", "n4", "n3", "n2", "n1"}, agents, kNow);
  EXPECT_EQ(RolloutDone(judged), 2u) << "n1 and n7";
  EXPECT_EQ(RolloutMissingText(judged, {}),
            "  n2: late: at revision 16 of 17\n"
            "  n3: not enforced for 3m on 2 endpoints: map policy_verdict is full\n"
            "  n4: late: at revision 12 of 17, silent for 2m\n"
            "  n5: has it, but enforces revision 15 of 17: map ipcache is full\n"
            "  n6: its agent has never been heard of by this control plane: is trivium-agent running there?\n"
            "  n8: not known: 150 policies are not enforced there, and not all of them are named\n"
            "  n9: holds nothing of epoch 1 yet\n");
  EXPECT_TRUE(judged[2].refused);
  EXPECT_FALSE(judged[1].refused);
  EXPECT_EQ(policy.text(), "NetworkPolicy shop/web");
}

}  // namespace
}  // namespace trivium::cli
