// Reads flow events from the ring buffer. The programs wake nobody for them: call Drain on a timer. Not
// thread-safe.
#pragma once

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bpf/abi/types.h"
#include "nodeagent/kernel/datapath.h"

struct ring_buffer;

namespace trivium {

class EventReader {
 public:
  using Callback = std::function<void(const flow_event&)>;
  // `datapath` outlives this. One reader per ring buffer: two would share its events out between them.
  static absl::StatusOr<std::unique_ptr<EventReader>> Open(const Datapath& datapath, Callback callback);
  ~EventReader();
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  // Calls back for every event that is there; returns how many.
  absl::StatusOr<int> Drain();

 private:
  explicit EventReader(Callback callback) : callback_(std::move(callback)) {}

  const Callback callback_;
  ring_buffer* ring_ = nullptr;
};

}  // namespace trivium
