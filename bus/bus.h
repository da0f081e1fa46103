// The message bus as the product sees it: core publish/subscribe and request/reply, at most once, ordered per
// publisher and subscription. Two implementations pass tests/contract/bus_contract.h: NatsBus
// (bus/nats_bus.h) and FakeBus (tests/support/fake_bus.h).
//
// Thread safety: all methods may be called from any thread. Handlers and callbacks run on the executor given
// to Subscribe or Request, never inline. Nothing blocks its caller longer than a socket write with a
// deadline.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/executor.h"

namespace trivium {

struct Message {
  std::string subject;
  std::string reply_to;  // empty: no answer wanted
  std::string payload;
};

class Bus {
 public:
  using Handler = std::function<void(Message)>;
  using ReplyHandler = absl::AnyInvocable<void(absl::StatusOr<std::string>)>;

  enum class State { kConnected, kDisconnected };

  virtual ~Bus() = default;

  // Sends now. OK says that the bytes were handed to the connection, not that anybody got them. kUnavailable
  // while disconnected, kInvalidArgument above the server's size limit.
  [[nodiscard]] virtual absl::Status Publish(absl::string_view subject, absl::string_view payload) = 0;

  // Lives as long as the bus; survives reconnects. `queue` not empty: only one member of that group gets each
  // message. A subscription that falls behind its bound loses messages (its owner sees that as a gap) and is
  // logged.
  [[nodiscard]] virtual absl::Status Subscribe(const std::string& subject, const std::string& queue,
                                               Executor* executor, Handler handler) = 0;

  // One answer or an error: kUnavailable (nobody serves the subject, or disconnected), kDeadlineExceeded.
  // The callback runs exactly once unless the bus is destroyed first.
  virtual void Request(const std::string& subject, std::string payload, absl::Duration timeout,
                       Executor* executor, ReplyHandler on_reply) = 0;

  // Returns once the server has seen everything sent before. For subscribe-then-fetch and for draining.
  // Blocks up to `timeout`; never call it from an executor that must stay responsive: use FlushAsync there.
  [[nodiscard]] virtual absl::Status Flush(absl::Duration timeout) = 0;
  virtual void FlushAsync(absl::Duration timeout, Executor* executor,
                          absl::AnyInvocable<void(absl::Status)> done) = 0;

  // Connection changes, from now on. The present state is reported first.
  virtual void WatchState(Executor* executor, std::function<void(State)> on_change) = 0;

  // Gives the connection up and builds a new one with the same subscriptions: for an owner that hears nothing
  // any more although the connection looks alive.
  virtual void Rebuild() = 0;
};

}  // namespace trivium
