#include "cli/rollout_text.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cli/text.h"

namespace trivium::cli {
namespace {

// Reports come about every second; older than this, an agent says nothing any more.
constexpr absl::Duration kSilent = absl::Seconds(15);

std::string Ago(absl::Time now, int64_t ms) { return AgeText(now - absl::FromUnixMillis(ms)); }

RolloutNode JudgeNode(const RolloutPolicy& policy, const std::string& name, const v1::AgentStatus* agent,
                      absl::Time now) {
  RolloutNode node;
  node.node = name;
  if (agent == nullptr) {
    node.why = "its agent has never been heard of by this control plane: is trivium-agent running there?";
    return node;
  }
  const std::string heard = now - absl::FromUnixMillis(agent->time_ms()) > kSilent
                                ? absl::StrCat(", silent for ", Ago(now, agent->time_ms()))
                                : "";
  for (const v1::NotEnforcedPolicy& missing : agent->not_enforced()) {
    if (missing.cluster() != policy.cluster || missing.kind() != policy.kind ||
        missing.namespace_() != policy.ns || missing.name() != policy.name) {
      continue;
    }
    node.refused = true;
    node.why = absl::StrCat("not enforced for ", Ago(now, missing.since_ms()), " on ", missing.endpoints(),
                            " endpoints: ", missing.reason(), heard);
    return node;
  }
  const v1::AppliedCluster* applied = nullptr;
  for (const v1::AppliedCluster& one : agent->applied()) {
    if (one.cluster() == policy.cluster) applied = &one;
  }
  if (applied == nullptr || applied->epoch() != policy.epoch) {
    node.why = absl::StrCat("holds nothing of epoch ", policy.epoch, " yet", heard);
  } else if (applied->received() < policy.revision) {
    node.why = absl::StrCat("late: at revision ", applied->received(), " of ", policy.revision, heard);
  } else if (applied->enforced() < policy.revision) {
    node.refused = !applied->problem().empty();
    node.why = absl::StrCat("has it, but enforces revision ", applied->enforced(), " of ", policy.revision,
                            applied->problem().empty() ? "" : absl::StrCat(": ", applied->problem()), heard);
  } else if (agent->not_enforced_total() > static_cast<uint32_t>(agent->not_enforced_size())) {
    node.why = absl::StrCat("not known: ", agent->not_enforced_total(),
                            " policies are not enforced there, and not all "
                            "of them are named",
                            heard);
  } else {
    node.done = true;
  }
  return node;
}

}  // namespace

std::string RolloutPolicy::text() const { return absl::StrCat(kind, " ", ns, ns.empty() ? "" : "/", name); }

std::vector<RolloutNode> JudgeRollout(const RolloutPolicy& policy, const std::vector<std::string>& nodes,
                                      const std::map<std::string, v1::AgentStatus>& agents, absl::Time now) {
  std::vector<RolloutNode> judged;
  for (const std::string& name : nodes) {
    const auto agent = agents.find(name);
    judged.push_back(JudgeNode(policy, name, agent == agents.end() ? nullptr : &agent->second, now));
  }
  std::sort(judged.begin(), judged.end(),
            [](const RolloutNode& a, const RolloutNode& b) { return a.node < b.node; });
  return judged;
}

size_t RolloutDone(const std::vector<RolloutNode>& nodes) {
  return static_cast<size_t>(
      std::count_if(nodes.begin(), nodes.end(), [](const RolloutNode& n) { return n.done; }));
}

std::string RolloutMissingText(const std::vector<RolloutNode>& nodes, const Style& style) {
  std::string out;
  for (const RolloutNode& node : nodes) {
    if (node.done) continue;
    absl::StrAppend(&out, "  ", node.node, ": ", node.refused ? style.Bad(node.why) : style.Warn(node.why),
                    "\n");
  }
  return out;
}

}  // namespace trivium::cli
