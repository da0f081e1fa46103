#include "tests/sim/farm.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace trivium::sim {
namespace {

// Real time; a schedule takes a few hundredths of a second.
constexpr unsigned kHung = 300;

bool ReadAll(int fd, void* bytes, size_t size) {
  char* at = static_cast<char*>(bytes);
  while (size > 0) {
    const ssize_t n = read(fd, at, size);
    if (n <= 0) return false;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

void WriteAll(int fd, const void* bytes, size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t n = write(fd, at, size);
    if (n <= 0) _exit(3);
    at += n;
    size -= static_cast<size_t>(n);
  }
}

#if defined(__x86_64__)
// protobuf seeds its hash maps from the processor's time stamp counter: here that stands still.
void OnForbiddenInstruction(int, siginfo_t*, void* context) {
  greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto* code = reinterpret_cast<const unsigned char*>(registers[REG_RIP]);
  const bool rdtsc = code[0] == 0x0f && code[1] == 0x31;
  const bool rdtscp = code[0] == 0x0f && code[1] == 0x01 && code[2] == 0xf9;
  if (!rdtsc && !rdtscp) {
    std::signal(SIGSEGV, SIG_DFL);  // a true fault: it comes again, and ends the process
    return;
  }
  registers[REG_RAX] = registers[REG_RDX] = 0;
  if (rdtscp) registers[REG_RCX] = 0;
  registers[REG_RIP] += rdtsc ? 2 : 3;
}

void StopTimeStamps() {
  struct sigaction action = {};
  action.sa_sigaction = OnForbiddenInstruction;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (sigaction(SIGSEGV, &action, nullptr) != 0 || prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) != 0) {
    std::perror("the time stamp counter cannot be stopped: a seed may not repeat exactly");
  }
}
#else
void StopTimeStamps() {}
#endif

void RunSchedule(const Job& job, Result* result) {
  spdlog::set_level(job.log ? spdlog::level::trace : spdlog::level::off);
  Plan plan = Plan::FromSeed(job.seed);
  std::vector<Event> events;
  for (size_t i = 0; i < plan.events.size(); ++i) {
    if (!job.left_out[i]) events.push_back(plan.events[i]);
  }
  plan.events = std::move(events);
  // Never destroyed: this process ends with it, and that takes no time.
  auto* const world = new World(std::move(plan), job.sabotage);
  const Outcome outcome = world->Run();
  result->seed = job.seed;
  result->failed = !outcome.failure.empty();
  std::snprintf(result->failure, sizeof result->failure, "%s", outcome.failure.c_str());
  result->trace = outcome.trace;
  result->steps = outcome.steps;
  result->commits = outcome.commits;
  result->map_writes = outcome.map_writes;
  result->flows_judged = outcome.flows_judged;
  result->virtual_ms = absl::ToInt64Milliseconds(outcome.virtual_time);
  result->converge_ms = absl::ToInt64Milliseconds(outcome.to_converge);
  result->most_waiting = outcome.most_waiting;
  result->heap_bytes = outcome.heap_bytes;
  result->coverage = outcome.coverage;
}

// Does nothing but fork, so that all its children are alike: above all, it allocates nothing.
[[noreturn]] void Breed(int jobs, int results) {
  static Job job;
  static Result result;
  while (ReadAll(jobs, &job, sizeof job)) {
    const pid_t child = fork();
    if (child < 0) _exit(3);
    if (child == 0) {
      alarm(kHung);
      StopTimeStamps();
      RunSchedule(job, &result);
      WriteAll(results, &result, sizeof result);
      _exit(0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child) _exit(3);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    std::memset(static_cast<void*>(&result), 0, sizeof result);
    result.seed = job.seed;
    result.failed = true;
    std::snprintf(
        result.failure, sizeof result.failure, "the process died: %s %d",
        WIFSIGNALED(status) ? (WTERMSIG(status) == SIGALRM ? "it hung, signal" : "signal") : "status",
        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    WriteAll(results, &result, sizeof result);
    std::memset(static_cast<void*>(&result), 0, sizeof result);
  }
  _exit(0);
}

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::abort();
}

}  // namespace

Farm::Farm(int workers) : workers_(std::clamp(workers, 1, kMaxWorkers)) {
  for (int i = 0; i < workers_; ++i) {
    int jobs[2];
    int results[2];
    if (pipe(jobs) != 0 || pipe(results) != 0) Die("pipe");
    const pid_t pid = fork();
    if (pid < 0) Die("fork");
    if (pid == 0) {
      for (int other = 0; other < i; ++other) {
        close(worker_[other].jobs);
        close(worker_[other].results);
      }
      close(jobs[1]);
      close(results[0]);
      Breed(jobs[0], results[1]);
    }
    close(jobs[0]);
    close(results[1]);
    worker_[i] = {pid, jobs[1], results[0]};
  }
}

Farm::~Farm() {
  for (int i = 0; i < workers_; ++i) {
    close(worker_[i].jobs);
    close(worker_[i].results);
    waitpid(worker_[i].pid, nullptr, 0);
  }
}

Result Farm::Run(const Job& job) {
  Result result;
  WriteAll(worker_[0].jobs, &job, sizeof job);
  if (!ReadAll(worker_[0].results, &result, sizeof result)) Die("a worker is gone");
  return result;
}

void Farm::RunMany(uint64_t first, uint64_t count, Sabotage sabotage,
                   const std::function<bool(const Result&)>& done) {
  Job job;
  job.sabotage = sabotage;
  uint64_t given = 0;
  bool more = true;
  std::vector<pollfd> busy;
  auto give = [&](int worker) {
    if (!more || given == count) return false;
    job.seed = first + given++;
    WriteAll(worker_[worker].jobs, &job, sizeof job);
    return true;
  };
  for (int i = 0; i < workers_; ++i) {
    if (give(i)) busy.push_back({worker_[i].results, POLLIN, 0});
  }
  while (!busy.empty()) {
    if (poll(busy.data(), busy.size(), -1) < 0) Die("poll");
    for (size_t i = 0; i < busy.size();) {
      if (busy[i].revents == 0) {
        ++i;
        continue;
      }
      Result result;
      if (!ReadAll(busy[i].fd, &result, sizeof result)) Die("a worker is gone");
      more = done(result) && more;
      int worker = 0;
      while (worker_[worker].results != busy[i].fd) ++worker;
      busy[i].revents = 0;
      if (give(worker)) {
        ++i;
      } else {
        busy.erase(busy.begin() + static_cast<long>(i));
      }
    }
  }
}

Job Farm::Shrink(const Job& whole, Result* failed) {
  Job best = whole;
  const size_t events = Plan::FromSeed(whole.seed).events.size();
  for (size_t chunk = std::max<size_t>(events / 2, 1); chunk >= 1; chunk /= 2) {
    bool shorter = true;
    while (shorter) {
      shorter = false;
      std::vector<size_t> left;
      for (size_t i = 0; i < events; ++i) {
        if (!best.left_out[i]) left.push_back(i);
      }
      for (size_t from = 0; from < left.size(); from += chunk) {
        Job candidate = best;
        for (size_t i = from; i < std::min(left.size(), from + chunk); ++i)
          candidate.left_out[left[i]] = true;
        const Result result = Run(candidate);
        if (!result.failed) continue;
        best = candidate;
        *failed = result;
        shorter = true;
      }
    }
  }
  return best;
}

}  // namespace trivium::sim
