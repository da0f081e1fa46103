// Fetches the chunks of one open snapshot from the instance that cut it, a few ahead, and loads each as soon
// as its turn comes. Not thread-safe: everything runs on the executor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/executor.h"
#include "bus/bus.h"
#include "replica/snapshot_load.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class SnapshotFetch {
 public:
  struct Result {
    SnapshotLoad load;
    std::vector<std::string> chunks;  // as they came over the wire
  };
  // Called once, unless this is destroyed first: then never.
  using Done = std::function<void(absl::StatusOr<Result>)>;

  // `bus` and `executor` are not owned; `principal` is who asks.
  SnapshotFetch(v1::SnapshotOpen open, const std::string& principal, SnapshotLoad load, Bus* bus,
                Executor* executor, Done done);
  SnapshotFetch(const SnapshotFetch&) = delete;
  SnapshotFetch& operator=(const SnapshotFetch&) = delete;

  void Start();

 private:
  // Enough to hide a round trip between clouds behind the loading of what is there already.
  static constexpr uint32_t kAhead = 4;
  static constexpr int kAttempts = 3;

  void AskMore();
  void Ask(uint32_t index, int attempt);
  void OnReply(uint32_t index, int attempt, absl::StatusOr<std::string> bytes);
  void Finish(absl::StatusOr<Result> result);

  const v1::SnapshotOpen open_;
  const std::string subject_;
  Bus* const bus_;
  Executor* const executor_;
  Done done_;
  Result result_;
  uint32_t asked_ = 0;                       // the next one to ask for
  std::map<uint32_t, std::string> waiting_;  // came before their turn
  Alive alive_;
};

}  // namespace trivium
