// A third party that follows the mesh by the published rules alone: the feed, heads, deltas and snapshots. It
// keeps nothing durable. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/executor.h"
#include "bus/bus.h"
#include "replica/replica.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::sim {

class Subscriber {
 public:
  // Nothing is owned.
  Subscriber(std::string principal, const std::vector<std::string>& clusters, Bus* bus, Executor* executor,
             Random* random);
  absl::Status Start();
  const std::map<std::string, Replica>& replicas() const { return replicas_; }

 private:
  struct Fetch {
    bool running = false;
    bool snapshot = false;
    v1::SnapshotOpen open;
    std::vector<v1::Snapshot> parts;
  };
  void OnMessage(const Message& message);
  void Judged(const std::string& cluster, Replica::Outcome outcome);
  void Ask(const std::string& cluster);
  void OnSync(const std::string& cluster, const absl::StatusOr<std::string>& bytes);
  void AskChunk(const std::string& cluster);
  void OnChunk(const std::string& cluster, const absl::StatusOr<std::string>& bytes);
  void Later(const std::string& cluster);

  const std::string principal_;
  Bus* const bus_;
  Executor* const executor_;
  Backoff backoff_;
  std::map<std::string, Replica> replicas_;
  std::map<std::string, Fetch> fetches_;
  Alive alive_;
};

}  // namespace trivium::sim
