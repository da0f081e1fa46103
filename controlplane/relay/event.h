// A batch of the log as events for third parties: CloudEvents 1.0 in JSON, one per change, each a function of
// the log alone, so that every relay at any time makes the same ones in the same order (docs/events.md).
// Pure; thread-safe.
//
// An event's id is "<cluster>:<epoch>:<revision>:<index>". What happened to the log itself is told by
// markers, whose index is a word: "begin" (events begin after this revision), "epoch" (a new epoch began
// after it), "lost" (the log was compacted up to it before these events were made). After a marker a
// subscriber reads the state anew; it counts as an event on every subject of the cluster.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "schema/codec.h"
#include "schema/object_json.h"

namespace trivium {

// Larger events leave the object's spec out and say so. The server's max_payload must be larger still.
inline constexpr size_t kMaxEventBytes = 4 * 1024 * 1024;

// How far a stream of events has come: the last event in it.
struct EventPosition {
  uint64_t epoch = 0;
  uint64_t revision = 0;
  uint32_t index = 0;    // of the last event
  uint32_t changes = 0;  // events of that revision; 0: the position is a marker's, or a revision without any
  Id128 batch;           // of that revision; zero: not known
  std::string marker;    // "begin", "epoch" or "lost"; empty for an object's event

  // Some of the revision's events are still missing.
  bool partial() const { return index + 1 < changes; }
  friend bool operator==(const EventPosition&, const EventPosition&) = default;
};

// The id of the event at that position.
std::string EventId(absl::string_view cluster, const EventPosition& position);

// What a message of the stream carries beside the event, so that its last one alone is a relay's cursor.
inline constexpr char kChangesHeader[] = "Trivium-Changes";
inline constexpr char kBatchHeader[] = "Trivium-Batch";

// The inverse, from a message's id and those two headers. kDataLoss for what is none of this cluster's
// events.
absl::StatusOr<EventPosition> ParseEventPosition(absl::string_view cluster, absl::string_view id,
                                                 absl::string_view changes, absl::string_view batch);

// One event but for what only its stream knows: the previous one on its subject.
struct Event {
  EventPosition position;
  std::string id;
  std::string subject;  // on NATS
  json::Json attributes;
  json::Json data;
};

// The previous event on an event's own subject.
struct PreviousEvent {
  std::string id;
  uint64_t revision = 0;
};

// Every change of a batch, in order.
std::vector<Event> EventsOf(const Batch& batch);

// `before`: the position that the marker follows, nullopt if there is none.
Event MarkerOf(absl::string_view cluster, const EventPosition& position,
               const std::optional<EventPosition>& before, absl::string_view reason, int64_t time_us);

// The event as it goes out; without `previous` it says nothing of one: it is not known. Above `max_bytes` the
// object's spec is left out, and the attribute "dataomitted" says how large the event would have been.
std::string EventText(const Event& event, const std::optional<PreviousEvent>& previous,
                      size_t max_bytes = kMaxEventBytes);

}  // namespace trivium
