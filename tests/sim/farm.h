// Runs schedules, each in a process of its own that begins exactly like all others: forked from one that has
// done nothing yet. So a schedule that crashes harms no other, and the same seed takes the same course, down
// to the addresses that the order of hash tables depends on. Make it before the program has done anything
// else. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/sim/plan.h"
#include "tests/sim/world.h"

namespace trivium::sim {

struct Job {
  static constexpr size_t kMaxEvents = 128;
  uint64_t seed = 0;
  Sabotage sabotage = Sabotage::kNone;
  bool left_out[kMaxEvents] = {};  // by index into Plan::events
  bool log = false;                // to stderr, everything
};

// Passed between processes as bytes.
struct Result {
  uint64_t seed = 0;
  bool failed = false;
  char failure[2048] = {};
  uint64_t trace = 0;
  uint64_t steps = 0;
  uint64_t commits = 0;
  uint64_t map_writes = 0;
  uint64_t flows_judged = 0;
  int64_t virtual_ms = 0;
  int64_t converge_ms = 0;
  uint64_t most_waiting = 0;
  uint64_t heap_bytes = 0;
  Coverage coverage;
};

class Farm {
 public:
  // `workers` processes at a time, 1..kMaxWorkers. Aborts the program if it cannot fork.
  explicit Farm(int workers);
  ~Farm();
  Farm(const Farm&) = delete;
  Farm& operator=(const Farm&) = delete;

  Result Run(const Job& job);
  // Seeds first .. first + count - 1; `done` runs here, in the order in which they end. False: no more.
  void RunMany(uint64_t first, uint64_t count, Sabotage sabotage,
               const std::function<bool(const Result&)>& done);
  // The events that the failure needs: leaves out what it can without making it pass. `failed` is the result
  // of the whole schedule; replaced by that of the short one.
  Job Shrink(const Job& whole, Result* failed);

  static constexpr int kMaxWorkers = 64;

 private:
  struct Worker {
    int pid = 0;
    int jobs = -1;     // written here
    int results = -1;  // read here
  };
  int workers_;
  Worker worker_[kMaxWorkers];
};

}  // namespace trivium::sim
