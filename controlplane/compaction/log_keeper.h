// Keeps one cluster's log within its bounds: looks from time to time, and deletes step by step what they
// allow (docs/epochs.md). Of the cluster's instances the one that holds its writer lease does. Belongs to one
// executor; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/time/time.h"
#include "base/executor.h"
#include "controlplane/config.h"
#include "controlplane/store/store.h"

namespace trivium {

class LogKeeper {
 public:
  struct Options {
    LogBounds bounds;
    absl::Duration check_every = absl::Minutes(1);
    absl::Duration between_steps = absl::Seconds(1);  // while there is more than one step to go
  };
  struct Counters {
    uint64_t steps = 0;
    uint64_t failed = 0;
  };

  // `commits`: whether this instance is to delete. No pointer is owned.
  LogKeeper(ClusterRef cluster, Store* store, Executor* executor, Options options,
            std::function<bool()> commits);
  LogKeeper(const LogKeeper&) = delete;
  LogKeeper& operator=(const LogKeeper&) = delete;

  // Looks after a while, and from then on again and again.
  void Start() { Later(options_.check_every); }
  const Counters& counters() const { return counters_; }

 private:
  void Later(absl::Duration delay);
  void Look();

  const ClusterRef cluster_;
  Store* const store_;
  Executor* const executor_;
  const Options options_;
  const std::function<bool()> commits_;
  uint64_t floor_ = 0;
  Counters counters_;
  Alive alive_;
};

LogKeeper::Options LogOptionsOf(const ControlPlaneConfig& config);

}  // namespace trivium
