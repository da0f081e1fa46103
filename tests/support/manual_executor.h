// An executor and clock that only move when told to: for unit, flow and simulation tests. One thread.
#pragma once

#include <deque>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/clock.h"
#include "base/executor.h"

namespace trivium {

class ManualClock final : public Clock {
 public:
  absl::Time Now() const override { return start_ + elapsed_; }
  absl::Duration Monotonic() const override { return elapsed_; }
  void Advance(absl::Duration d) { elapsed_ += d; }

 private:
  absl::Time start_ = absl::FromUnixSeconds(1'700'000'000);
  absl::Duration elapsed_ = absl::Seconds(1);
};

class ManualExecutor final : public Executor {
 public:
  // Advances `clock` in RunFor; not owned.
  explicit ManualExecutor(ManualClock* clock) : clock_(clock) {}

  void Post(Task task) override { ready_.push_back(std::move(task)); }
  TimerId PostAfter(absl::Duration delay, Task task) override {
    const TimerId id = next_id_++;
    const absl::Duration deadline = clock_->Monotonic() + std::max(delay, absl::ZeroDuration());
    timers_.emplace(std::make_pair(deadline, id), std::move(task));
    deadlines_[id] = deadline;
    return id;
  }
  void Cancel(TimerId id) override {
    const auto it = deadlines_.find(id);
    if (it == deadlines_.end()) return;
    timers_.erase({it->second, id});
    deadlines_.erase(it);
  }

  // Runs posted tasks until none is left; time stands still.
  void RunUntilIdle() {
    while (!ready_.empty()) {
      Task task = std::move(ready_.front());
      ready_.pop_front();
      task();
    }
  }
  // Lets `d` pass, running every task and timer that falls due, in order.
  void RunFor(absl::Duration d) {
    const absl::Duration end = clock_->Monotonic() + d;
    RunUntilIdle();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      auto timer = timers_.extract(timers_.begin());
      deadlines_.erase(timer.key().second);
      if (timer.key().first > clock_->Monotonic()) clock_->Advance(timer.key().first - clock_->Monotonic());
      timer.mapped()();
      RunUntilIdle();
    }
    clock_->Advance(end - clock_->Monotonic());
  }
  size_t timers() const { return timers_.size(); }

 private:
  ManualClock* const clock_;
  std::deque<Task> ready_;
  std::map<std::pair<absl::Duration, TimerId>, Task> timers_;
  absl::flat_hash_map<TimerId, absl::Duration> deadlines_;
  TimerId next_id_ = 1;
};

}  // namespace trivium
