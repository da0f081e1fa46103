#include "base/executor.h"

#include <pthread.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/clock.h"

namespace trivium {

struct LoopExecutor::State {
  using Deadline = std::pair<absl::Duration, TimerId>;  // the id breaks ties in order of creation

  std::mutex mu;
  std::condition_variable wake;
  std::deque<Task> ready;
  std::map<Deadline, Task> timers;
  absl::flat_hash_map<TimerId, absl::Duration> deadlines;
  TimerId next_id = 1;
  bool stopping = false;
  std::thread thread;

  void Run() {
    std::unique_lock<std::mutex> lock(mu);
    while (!(stopping && ready.empty())) {
      const absl::Duration now = RealClock()->Monotonic();
      Task task;
      if (!timers.empty() && timers.begin()->first.first <= now) {
        // One expired timer at a time, run at once: a task may still cancel the next one.
        deadlines.erase(timers.begin()->first.second);
        task = std::move(timers.begin()->second);
        timers.erase(timers.begin());
      } else if (!ready.empty()) {
        task = std::move(ready.front());
        ready.pop_front();
      }
      if (task != nullptr) {
        lock.unlock();
        task();
        task = nullptr;  // captured state dies outside the lock
        lock.lock();
        continue;
      }
      if (timers.empty()) {
        wake.wait(lock);
      } else {
        wake.wait_for(lock, absl::ToChronoNanoseconds(timers.begin()->first.first - now));
      }
    }
  }
};

LoopExecutor::LoopExecutor(const std::string& name) : state_(std::make_unique<State>()) {
  state_->thread = std::thread([state = state_.get()] { state->Run(); });
  pthread_setname_np(state_->thread.native_handle(), name.substr(0, 15).c_str());
}

LoopExecutor::~LoopExecutor() {
  {
    std::lock_guard<std::mutex> lock(state_->mu);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  state_->thread.join();
}

void LoopExecutor::Post(Task task) {
  {
    std::lock_guard<std::mutex> lock(state_->mu);
    state_->ready.push_back(std::move(task));
  }
  state_->wake.notify_one();
}

Executor::TimerId LoopExecutor::PostAfter(absl::Duration delay, Task task) {
  TimerId id;
  {
    std::lock_guard<std::mutex> lock(state_->mu);
    id = state_->next_id++;
    const absl::Duration deadline = RealClock()->Monotonic() + delay;
    state_->timers.emplace(State::Deadline{deadline, id}, std::move(task));
    state_->deadlines.emplace(id, deadline);
  }
  state_->wake.notify_one();
  return id;
}

void LoopExecutor::Cancel(TimerId id) {
  Task dropped;  // declared before the lock, so that it is destroyed after it
  std::lock_guard<std::mutex> lock(state_->mu);
  auto it = state_->deadlines.find(id);
  if (it == state_->deadlines.end()) return;
  auto timer = state_->timers.find({it->second, id});
  dropped = std::move(timer->second);
  state_->timers.erase(timer);
  state_->deadlines.erase(it);
}

void LoopExecutor::RunAndWait(Task task) {
  std::mutex mu;
  std::condition_variable done_cv;
  bool done = false;
  Post([&] {
    task();
    std::lock_guard<std::mutex> lock(mu);
    done = true;
    done_cv.notify_one();
  });
  std::unique_lock<std::mutex> lock(mu);
  done_cv.wait(lock, [&] { return done; });
}

}  // namespace trivium
