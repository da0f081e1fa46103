// Collects what agents report: which revision of which cluster stood in whose maps, and since when.
// Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "bench/scale/events.h"

namespace trivium::bench {

class Applied {
 public:
  // Reads the named pipe on a thread of its own, until the last agent closes it.
  Applied(std::string pipe, size_t agents);
  ~Applied();

  // Forgets times, keeps revisions. Between rows.
  void Clear();
  // When the last agent's maps first held `revision` or a later one; 0 while one of them does not.
  int64_t LastAt(uint32_t cluster, uint64_t revision) const;
  // The same of these agents alone.
  int64_t LastAt(uint32_t cluster, uint64_t revision, const std::vector<size_t>& agents) const;
  // The latest revision in some agent's maps; 0: none.
  uint64_t Latest(uint32_t cluster) const;
  // False after `seconds` without.
  bool WaitFor(uint32_t cluster, uint64_t revision, double seconds) const;

 private:
  struct Step {
    uint64_t revision;
    int64_t at_ns;
  };
  void Read();
  // When this agent's did; 0: they do not. With mutex_.
  static int64_t FirstAt(const std::vector<Step>& steps, uint64_t revision);

  const std::string pipe_;
  mutable std::mutex mutex_;
  std::map<uint32_t, std::vector<std::vector<Step>>> steps_;  // by cluster and agent, ascending
  const size_t agents_;
  std::thread thread_;
};

}  // namespace trivium::bench
