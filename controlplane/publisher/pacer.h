// How fast one loaded cluster commits. Every commit is a message to every agent, and a message costs servers
// and agents far more than one more change in it; how much time they have, only they can tell. So a commit is
// followed by a pause that grows with agents and changes, and that is short while agents keep up and longer
// when reports say that they fall behind. Belongs to one executor; not thread-safe.
//
// The pause at its longest is what servers and agents need where all of them share two cores
// (docs/performance.md); at its shortest, what a server needs that has a core to itself. A few agents that
// are slow for reasons of their own move it little, and never beyond.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "absl/time/time.h"
#include "trivium/v1/status.pb.h"

namespace trivium {

class Pacer {
 public:
  // A revision of the cluster's log went out; `now` is monotonic.
  void OnPublished(uint64_t epoch, uint64_t revision, absl::Duration now);
  // What an agent of the cluster says to hold of that log.
  void OnReport(const v1::AppliedCluster& applied, absl::Duration now);

  // How long to wait after a commit of so many changes that so many agents take.
  absl::Duration Pause(size_t agents, size_t changes) const;
  // Between 0.25, all keep up, and 1, many do not: the part of the longest pause.
  double scale() const { return scale_; }

 private:
  struct Published {
    uint64_t revision = 0;
    absl::Duration at;
  };
  static constexpr size_t kMaxPublished = 4096;
  static constexpr double kMinScale = 0.25;

  uint64_t epoch_ = 0;
  std::deque<Published> published_;  // the last ones, ascending
  double scale_ = kMinScale;
};

}  // namespace trivium
