// What the kernel holds for this process: in a memory cgroup of its own. Needs root and cgroup v1's memory
// controller. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace trivium::bench {

class KernelMemory {
 public:
  // Moves the process into a new group below its own; the destructor moves it back.
  static absl::StatusOr<std::unique_ptr<KernelMemory>> Enter();
  ~KernelMemory();
  // Bytes charged since then.
  absl::StatusOr<int64_t> Bytes() const;

 private:
  KernelMemory(std::string parent, std::string folder)
      : parent_(std::move(parent)), folder_(std::move(folder)) {}
  const std::string parent_;
  const std::string folder_;
};

// Resident memory of this process, bytes; 0 if it cannot be read.
int64_t ResidentBytes();

}  // namespace trivium::bench
