// Publishes one cluster's events into its stream from one known place on: in order, several under way, each
// fenced by the one before it. The first failure ends it; whoever owns it reads the stream's end again and
// makes another. All on one executor.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "bus/event_stream.h"
#include "controlplane/relay/event.h"

namespace trivium {

class EventPublisher {
 public:
  struct Options {
    size_t max_events = 256;  // under way
    size_t max_bytes = 8 * 1024 * 1024;
    absl::Duration timeout = absl::Seconds(5);
    size_t max_event_bytes = kMaxEventBytes;
    size_t max_subjects = 100'000;  // whose last event is remembered
  };
  // Where the stream stands.
  struct Place {
    std::string stream;
    std::string cluster;
    Fence fence;
    // The last marker in the stream, and its sequence.
    std::optional<PreviousEvent> marker;
    uint64_t marker_sequence = 0;
  };
  struct Owner {
    std::function<void(const EventPosition&, uint64_t sequence)> on_stored;  // in order
    // kAborted: somebody else publishes. Nothing is called after it.
    std::function<void(const absl::Status&)> on_failure;
  };

  // Nothing is owned. The owner must not destroy it within these functions.
  EventPublisher(EventStream* stream, Options options, Place place, Owner owner);

  void Push(std::vector<Event> events);
  // Not stored yet.
  size_t waiting() const { return queue_.size() + under_way_.size(); }

 private:
  struct Sent {
    EventPosition position;
    uint64_t sequence = 0;
    size_t bytes = 0;
    bool stored = false;
  };

  void Pump();
  void LookUp(const std::string& subject);
  void Send(const Event& event, const std::optional<PreviousEvent>& previous);
  void OnAnswer(uint64_t sequence, const absl::StatusOr<uint64_t>& answer);
  void Fail(const absl::Status& status);

  EventStream* const stream_;
  const Options options_;
  const Place place_;
  const Owner owner_;

  Fence fence_;  // of the next message
  std::optional<PreviousEvent> marker_;
  bool marker_is_ours_ = false;  // no subject has an event after it that is not in `last_`
  absl::flat_hash_map<std::string, std::optional<PreviousEvent>> last_;  // by subject
  std::deque<Event> queue_;
  std::deque<Sent> under_way_;
  size_t bytes_under_way_ = 0;
  bool looking_up_ = false;
  bool failed_ = false;
  Alive alive_;
};

}  // namespace trivium
