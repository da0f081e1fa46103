// Flow events as `monitor` shows them, and which of them somebody wants to see. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "cli/object_json.h"
#include "cli/style.h"
#include "trivium/v1/monitor.pb.h"

namespace trivium::cli {

// An empty or zero field admits everything; an event must pass all of them.
struct FlowFilter {
  std::string from;  // NAMESPACE/NAME, CLUSTER/NAMESPACE/NAME, NAMESPACE/, an address, or a reserved name
  std::string to;
  std::string ns;        // of either end
  std::string verdict;   // "dropped", "audited"
  std::string protocol;  // "tcp", ...
  uint32_t port = 0;     // of either end

  // Whether it asks for names, which must be known then.
  bool by_name() const { return !from.empty() || !to.empty() || !ns.empty(); }
  bool Admits(const v1::FlowEvent& event) const;
};

// "15:04:05.123 n1 DROPPED ingress aws/shop/web (258) 10.1.0.5:40000 -> ... TCP: reason (rule, revision 12)".
std::string FlowLine(const v1::FlowEvent& event, absl::string_view node, const Style& style);
// One object, for one line.
Json FlowJson(const v1::FlowEvent& event, absl::string_view cluster, absl::string_view node);

}  // namespace trivium::cli
