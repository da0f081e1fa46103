// A few threads, each with one connection, that run transactions for the executors' sake.
//
// A job is a transaction that may be run again from its start: the pool repeats it on the errors that allow
// it (db/sql_state.h), on the same or another connection, with growing pauses, until its deadline. Hosts are
// tried in random order, those of this region first. Thread-safe. Destruction cuts what is running and drops
// the rest without calling anyone.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "controlplane/db/connection.h"
#include "controlplane/db/server_options.h"

namespace trivium {

class SqlPool {
 public:
  using Job = absl::AnyInvocable<absl::Status(Connection&)>;
  // Called once, on a thread of the pool (or inline, if the queue is full): post it on.
  using Finish = absl::AnyInvocable<void(absl::Status)>;

  struct Options {
    SqlServerOptions server;
    int threads = 4;
    size_t queue = 1024;  // jobs waiting; beyond it kResourceExhausted
    absl::Duration retry_floor = absl::Milliseconds(5);
    absl::Duration retry_cap = absl::Seconds(1);
    // Runs first on each new connection; a connection that fails it is not used.
    std::function<absl::Status(Connection&)> on_connect;
  };

  // Since the start; for metrics and tests.
  struct Counters {
    uint64_t retries = 0;                 // 40001, 40P01 and their like
    uint64_t serialization_failures = 0;  // those of them that were 40001
    uint64_t connects = 0;
    uint64_t lost_connections = 0;  // failures that a new connection was needed for
    uint64_t refused = 0;           // queue full
  };

  // Connects when the first job comes. `random` is thread-safe and outlives the pool.
  SqlPool(Options options, Random* random);
  ~SqlPool();
  SqlPool(const SqlPool&) = delete;
  SqlPool& operator=(const SqlPool&) = delete;

  // Past `limit` the job is not repeated: it ends with its last error.
  void Run(absl::Duration limit, Job job, Finish finish);

  Counters counters() const;

 private:
  struct Task {
    absl::Duration deadline;
    Job job;
    Finish finish;
  };

  void Work(size_t self);
  // The next job, or none if the pool closes.
  std::optional<Task> Take(size_t self);
  absl::Status RunOnce(std::unique_ptr<Connection>* connection, Job& job);
  absl::StatusOr<std::unique_ptr<Connection>> Connect();
  std::vector<SqlHost> HostsInOrder();
  // False if the pool closed meanwhile.
  bool Pause(absl::Duration pause);

  const Options options_;
  Random* const random_;
  const int wake_fd_;

  mutable absl::Mutex mutex_;
  std::deque<Task> tasks_ ABSL_GUARDED_BY(mutex_);
  // Threads that wait. The last one to become idle is called first: what it and its server's process last
  // used is still in their caches.
  std::vector<size_t> idle_ ABSL_GUARDED_BY(mutex_);
  std::vector<char> called_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;

  std::atomic<uint64_t> retries_{0};
  std::atomic<uint64_t> serialization_failures_{0};
  std::atomic<uint64_t> connects_{0};
  std::atomic<uint64_t> lost_connections_{0};
  std::atomic<uint64_t> refused_{0};
  std::atomic<bool> outage_{false};  // said so in the log

  std::vector<std::thread> threads_;
};

}  // namespace trivium
