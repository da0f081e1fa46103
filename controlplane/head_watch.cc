#include "controlplane/head_watch.h"

#include <algorithm>

namespace trivium {

void HeadWatch::OnHead(const v1::Head& head, const Position& held, absl::Duration now) {
  Seen& seen = seen_[head.cluster()];
  seen.newest = std::max(seen.newest, Place(head.epoch(), head.revision()));
  seen.read_at = now;
  if (Place(held.epoch, held.revision) >= seen.wanted) {
    seen.wanted = seen.newest;
    seen.wanted_since = now;
  }
}

uint64_t HeadWatch::Revision(const std::string& cluster) const {
  const auto it = seen_.find(cluster);
  return it == seen_.end() ? 0 : it->second.newest.second;
}

absl::Duration HeadWatch::SinceRead(const std::string& cluster, absl::Duration now) const {
  const auto it = seen_.find(cluster);
  return it == seen_.end() ? absl::InfiniteDuration() : now - it->second.read_at;
}

absl::Duration HeadWatch::BehindFor(const std::string& cluster, const Position& held,
                                    absl::Duration now) const {
  const auto it = seen_.find(cluster);
  if (it == seen_.end() || Place(held.epoch, held.revision) >= it->second.wanted) {
    return absl::ZeroDuration();
  }
  return now - it->second.wanted_since;
}

}  // namespace trivium
