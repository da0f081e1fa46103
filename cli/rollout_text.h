// `rollout status`: how far a policy has come on the nodes of its cluster, by what their agents report. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/style.h"
#include "trivium/v1/objects.pb.h"
#include "trivium/v1/status.pb.h"

namespace trivium::cli {

struct RolloutPolicy {
  std::string cluster;
  std::string kind;
  std::string ns;
  std::string name;
  uint64_t epoch = 0;
  uint64_t revision = 0;  // of its last change

  std::string text() const;  // "NetworkPolicy shop/web"
};

struct RolloutNode {
  std::string node;
  bool done = false;
  bool refused = false;  // it has the policy and cannot enforce it
  std::string why;       // not done: why, and since when
};

// One entry for each node of the cluster, in order. A node enforces the policy when its agent reports the
// revision as enforced, and does not name the policy among those that it does not enforce.
std::vector<RolloutNode> JudgeRollout(const RolloutPolicy& policy, const std::vector<std::string>& nodes,
                                      const std::map<std::string, v1::AgentStatus>& agents, absl::Time now);

size_t RolloutDone(const std::vector<RolloutNode>& nodes);
// A line for each node that is not done.
std::string RolloutMissingText(const std::vector<RolloutNode>& nodes, const Style& style);

}  // namespace trivium::cli
