// Waits, on a test's own thread, for a callback that comes on an executor.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"

namespace trivium {

// `start` gets the callback to hand on: Await<StoredHead>([&](auto done) { store->ReadHead(c, e, done); }).
template <typename T, typename Start>
absl::StatusOr<T> Await(Start start) {
  struct Slot {
    absl::Notification come;
    std::optional<absl::StatusOr<T>> answer;
  };
  auto slot = std::make_shared<Slot>();
  start([slot](absl::StatusOr<T> answer) {
    slot->answer = std::move(answer);
    slot->come.Notify();
  });
  if (!slot->come.WaitForNotificationWithTimeout(absl::Seconds(60))) {
    return absl::DeadlineExceededError("no callback within a minute");
  }
  return *std::move(slot->answer);
}

template <typename Start>
absl::Status AwaitDone(Start start) {
  return Await<bool>([&](auto done) {
           start([done](absl::Status status) {
             if (status.ok()) {
               done(true);
             } else {
               done(std::move(status));
             }
           });
         })
      .status();
}

}  // namespace trivium
