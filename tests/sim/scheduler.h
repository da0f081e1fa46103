// The simulation's one thread: processes' tasks in an order that the seed alone decides, and time that moves
// only when nobody has anything to do. Everything that happens is hashed, so that two runs can be compared.
// One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/random.h"

namespace trivium::sim {

// splitmix64: one stream for each part, so that taking an event out of a schedule does not change the luck of
// the others.
class SimRandom final : public Random {
 public:
  SimRandom(uint64_t seed, absl::string_view stream);
  uint64_t Next() override;
  bool Chance(double share) { return static_cast<double>(Next() >> 11) * 0x1.0p-53 < share; }

 private:
  uint64_t state_;
};

uint64_t HashOf(absl::string_view bytes, uint64_t seed = 0);

class Scheduler;

// The clock of one machine: its wall time may be wrong and jump.
class SimClock final : public Clock {
 public:
  explicit SimClock(const Scheduler* scheduler) : scheduler_(scheduler) {}
  absl::Time Now() const override;
  absl::Duration Monotonic() const override;
  void Jump(absl::Duration by) { offset_ += by; }
  absl::Duration offset() const { return offset_; }

 private:
  const Scheduler* const scheduler_;
  absl::Duration offset_;
};

// One run of one process. Closed, it forgets its tasks and takes no more.
class SimExecutor final : public Executor {
 public:
  void Post(Task task) override;
  TimerId PostAfter(absl::Duration delay, Task task) override;
  void Cancel(TimerId id) override;

  void SetPaused(bool paused) { paused_ = paused; }
  bool paused() const { return paused_; }
  void Close();
  size_t waiting() const { return ready_.size(); }
  size_t timers() const { return timers_.size(); }
  // Runs after each of its tasks.
  void SetAfterTask(Task task) { after_task_ = std::move(task); }

 private:
  friend class Scheduler;
  SimExecutor(Scheduler* scheduler, uint32_t id) : scheduler_(scheduler), id_(id) {}

  Scheduler* const scheduler_;
  const uint32_t id_;
  bool paused_ = false;
  bool closed_ = false;
  struct Ready {
    TimerId timer = kNoTimer;  // not a timer's
    Task task;                 // null: cancelled
  };
  std::deque<Ready> ready_;
  std::map<std::pair<absl::Duration, TimerId>, Task> timers_;
  std::map<TimerId, absl::Duration> deadlines_;
  TimerId next_timer_ = 1;
  Task after_task_;
};

class Scheduler {
 public:
  explicit Scheduler(uint64_t seed) : random_(seed, "scheduler") {}

  // Lives as long as the scheduler.
  SimExecutor* NewExecutor();
  absl::Duration now() const { return now_; }

  // Runs for that long, or until Stop.
  void RunFor(absl::Duration d);
  void Stop() { stopped_ = true; }
  bool stopped() const { return stopped_; }

  void Note(uint64_t what);
  void Note(absl::string_view what);
  uint64_t trace() const { return trace_; }
  uint64_t steps() const { return steps_; }
  size_t most_waiting() const { return most_waiting_; }

 private:
  friend class SimExecutor;
  bool RunOne();
  // The next deadline of a process that runs; infinite: none.
  absl::Duration NextDeadline() const;
  void FireDue();

  SimRandom random_;
  absl::Duration now_ = absl::Seconds(1000);
  std::vector<std::unique_ptr<SimExecutor>> executors_;
  std::vector<SimExecutor*> open_;
  std::vector<SimExecutor*> candidates_;
  bool stopped_ = false;
  uint64_t trace_ = 0;
  uint64_t steps_ = 0;
  size_t most_waiting_ = 0;
};

}  // namespace trivium::sim
