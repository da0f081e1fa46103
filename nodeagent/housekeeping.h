// What the kernel side needs from time to time: events read, expired connections swept, counters summed. Runs
// on the executor; not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/executor.h"
#include "nodeagent/kernel/datapath.h"
#include "nodeagent/kernel/event_reader.h"
#include "trivium/v1/status.pb.h"

namespace trivium {

class Housekeeping {
 public:
  // Nothing is owned.
  static absl::StatusOr<std::unique_ptr<Housekeeping>> Start(const Datapath* datapath, Executor* executor,
                                                             const Clock* clock,
                                                             EventReader::Callback on_flow);
  // Packets dropped so far, by reason.
  std::vector<v1::DropCount> Drops() const;
  // What audit mode let pass so far.
  uint64_t Audited() const;
  uint64_t EventsLost() const;

 private:
  Housekeeping(const Datapath* datapath, Executor* executor, const Clock* clock)
      : datapath_(datapath), executor_(executor), clock_(clock) {}
  void Drain();
  void Sweep();

  const Datapath* const datapath_;
  Executor* const executor_;
  const Clock* const clock_;
  std::unique_ptr<EventReader> events_;
  Alive alive_;
};

}  // namespace trivium
