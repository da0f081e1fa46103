#include "controlplane/db/sql_pool.h"

#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/status.h"
#include "controlplane/db/sql_state.h"

namespace trivium {
namespace {

int OpenWakeFd() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) {
    spdlog::critical("eventfd failed errno={}", errno);
    std::abort();
  }
  return fd;
}

// Fisher and Yates.
void Shuffle(std::vector<SqlHost>* hosts, Random* random) {
  for (size_t i = hosts->size(); i > 1; --i) std::swap((*hosts)[i - 1], (*hosts)[random->Below(i)]);
}

}  // namespace

SqlPool::SqlPool(Options options, Random* random)
    : options_(std::move(options)),
      random_(random),
      wake_fd_(OpenWakeFd()),
      called_(static_cast<size_t>(options_.threads), 0) {
  for (size_t i = 0; i < called_.size(); ++i) threads_.emplace_back([this, i] { Work(i); });
}

SqlPool::~SqlPool() {
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
  }
  const uint64_t one = 1;
  if (write(wake_fd_, &one, sizeof(one)) != sizeof(one)) spdlog::error("waking the SQL threads failed");
  for (std::thread& thread : threads_) thread.join();
  close(wake_fd_);
}

SqlPool::Counters SqlPool::counters() const {
  return {retries_, serialization_failures_, connects_, lost_connections_, refused_};
}

void SqlPool::Run(absl::Duration limit, Job job, Finish finish) {
  {
    absl::MutexLock lock(&mutex_);
    if (tasks_.size() < options_.queue) {
      tasks_.push_back({RealClock()->Monotonic() + limit, std::move(job), std::move(finish)});
      if (!idle_.empty()) {
        called_[idle_.back()] = 1;
        idle_.pop_back();
      }
      return;
    }
  }
  ++refused_;
  finish(absl::ResourceExhaustedError("too many SQL requests are waiting: try later"));
}

std::vector<SqlHost> SqlPool::HostsInOrder() {
  std::vector<SqlHost> hosts = options_.server.hosts;
  Shuffle(&hosts, random_);
  std::vector<SqlHost> far = options_.server.far_hosts;
  Shuffle(&far, random_);
  hosts.insert(hosts.end(), far.begin(), far.end());
  return hosts;
}

absl::StatusOr<std::unique_ptr<Connection>> SqlPool::Connect() {
  absl::Status last = SqlError("08001", "no SQL host is configured");
  for (const SqlHost& host : HostsInOrder()) {
    ++connects_;
    absl::StatusOr<std::unique_ptr<Connection>> connection =
        Connection::Open(host, options_.server, wake_fd_);
    last = connection.status();
    if (last.ok() && options_.on_connect != nullptr) last = options_.on_connect(**connection);
    if (last.ok()) {
      if (outage_.exchange(false)) spdlog::info("sql: connected again host={}", host.ToString());
      return connection;
    }
    if (absl::IsCancelled(last)) return last;
    // One line for an outage, not one for each attempt.
    if (!outage_.exchange(true)) {
      spdlog::warn("sql: no usable connection host={} error=\"{}\"", host.ToString(),
                   std::string(last.message()));
    }
  }
  return last;
}

absl::Status SqlPool::RunOnce(std::unique_ptr<Connection>* connection, Job& job) {
  if (*connection == nullptr || !(*connection)->usable()) {
    TRIVIUM_ASSIGN_OR_RETURN(*connection, Connect());
  }
  return job(**connection);
}

bool SqlPool::Pause(absl::Duration pause) {
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&closing_), pause);
}

std::optional<SqlPool::Task> SqlPool::Take(size_t self) {
  absl::MutexLock lock(&mutex_);
  auto called = [this, self]()
                    ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closing_ || called_[self] != 0; };
  // One that was called may find that another thread, just done, has taken the job.
  while (tasks_.empty() && !closing_) {
    idle_.push_back(self);
    mutex_.Await(absl::Condition(&called));
    called_[self] = 0;
  }
  if (closing_) return std::nullopt;
  Task task = std::move(tasks_.front());
  tasks_.pop_front();
  return task;
}

void SqlPool::Work(size_t self) {
  std::unique_ptr<Connection> connection;
  while (true) {
    std::optional<Task> taken = Take(self);
    if (!taken.has_value()) return;
    Task& task = *taken;
    if (RealClock()->Monotonic() >= task.deadline) {
      task.finish(absl::UnavailableError("no SQL connection was free in time"));
      continue;
    }
    Backoff backoff(options_.retry_floor, options_.retry_cap, random_);
    bool prepared_again = false;
    while (true) {
      absl::Status status = RunOnce(&connection, task.job);
      const std::string state = SqlStateOf(status);
      SqlAction action = state.empty() ? SqlAction::kFinal : ActionFor(state);
      if (action == SqlAction::kPrepareAgain) {
        if (prepared_again) action = SqlAction::kFinal;
        prepared_again = true;
        connection.reset();
      }
      if (action == SqlAction::kRetry) {
        ++retries_;
        if (state == "40001") ++serialization_failures_;
      } else if (action != SqlAction::kFinal) {
        ++lost_connections_;
        connection.reset();
      }
      const absl::Duration pause = backoff.Next();
      if (action == SqlAction::kFinal || RealClock()->Monotonic() + pause >= task.deadline) {
        task.finish(std::move(status));
        break;
      }
      if (!Pause(pause)) return;
    }
  }
}

}  // namespace trivium
