// Child processes, a memory cgroup, and a network namespace of our own, for measurements. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace trivium::bench {

// Leaves the machine's network: from here on this process and its children have one of their own, with `lo`
// and a veth pair `up0` (`address`) / `up1`. Before any thread is made. Needs root.
absl::Status EnterOwnNetwork(const std::string& address);

// A memory cgroup (version 1) that goes with its owner.
class MemoryGroup {
 public:
  static absl::StatusOr<MemoryGroup> Make(const std::string& name);
  MemoryGroup(MemoryGroup&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  MemoryGroup& operator=(MemoryGroup&&) = delete;
  ~MemoryGroup();

  const std::string& path() const { return path_; }
  struct Usage {
    uint64_t resident = 0;  // anonymous pages of its processes
    uint64_t kernel = 0;    // what the kernel holds for them: maps, sockets, page tables
  };
  absl::StatusOr<Usage> Read() const;

 private:
  explicit MemoryGroup(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// A child with pipes on standard input and output and a file for standard error. Killed with its owner.
class Process {
 public:
  // `group`: of memory, or null.
  static absl::StatusOr<Process> Start(const std::vector<std::string>& command, const std::string& log,
                                       const MemoryGroup* group = nullptr);
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  // SIGTERM, and waits for the end.
  void Stop();
  absl::Status WriteLine(const std::string& line);
  // kUnavailable at the end of its output.
  absl::StatusOr<std::string> ReadLine();
  absl::StatusOr<std::string> Ask(const std::string& line);

 private:
  Process() = default;
  pid_t pid_ = 0;
  FILE* in_ = nullptr;
  FILE* out_ = nullptr;
};

// VmRSS, and VmHWM if `peak`, in bytes.
uint64_t ResidentBytes(pid_t pid, bool peak = false);
double CpuSeconds(pid_t pid);

}  // namespace trivium::bench
