#include "nodeagent/report/flow_log.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace trivium {

void FlowLog::Add(const flow_event& event) {
  const int64_t second = absl::ToInt64Seconds(context_.clock->Monotonic());
  if (second != second_) {
    second_ = second;
    described_ = 0;
  }
  if (described_ >= kDescribedPerSecond) {
    ++skipped_;
    return;
  }
  ++described_;
  last_.push_back(DescribeFlow(event, context_));
  if (last_.size() > kKept) last_.pop_front();
  if (described_ <= kLoggedPerSecond) spdlog::info("flow event=\"{}\"", FlowText(last_.back()));
  sink_(last_.back());
}

v1::FlowsResult FlowLog::Last(size_t limit) const {
  v1::FlowsResult result;
  for (size_t i = last_.size() - std::min(limit, last_.size()); i < last_.size(); ++i) {
    result.add_lines(FlowText(last_[i]));
  }
  result.set_lost(skipped_);
  return result;
}

}  // namespace trivium
