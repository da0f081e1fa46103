// What SQL was seen to hold of each cluster's log, and since when a mirror has been behind that: whether a
// control plane can be trusted with requests, and what it shows of it. Pure; not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "replica/replica.h"
#include "trivium/v1/feed.pb.h"

namespace trivium {

class HeadWatch {
 public:
  // `held`: the mirror at that moment; `now`: Clock::Monotonic.
  void OnHead(const v1::Head& head, const Position& held, absl::Duration now);

  // The newest revision that SQL was seen to hold; 0 before the first.
  uint64_t Revision(const std::string& cluster) const;
  // Since a head of this cluster was last read; infinite before the first.
  absl::Duration SinceRead(const std::string& cluster, absl::Duration now) const;
  // How long something that SQL was seen to hold has been missing. A mirror under load is always a little
  // behind, but what it misses now is not what it missed then.
  absl::Duration BehindFor(const std::string& cluster, const Position& held, absl::Duration now) const;

 private:
  using Place = std::pair<uint64_t, uint64_t>;  // epoch, revision
  struct Seen {
    Place newest;
    absl::Duration read_at;
    Place wanted;  // what the mirror must reach
    absl::Duration wanted_since;
  };
  std::map<std::string, Seen> seen_;
};

}  // namespace trivium
