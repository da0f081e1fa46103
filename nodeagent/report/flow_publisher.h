// Sends flow events to whoever monitors: trivium.v1.flow.<cluster>.<node>. At most one message a second of at
// most kMaxEvents events, however many packets are dropped: events that differ in time and source port alone
// are one with a count, and what does not fit is counted as lost. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "base/clock.h"
#include "base/executor.h"
#include "bus/bus.h"
#include "trivium/v1/monitor.pb.h"

namespace trivium {

class FlowPublisher {
 public:
  static constexpr int kMaxEvents = 128;
  static constexpr absl::Duration kFirst = absl::Milliseconds(100);  // after the first event of a quiet time
  static constexpr absl::Duration kEvery = absl::Seconds(1);

  // `lost` counts, since the start, what was lost before it came here. No pointer is owned.
  FlowPublisher(std::string cluster, std::string node, Executor* executor, const Clock* clock, Bus* bus,
                std::function<uint64_t()> lost);

  void Add(const v1::FlowEvent& event);

 private:
  void Plan(absl::Duration wait);
  void Send();

  const std::string cluster_;
  const std::string node_;
  Executor* const executor_;
  const Clock* const clock_;
  Bus* const bus_;
  const std::function<uint64_t()> lost_;
  v1::FlowEvents pending_;
  absl::flat_hash_map<std::string, int> index_;  // in pending_, by what makes events alike
  bool planned_ = false;
  absl::Duration last_sent_ = -absl::InfiniteDuration();
  uint64_t sequence_ = 0;
  uint64_t dropped_ = 0;    // here: did not fit, or could not be sent
  uint64_t told_lost_ = 0;  // of `lost_`
  Alive alive_;
};

}  // namespace trivium
