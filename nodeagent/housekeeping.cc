#include "nodeagent/housekeeping.h"

#include <spdlog/spdlog.h>

#include <map>
#include <utility>

#include "base/status.h"
#include "nodeagent/kernel/conntrack_sweeper.h"
#include "nodeagent/kernel/counters.h"

namespace trivium {
namespace {

constexpr absl::Duration kDrainEvery = absl::Milliseconds(100);
constexpr absl::Duration kSweepEvery = absl::Seconds(10);

}  // namespace

absl::StatusOr<std::unique_ptr<Housekeeping>> Housekeeping::Start(const Datapath* datapath,
                                                                  Executor* executor, const Clock* clock,
                                                                  EventReader::Callback on_flow) {
  std::unique_ptr<Housekeeping> keeper(new Housekeeping(datapath, executor, clock));
  TRIVIUM_ASSIGN_OR_RETURN(keeper->events_, EventReader::Open(*datapath, std::move(on_flow)));
  keeper->Drain();
  keeper->Sweep();
  return keeper;
}

void Housekeeping::Drain() {
  if (const absl::StatusOr<int> read = events_->Drain(); !read.ok()) {
    spdlog::warn("cannot read flow events error=\"{}\"", read.status().ToString());
  }
  executor_->PostAfter(kDrainEvery, [this, alive = alive_.Watch()] {
    if (!alive.expired()) Drain();
  });
}

void Housekeeping::Sweep() {
  if (const absl::StatusOr<ConntrackSweep> swept = SweepConntrack(*datapath_, clock_->Monotonic());
      !swept.ok()) {
    spdlog::warn("cannot sweep connections error=\"{}\"", swept.status().ToString());
  }
  executor_->PostAfter(kSweepEvery, [this, alive = alive_.Watch()] {
    if (!alive.expired()) Sweep();
  });
}

std::vector<v1::DropCount> Housekeeping::Drops() const {
  std::vector<v1::DropCount> drops;
  const absl::StatusOr<DatapathCounters> counters = ReadCounters(*datapath_);
  if (!counters.ok()) {
    spdlog::warn("cannot read the datapath's counters error=\"{}\"", counters.status().ToString());
    return drops;
  }
  std::map<int, uint64_t> by_reason;  // both directions
  for (const Counter& counter : counters->counters) {
    if (counter.reason != 0 && counter.reason != COUNTER_AUDITED)
      by_reason[counter.reason] += counter.packets;
  }
  for (const auto& [reason, packets] : by_reason) {
    v1::DropCount& drop = drops.emplace_back();
    drop.set_reason(static_cast<uint32_t>(reason));
    drop.set_name(DropReasonName(reason));
    drop.set_packets(packets);
  }
  return drops;
}

uint64_t Housekeeping::Audited() const {
  const absl::StatusOr<DatapathCounters> counters = ReadCounters(*datapath_);
  if (!counters.ok()) return 0;  // Drops warns of it
  uint64_t audited = 0;
  for (const Counter& counter : counters->counters) {
    if (counter.reason == COUNTER_AUDITED) audited += counter.packets;
  }
  return audited;
}

uint64_t Housekeeping::EventsLost() const {
  const absl::StatusOr<DatapathCounters> counters = ReadCounters(*datapath_);
  return counters.ok() ? counters->events_lost : 0;
}

}  // namespace trivium
