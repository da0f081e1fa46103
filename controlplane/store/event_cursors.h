// How far a cluster's events have been published, kept beside its log. A relay reads it only when the stream
// of events is empty, whose last message is the true cursor; it is written lazily, after acknowledgements,
// and says at which message of the stream it stood, so that what was published after it can be counted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "controlplane/store/store.h"

namespace trivium {

struct EventCursor {
  std::string event;      // id of the last event
  uint32_t changes = 0;   // events of its revision; 0 for a marker
  Id128 batch;            // of its revision; zero: not known
  uint64_t sequence = 0;  // of that message in the stream
  std::string stream;     // which stream: when it was made

  friend bool operator==(const EventCursor&, const EventCursor&) = default;
};

// As Store: callbacks come on the caller's executor, exactly once.
class EventCursors {
 public:
  virtual ~EventCursors() = default;
  virtual void ReadEventCursor(const ClusterRef& cluster, Executor* executor,
                               Store::Callback<std::optional<EventCursor>> done) = 0;
  // Within one stream it never goes back.
  virtual void WriteEventCursor(const ClusterRef& cluster, const EventCursor& cursor, Executor* executor,
                                Store::Done done) = 0;
};

}  // namespace trivium
