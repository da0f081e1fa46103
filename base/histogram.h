// How many values fell into each of some fixed ranges: what metrics show of times and sizes. Value type; not
// thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace trivium {

class Histogram {
 public:
  // `bounds` ascend; each is the greatest value of its range. Values above the last are counted too.
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1, 0) {}

  // For durations in seconds: 0.5 ms to 30 s.
  static Histogram ForSeconds() {
    return Histogram({0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30});
  }
  // For how many things one piece of work held.
  static Histogram ForSizes() { return Histogram({1, 2, 5, 10, 20, 50, 100, 200, 500, 1000}); }

  void Add(double value) {
    const auto range = std::lower_bound(bounds_.begin(), bounds_.end(), value);
    ++counts_[static_cast<size_t>(range - bounds_.begin())];
    sum_ += value;
    ++count_;
  }

  const std::vector<double>& bounds() const { return bounds_; }
  // One for each bound, and one for what lies above the last.
  const std::vector<uint64_t>& counts() const { return counts_; }
  uint64_t count() const { return count_; }
  double sum() const { return sum_; }

 private:
  std::vector<double> bounds_;
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  double sum_ = 0;
};

}  // namespace trivium
