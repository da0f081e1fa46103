// One cluster's control plane as an agent sees it: commits batches, publishes them and heads, answers
// catch-ups, snapshots and the agent's requests. Obvious rather than fast. One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/executor.h"
#include "replica/replica.h"
#include "schema/codec.h"
#include "tests/support/fake_bus.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class FakeControlPlane {
 public:
  // Not owned. `cluster` may be the mesh's pseudo-cluster.
  FakeControlPlane(std::string cluster, uint32_t cluster_id, Executor* executor, FakeBroker* broker);

  // Staged until Commit.
  void Upsert(v1::Object object);
  void Delete(v1::Kind kind, const std::string& key);
  // One batch of all that is staged; returns its revision.
  uint64_t Commit(bool publish = true);
  void Publish(uint64_t revision);
  void PublishHead();
  // Beacons every `period` from now on.
  void Beacon(absl::Duration period);
  // Batches up to `revision` are gone from the log: who needs one gets a snapshot.
  void Compact(uint64_t revision) { log_floor_ = revision; }
  // The database comes back from a backup of `revision`, with a new epoch.
  void Restore(uint64_t revision);
  // Makes batches that readers of today must not apply, from the next on.
  void SetMinReader(uint32_t version) { min_reader_ = version; }
  // Requests of agents are answered with this instead. OK: as usual.
  void Refuse(absl::Status status) { refusal_ = std::move(status); }

  const Mirror& mirror() const { return states_.back().mirror(); }
  uint64_t revision() const { return states_.back().position().revision; }
  uint64_t epoch() const { return epoch_; }
  v1::Head head() const { return states_.back().head(); }

  struct Counters {
    int syncs = 0;
    int snapshots = 0;
    int requests = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  void OnSync(const Message& message);
  void OnChunk(const Message& message);
  void OnApi(const Message& message);
  v1::Reply AddEndpoint(const v1::AddEndpointRequest& request);
  v1::Reply RegisterNode(const v1::RegisterNodeRequest& request);
  v1::Reply RemoveEndpoint(const v1::RemoveEndpointRequest& request);
  uint32_t IdentityFor(const std::vector<v1::Label>& labels, const std::vector<v1::NamedPort>& ports);
  v1::Reply Committed();
  void Answer(const Message& request, const std::string& payload);

  const std::string cluster_;
  const uint32_t cluster_id_;
  const std::string builder_;
  Executor* const executor_;
  std::unique_ptr<FakeBus> bus_;
  uint64_t epoch_ = 1;
  uint64_t log_floor_ = 0;
  uint32_t min_reader_ = 1;
  uint32_t next_node_ = 1;
  uint32_t next_identity_;
  std::vector<Replica> states_;  // by revision, the first is `base_`
  uint64_t base_ = 0;
  std::vector<std::string> envelopes_;  // of revision base_ + 1 + index
  v1::Changes staged_;
  std::map<std::string, std::vector<std::string>> snapshots_;  // id -> chunks
  absl::Status refusal_;
  Counters counters_;
  Alive alive_;
};

}  // namespace trivium
