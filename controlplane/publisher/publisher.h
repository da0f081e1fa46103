// What goes out: each committed batch on its cluster's feed, and twice a second the heads as SQL has them,
// which heal whatever the feed lost. Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "base/executor.h"
#include "bus/bus.h"
#include "controlplane/store/store.h"
#include "schema/codec.h"

namespace trivium {

class Publisher {
 public:
  struct Options {
    std::string region;
    absl::Duration beacon_every = absl::Milliseconds(500);
    // A region that has not answered by then is left out of this beacon.
    absl::Duration beacon_patience = absl::Milliseconds(400);
  };
  struct Counters {
    uint64_t published = 0;
    uint64_t failed = 0;
    uint64_t beacons = 0;
  };

  // `homes` names the home regions to read; `on_heads` hears of what was read. No pointer is owned.
  Publisher(Bus* bus, Store* store, Executor* executor, Options options,
            std::function<std::set<uint32_t>()> homes, std::function<void(const v1::Heads&)> on_heads);

  // A failure is only logged and counted: the beacon heals it.
  void Publish(const Batch& batch);

  // From now on the beacons say that this principal, "<cluster>:cp:<instance>", lives: once for each cluster
  // that the process serves.
  void SpeakFor(const std::string& principal);

  void StartBeacons();
  // Whether every region of the last beacon answered.
  bool sql_up() const { return sql_up_; }
  const Counters& counters() const { return counters_; }

 private:
  struct Round;
  void Beacon();
  void Close(const std::shared_ptr<Round>& round);

  Bus* const bus_;
  Store* const store_;
  Executor* const executor_;
  const Options options_;
  const std::function<std::set<uint32_t>()> homes_;
  const std::function<void(const v1::Heads&)> on_heads_;
  std::string principals_;     // separated by spaces
  std::set<uint32_t> silent_;  // regions that did not answer the last time: said once
  std::set<uint32_t> asking_;  // regions whose last question is still open: not asked again meanwhile
  bool sql_up_ = true;
  Counters counters_;
  Alive alive_;
};

}  // namespace trivium
