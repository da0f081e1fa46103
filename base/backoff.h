// Exponential delay with full jitter between a floor and a cap. Not thread-safe.
#pragma once

#include <algorithm>

#include "absl/time/time.h"
#include "base/random.h"

namespace trivium {

class Backoff {
 public:
  Backoff(absl::Duration floor, absl::Duration cap, Random* random)
      : floor_(floor), cap_(cap), random_(random) {}

  // The next delay: uniform in [floor, current], then current doubles up to cap.
  absl::Duration Next() {
    current_ = std::min(cap_, std::max(floor_, current_ * 2));
    const double share = static_cast<double>(random_->Next() >> 11) * 0x1.0p-53;
    return floor_ + (current_ - floor_) * share;
  }
  void Reset() { current_ = absl::ZeroDuration(); }

 private:
  const absl::Duration floor_;
  const absl::Duration cap_;
  Random* const random_;
  absl::Duration current_ = absl::ZeroDuration();
};

}  // namespace trivium
