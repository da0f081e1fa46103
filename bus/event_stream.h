// A durable stream of events for third parties, beside the path that agents depend on. Two implementations
// pass tests/contract/event_stream_contract.h: NatsEventStream (bus/nats_event_stream.h, JetStream) and
// FakeEventStream (tests/support/fake_event_stream.h).
//
// Belongs to one executor: methods are called and callbacks run there, never inline; each callback runs
// exactly once unless the stream is destroyed first.
//
// Errors: kUnavailable and kDeadlineExceeded say nothing about whether a message was stored: read Last again.
// kAborted = the stream is not where the fence says (nothing was stored); kFailedPrecondition = the server
// has forgotten the last message's id (nothing was stored; the sequence still fences), or the stream cannot
// be had as configured; kInvalidArgument = more than the server takes; kPermissionDenied.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/executor.h"

namespace trivium {

struct StreamConfig {
  std::string name;
  std::string subjects;  // what it stores: a pattern
  // The oldest messages go when either is reached.
  absl::Duration max_age = absl::Hours(24 * 7);
  uint64_t max_bytes = uint64_t{1} << 30;
  uint32_t replicas = 1;
  // How long the server knows a message's id. The fence does not depend on it.
  absl::Duration duplicate_window = absl::Seconds(30);
};

struct StreamState {
  std::string made;  // differs for a stream that was deleted and made again
  uint64_t messages = 0;
  uint64_t first_sequence = 0;
  uint64_t last_sequence = 0;  // stays when the limits have taken all messages
};

// A durable pull consumer: what it has delivered and heard acknowledged is kept with the stream.
struct ConsumerConfig {
  std::string name;
  std::string filter;  // subjects
  // A message that is not acknowledged so long comes again.
  absl::Duration ack_wait = absl::Seconds(30);
  uint32_t max_unacknowledged = 1000;
};

using EventHeaders = std::vector<std::pair<std::string, std::string>>;

struct EventMessage {
  std::string subject;
  std::string id;
  EventHeaders headers;
  std::string payload;
};

struct StoredEvent {
  uint64_t sequence = 0;
  std::string subject;
  std::string id;
  EventHeaders headers;  // all of them
  std::string payload;

  // Empty if there is none.
  std::string Header(const std::string& name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return "";
  }
};

// Where the stream must stand for a message to be stored.
struct Fence {
  uint64_t last_sequence = 0;
  std::string last_id;  // empty: the sequence alone
};

class EventStream {
 public:
  template <typename T>
  using Callback = absl::AnyInvocable<void(absl::StatusOr<T>)>;
  using Done = absl::AnyInvocable<void(absl::Status)>;

  virtual ~EventStream() = default;

  // Makes it, or gives it these limits; answers how it stands.
  virtual void Ensure(const StreamConfig& config, Callback<StreamState> done) = 0;
  // Makes the consumer unless it is there; what it has delivered stays as it is.
  virtual void EnsureConsumer(const std::string& stream, const ConsumerConfig& config, Done done) = 0;
  // The last message on these subjects, of what the limits have left.
  virtual void Last(const std::string& stream, const std::string& subjects,
                    Callback<std::optional<StoredEvent>> done) = 0;
  // Stores the message where the fence says, and answers its sequence. Several may be under way: they arrive
  // in order, and behind one that was not stored none is.
  virtual void Publish(const std::string& stream, EventMessage message, const Fence& fence,
                       absl::Duration timeout, Callback<uint64_t> done) = 0;
};

}  // namespace trivium
