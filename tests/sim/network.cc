#include "tests/sim/network.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace trivium::sim {

Network::Network(uint64_t seed, Scheduler* scheduler, Coverage* coverage)
    : scheduler_(scheduler),
      coverage_(coverage),
      luck_(seed, "network"),
      far_(absl::Milliseconds(2 + luck_.Below(40))) {}

uint32_t Network::RegionOf(const std::string& client) {
  for (uint32_t c = 0; c < kClusters; ++c) {
    if (absl::StartsWith(client, absl::StrCat(kClusterNames[c], ":"))) return c;
  }
  return 0;
}

bool Network::Reaches(const std::string& from, const std::string& to) const {
  return !Is(parted_, RegionOf(from), RegionOf(to));
}

std::vector<absl::Duration> Network::Carry(const std::string& from, const std::string& to,
                                           const Message& message) {
  const uint32_t a = RegionOf(from);
  const uint32_t b = RegionOf(to);
  scheduler_->Note(HashOf(message.payload, HashOf(message.subject, HashOf(to))));
  if (Is(swallowed_, a, b)) {
    coverage_->Hit(Point::kBusOneWay);
    return {};
  }
  if (lost_ > 0 && luck_.Below(100) < lost_) {
    coverage_->Hit(Point::kBusLost);
    return {};
  }
  const absl::Duration base =
      a == b ? absl::Microseconds(100 + luck_.Below(400)) : far_ + absl::Microseconds(luck_.Below(1000));
  absl::Duration& last = last_[{from, to}];
  absl::Duration arrival = std::max(last, scheduler_->now() + base);
  std::vector<absl::Duration> delays;
  if (late_ > 0 && luck_.Below(100) < late_) {
    if (luck_.Chance(0.5)) {  // the whole link stalls
      coverage_->Hit(Point::kBusLate);
      arrival += absl::Milliseconds(luck_.Below(800));
      last = arrival;
    } else {  // this one alone
      coverage_->Hit(Point::kBusReordered);
      arrival += absl::Milliseconds(luck_.Below(300));
    }
  } else {
    last = arrival;
  }
  delays.push_back(arrival - scheduler_->now());
  if (lost_ > 0 && luck_.Below(100) < lost_) {
    coverage_->Hit(Point::kBusRepeated);
    delays.push_back(delays[0] + absl::Milliseconds(luck_.Below(500)));
  }
  return delays;
}

FakeStore::Fate Network::Query(uint32_t process, uint32_t region, const FakeStore::Operation& operation) {
  FakeStore::Fate fate;
  const absl::Duration way =
      operation.home == 0 || operation.home == region + 1 ? absl::Microseconds(300) : far_;
  fate.there = way + absl::Microseconds(luck_.Below(700));
  fate.back = way + absl::Microseconds(luck_.Below(700));
  if (store_slow_ > absl::ZeroDuration()) {
    coverage_->Hit(Point::kStoreSlow);
    fate.there +=
        absl::Milliseconds(luck_.Below(static_cast<uint64_t>(absl::ToInt64Milliseconds(store_slow_))));
  }
  const auto down = region_down_.find(operation.home);
  const bool region_down = down != region_down_.end() && down->second;
  if (region_down || Is(store_parted_, process, operation.home) ||
      Is(store_parted_, process, kClusters + 1)) {
    coverage_->Hit(region_down ? Point::kStoreRegionDown : Point::kStorePartition);
    fate.kind = FakeStore::Fate::kUnreached;
    fate.there += absl::Milliseconds(luck_.Below(3000));
    return fate;
  }
  if (store_noise_ == 0 || luck_.Below(100) >= store_noise_) return fate;
  switch (luck_.Below(operation.commit ? 3 : 2)) {
    case 0:
      coverage_->Hit(operation.commit ? Point::kCommitNotReached : Point::kStoreAnswerLost);
      fate.kind = FakeStore::Fate::kUnreached;
      break;
    case 1:
      coverage_->Hit(operation.commit ? Point::kCommitAnswerLost : Point::kStoreAnswerLost);
      fate.kind = FakeStore::Fate::kAnswerLost;
      break;
    default:
      coverage_->Hit(Point::kCommitLate);
      fate.kind = FakeStore::Fate::kLate;
      fate.back += absl::Milliseconds(luck_.Below(400));
      break;
  }
  return fate;
}

void Network::Heal() {
  lost_ = late_ = store_noise_ = 0;
  parted_.clear();
  swallowed_.clear();
  store_parted_.clear();
  region_down_.clear();
  store_slow_ = absl::ZeroDuration();
}

}  // namespace trivium::sim
