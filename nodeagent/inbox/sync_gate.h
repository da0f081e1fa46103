// How many clusters of one agent catch up at once: a thousand agents that start together ask for a few
// thousand answers then, not for all that there is. Not thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

namespace trivium {

class SyncGate {
 public:
  static constexpr size_t kPlaces = 16;

  // A place at work, given back by destruction or Release.
  class Place {
   public:
    Place() = default;
    explicit Place(SyncGate* gate) : gate_(gate) {}
    Place(Place&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      Release();
      gate_ = std::exchange(other.gate_, nullptr);
      return *this;
    }
    ~Place() { Release(); }
    void Release() {
      if (gate_ != nullptr) std::exchange(gate_, nullptr)->Leave();
    }

   private:
    SyncGate* gate_ = nullptr;
  };

  // Runs `work` with a place, now or when there is one.
  void Enter(std::function<void(Place)> work) {
    if (taken_ == kPlaces) return waiting_.push_back(std::move(work));
    ++taken_;
    work(Place(this));
  }
  // Who still waits is not let in any more.
  void Close() { waiting_.clear(); }

 private:
  void Leave() {
    --taken_;
    if (waiting_.empty()) return;
    const std::function<void(Place)> next = std::move(waiting_.front());
    waiting_.pop_front();
    ++taken_;
    next(Place(this));
  }

  size_t taken_ = 0;
  std::deque<std::function<void(Place)>> waiting_;
};

}  // namespace trivium
