#include "tests/sim/scheduler.h"

#include <algorithm>

namespace trivium::sim {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

}  // namespace

uint64_t HashOf(absl::string_view bytes, uint64_t seed) {
  uint64_t hash = (seed + 1) * 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

SimRandom::SimRandom(uint64_t seed, absl::string_view stream) : state_(HashOf(stream, seed)) {}

uint64_t SimRandom::Next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

absl::Time SimClock::Now() const { return kStart + scheduler_->now() + offset_; }
absl::Duration SimClock::Monotonic() const { return scheduler_->now(); }

void SimExecutor::Post(Task task) {
  if (closed_) return;
  ready_.push_back({kNoTimer, std::move(task)});
  scheduler_->most_waiting_ = std::max(scheduler_->most_waiting_, ready_.size());
}

Executor::TimerId SimExecutor::PostAfter(absl::Duration delay, Task task) {
  const TimerId id = next_timer_++;
  if (closed_) return id;
  const absl::Duration deadline = scheduler_->now_ + std::max(delay, absl::ZeroDuration());
  timers_.emplace(std::make_pair(deadline, id), std::move(task));
  deadlines_[id] = deadline;
  return id;
}

void SimExecutor::Cancel(TimerId id) {
  const auto it = deadlines_.find(id);
  if (it == deadlines_.end()) {
    // It may be due already, and wait for its turn.
    for (Ready& ready : ready_) {
      if (id != kNoTimer && ready.timer == id) ready.task = nullptr;
    }
    return;
  }
  timers_.erase({it->second, id});
  deadlines_.erase(it);
}

void SimExecutor::Close() {
  closed_ = true;
  // A task's destruction may post or cancel: it meets a closed, empty executor.
  std::deque<Ready> ready = std::exchange(ready_, {});
  std::map<std::pair<absl::Duration, TimerId>, Task> timers = std::exchange(timers_, {});
  deadlines_.clear();
  std::erase(scheduler_->open_, this);
}

SimExecutor* Scheduler::NewExecutor() {
  executors_.push_back(
      std::unique_ptr<SimExecutor>(new SimExecutor(this, static_cast<uint32_t>(executors_.size()))));
  open_.push_back(executors_.back().get());
  return executors_.back().get();
}

void Scheduler::Note(uint64_t what) { trace_ = (trace_ ^ what) * 0x9fb21c651e98df25 + (trace_ >> 47); }

void Scheduler::Note(absl::string_view what) { Note(HashOf(what)); }

bool Scheduler::RunOne() {
  candidates_.clear();
  for (SimExecutor* executor : open_) {
    if (!executor->paused_ && !executor->ready_.empty()) candidates_.push_back(executor);
  }
  if (candidates_.empty()) return false;
  SimExecutor* chosen =
      candidates_[candidates_.size() == 1 ? 0 : static_cast<size_t>(random_.Below(candidates_.size()))];
  Task task = std::move(chosen->ready_.front().task);
  chosen->ready_.pop_front();
  if (task == nullptr) return true;
  ++steps_;
  Note(static_cast<uint64_t>(absl::ToInt64Microseconds(now_)) << 12 ^ chosen->id_);
  task();
  task = nullptr;
  if (chosen->after_task_ && !chosen->closed_) chosen->after_task_();
  return true;
}

absl::Duration Scheduler::NextDeadline() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const SimExecutor* executor : open_) {
    if (!executor->paused_ && !executor->timers_.empty()) {
      next = std::min(next, executor->timers_.begin()->first.first);
    }
  }
  return next;
}

void Scheduler::FireDue() {
  for (SimExecutor* executor : open_) {
    if (executor->paused_) continue;
    while (!executor->timers_.empty() && executor->timers_.begin()->first.first <= now_) {
      auto timer = executor->timers_.extract(executor->timers_.begin());
      executor->deadlines_.erase(timer.key().second);
      executor->ready_.push_back({timer.key().second, std::move(timer.mapped())});
    }
  }
}

void Scheduler::RunFor(absl::Duration d) {
  const absl::Duration end = now_ + d;
  while (!stopped_) {
    if (RunOne()) continue;
    const absl::Duration next = NextDeadline();
    if (next > end) break;
    now_ = std::max(now_, next);
    FireDue();
  }
  if (!stopped_) now_ = std::max(now_, end);
}

}  // namespace trivium::sim
