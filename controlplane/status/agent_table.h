// What the cluster's agents last said of themselves. Every instance hears every report; the newest of each
// node counts, and goes to SQL about once a second. Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "bus/bus.h"
#include "controlplane/store/store.h"
#include "controlplane/sync/cluster_mirror.h"
#include "trivium/v1/status.pb.h"

namespace trivium {

class AgentTable {
 public:
  struct Entry {
    v1::AgentStatus status;
    int64_t seen_ms = 0;  // when it arrived, Unix milliseconds
  };

  // `mirror` says which nodes are registered: others are heard but not written. No pointer is owned.
  AgentTable(ClusterMirror* mirror, Store* store, Executor* executor, Clock* clock,
             absl::Duration write_every = absl::Seconds(1));

  absl::Status Start(Bus* bus);
  // On trivium.v1.agent.<cluster>.<node>.status: the subject, not the message, says whose report it is.
  void OnReport(const Message& message);

  // Null if that node has not been heard of.
  const Entry* Find(const std::string& node) const;
  const std::map<std::string, Entry>& all() const { return entries_; }
  void Observe(std::function<void(const v1::AgentStatus&)> observer) {
    observers_.push_back(std::move(observer));
  }
  uint64_t malformed() const { return malformed_; }

 private:
  static constexpr size_t kMaxStrangers = 1024;  // heard, but not registered

  void Forget(const Batch& batch);
  void WriteLater();
  void Write();

  ClusterMirror* const mirror_;
  Store* const store_;
  Executor* const executor_;
  Clock* const clock_;
  const absl::Duration write_every_;
  std::map<std::string, Entry> entries_;
  std::set<std::string> unwritten_;
  bool write_planned_ = false;
  uint64_t malformed_ = 0;
  std::vector<std::function<void(const v1::AgentStatus&)>> observers_;
  Alive alive_;
};

}  // namespace trivium
