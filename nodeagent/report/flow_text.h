// A kernel's flow event in words: who, what, and the rule that decided. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "bpf/abi/types.h"
#include "nodeagent/compile/cookies.h"
#include "trivium/v1/monitor.pb.h"

namespace trivium {

struct FlowParty {
  std::string name;  // "namespace/name"; empty: nobody here
  uint32_t identity = 0;
};

// What the agent knows of its node at this moment.
struct FlowContext {
  std::string cluster;
  const Clock* clock = nullptr;  // not owned
  std::function<FlowParty(uint32_t number)> endpoint;
  std::function<FlowParty(absl::string_view ip)> address;  // of this node's endpoints
  std::function<const Cookies::Origin*(uint32_t)> rule;
  std::function<uint64_t()> revision;  // that the maps hold of the own cluster
};

// Names of pods of other nodes are left empty: whoever shows them asks the control plane.
v1::FlowEvent DescribeFlow(const flow_event& event, const FlowContext& context);

// One line.
std::string FlowText(const v1::FlowEvent& event);

}  // namespace trivium
