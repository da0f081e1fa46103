// The one way product code runs later or waits: tasks on a single-threaded executor.
//
// A component belongs to one executor; all its methods and callbacks run there, so it needs no locks.
// Blocking work (SQL) is done by a driver on threads of its own, which posts the completion back. Product
// code never starts threads, sleeps, or reads a clock elsewhere; the simulation substitutes a seeded
// executor.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace trivium {

using Task = absl::AnyInvocable<void()>;

class Executor {
 public:
  using TimerId = uint64_t;
  static constexpr TimerId kNoTimer = 0;

  virtual ~Executor() = default;
  // Runs the task after all tasks posted before it. Thread-safe; never runs it inline.
  virtual void Post(Task task) = 0;
  // Runs the task once `delay` has passed. Thread-safe. The id is never kNoTimer.
  virtual TimerId PostAfter(absl::Duration delay, Task task) = 0;
  // Forgets a timer that has not run yet; unknown ids are ignored. Called on the executor's own thread, it
  // guarantees that the task does not run afterwards. Thread-safe.
  virtual void Cancel(TimerId id) = 0;
};

// An executor with a thread of its own. Destruction runs what is already posted (not timers) and joins; it
// must not happen on that thread.
class LoopExecutor final : public Executor {
 public:
  // `name` is the thread's name (at most 15 characters are shown by the kernel).
  explicit LoopExecutor(const std::string& name);
  ~LoopExecutor() override;
  LoopExecutor(const LoopExecutor&) = delete;
  LoopExecutor& operator=(const LoopExecutor&) = delete;

  void Post(Task task) override;
  TimerId PostAfter(absl::Duration delay, Task task) override;
  void Cancel(TimerId id) override;

  // Runs the task on the executor and waits for it. Never from the executor's own thread.
  void RunAndWait(Task task);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Guards callbacks of an object that may be destroyed first: capture `Alive::Watch()` and test it before
// touching `this`. Both run on the same executor, so no lock is needed.
class Alive {
 public:
  Alive() : token_(std::make_shared<char>(0)) {}
  std::weak_ptr<char> Watch() const { return token_; }

 private:
  std::shared_ptr<char> token_;
};

}  // namespace trivium
