// What processes cost, as the kernel counts it.
#pragma once

#include <vector>

namespace trivium::bench {

// Seconds of processor time, user and system, of all of them together.
double CpuSeconds(const std::vector<int>& pids);
// Resident memory in MiB, of all of them together.
double ResidentMib(const std::vector<int>& pids);

}  // namespace trivium::bench
