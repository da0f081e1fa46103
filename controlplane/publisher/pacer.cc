#include "controlplane/publisher/pacer.h"

#include <algorithm>

namespace trivium {
namespace {

// Of the time of two cores that servers and agents share.
constexpr absl::Duration kCostOfDelivery = absl::Microseconds(80);
constexpr absl::Duration kCostOfChange = absl::Microseconds(8);  // each, in a delivery
constexpr absl::Duration kMaxPause = absl::Milliseconds(50);

// An agent that lacks for longer what was published has more to do than it can.
constexpr absl::Duration kLate = absl::Milliseconds(25);
// With each report: one in ten that is late keeps the pause as it is.
constexpr double kLonger = 1.1;
constexpr double kShorter = 0.99;

}  // namespace

void Pacer::OnPublished(uint64_t epoch, uint64_t revision, absl::Duration now) {
  if (epoch != epoch_) published_.clear();
  epoch_ = epoch;
  published_.push_back({revision, now});
  if (published_.size() > kMaxPublished) published_.pop_front();
}

void Pacer::OnReport(const v1::AppliedCluster& applied, absl::Duration now) {
  if (applied.epoch() != epoch_) return;
  const auto lacking = std::upper_bound(
      published_.begin(), published_.end(), applied.received(),
      [](uint64_t revision, const Published& published) { return revision < published.revision; });
  const bool late = lacking != published_.end() && now - lacking->at > kLate;
  scale_ = std::clamp(scale_ * (late ? kLonger : kShorter), kMinScale, 1.0);
}

absl::Duration Pacer::Pause(size_t agents, size_t changes) const {
  const absl::Duration delivery = kCostOfDelivery + kCostOfChange * static_cast<double>(changes);
  return std::min(kMaxPause, delivery * static_cast<double>(agents)) * scale_;
}

}  // namespace trivium
