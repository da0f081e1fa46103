// Messages between the bus's thread, which hands them over, and the command that shows them. Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace trivium::cli {

class Mailbox {
 public:
  static constexpr size_t kMaxWaiting = 1000;

  void Put(std::string message) {
    const absl::MutexLock lock(&mutex_);
    if (messages_.size() == kMaxWaiting) {
      ++lost_;
      return;
    }
    messages_.push_back(std::move(message));
  }
  // The next message, and how many were lost before it. Waits for one.
  std::pair<std::string, uint64_t> Take() {
    const absl::MutexLock lock(&mutex_, absl::Condition(this, &Mailbox::HasMessage));
    std::pair<std::string, uint64_t> next = {std::move(messages_.front()), std::exchange(lost_, 0)};
    messages_.pop_front();
    return next;
  }
  // The next message; nothing if none comes within `patience`.
  std::optional<std::string> TakeWithin(absl::Duration patience) {
    const absl::MutexLock lock(&mutex_);
    if (!mutex_.AwaitWithTimeout(absl::Condition(this, &Mailbox::HasMessage), patience)) return std::nullopt;
    std::string next = std::move(messages_.front());
    messages_.pop_front();
    return next;
  }

 private:
  bool HasMessage() const { return !messages_.empty(); }

  absl::Mutex mutex_;
  std::deque<std::string> messages_;
  uint64_t lost_ = 0;
};

}  // namespace trivium::cli
