#include "controlplane/liveness/detector.h"

#include <algorithm>

namespace trivium {

void LivenessDetector::Watch(const std::string& name, bool alive, absl::Duration now) {
  const auto [it, added] = watched_.try_emplace(name);
  if (!added) return;
  it->second.alive = alive;
  it->second.heard = now;
  it->second.back_since = absl::InfiniteDuration();
  it->second.hold = options_.hold;
}

void LivenessDetector::Hear(const std::string& name, absl::Duration now) {
  const auto it = watched_.find(name);
  if (it == watched_.end()) return;
  it->second.heard = now;
  if (!it->second.alive) it->second.back_since = std::min(it->second.back_since, now);
}

bool LivenessDetector::Alive(const std::string& name) const {
  const auto it = watched_.find(name);
  return it == watched_.end() || it->second.alive;
}

void LivenessDetector::Excuse(absl::Duration lost, absl::Duration now) {
  for (auto& [name, one] : watched_) {
    one.heard = std::min(one.heard + lost, now);
    if (one.back_since != absl::InfiniteDuration()) one.back_since = std::min(one.back_since + lost, now);
  }
}

void LivenessDetector::SetDeaf(bool deaf, absl::Duration now) {
  if (deaf == deaf_) return;
  deaf_ = deaf;
  // What was heard before says nothing of the time since: everybody gets a whole silence to speak.
  if (deaf) return;
  for (auto& [name, one] : watched_) {
    one.heard = std::max(one.heard, now);
    if (one.back_since != absl::InfiniteDuration()) one.back_since = now;
  }
  checked_ = now;
}

std::vector<std::string> LivenessDetector::Check(absl::Duration now) {
  const absl::Duration late = now - checked_ - options_.check_every;
  if (late > options_.silence / 4 && checked_ != -absl::InfiniteDuration()) Excuse(late, now);
  checked_ = now;
  std::vector<std::string> changed;
  if (deaf_) return changed;
  for (auto& [name, one] : watched_) {
    const bool silent = now - one.heard >= options_.silence;
    if (one.alive) {
      if (!silent) continue;
      const bool again = now - one.failed_at < options_.forget;
      one.hold = again ? std::min(one.hold * 2, options_.max_hold) : options_.hold;
      one.alive = false;
      one.failed_at = now;
      one.back_since = absl::InfiniteDuration();
      changed.push_back(name);
    } else if (silent) {
      one.back_since = absl::InfiniteDuration();
    } else if (one.heard - one.back_since >= one.hold) {
      one.alive = true;
      changed.push_back(name);
    }
  }
  return changed;
}

}  // namespace trivium
