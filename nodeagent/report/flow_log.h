// The last flow events in words, for this node's socket, its log and the monitor. A flood of drops costs a
// fixed budget: what is above it is counted, not described. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "nodeagent/report/flow_text.h"
#include "trivium/v1/agent_api.pb.h"

namespace trivium {

class FlowLog {
 public:
  static constexpr size_t kKept = 1024;
  static constexpr int kDescribedPerSecond = 1000;
  static constexpr int kLoggedPerSecond = 10;

  // `sink` is given each event that was described.
  using Sink = std::function<void(const v1::FlowEvent&)>;
  FlowLog(FlowContext context, Sink sink) : context_(std::move(context)), sink_(std::move(sink)) {}

  void Add(const flow_event& event);
  // The newest last; lost: those above the budget.
  v1::FlowsResult Last(size_t limit) const;
  uint64_t skipped() const { return skipped_; }

 private:
  const FlowContext context_;
  const Sink sink_;
  std::deque<v1::FlowEvent> last_;
  uint64_t skipped_ = 0;
  int64_t second_ = 0;
  int described_ = 0;  // in this second
};

}  // namespace trivium
