// What becomes of messages and queries on their way. One thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "tests/sim/coverage.h"
#include "tests/sim/plan.h"
#include "tests/sim/scheduler.h"
#include "tests/support/fake_bus.h"
#include "tests/support/fake_store.h"

namespace trivium::sim {

class Network {
 public:
  Network(uint64_t seed, Scheduler* scheduler, Coverage* coverage);

  std::vector<absl::Duration> Carry(const std::string& from, const std::string& to, const Message& message);
  bool Reaches(const std::string& from, const std::string& to) const;
  FakeStore::Fate Query(uint32_t process, uint32_t region, const FakeStore::Operation& operation);

  // Percentages: of messages lost and repeated, late and overtaken.
  void SetNoise(uint32_t lost, uint32_t late) { lost_ = lost, late_ = late; }
  void Part(uint32_t a, uint32_t b, bool parted) { parted_[{a, b}] = parted_[{b, a}] = parted; }
  void Swallow(uint32_t from, uint32_t to, bool swallowed) { swallowed_[{from, to}] = swallowed; }
  void PartStore(uint32_t process, uint32_t home, bool parted) { store_parted_[{process, home}] = parted; }
  void SetRegionDown(uint32_t home, bool down) { region_down_[home] = down; }
  void SetStoreSlow(absl::Duration most) { store_slow_ = most; }
  void SetStoreNoise(uint32_t percent) { store_noise_ = percent; }
  void Heal();

 private:
  static uint32_t RegionOf(const std::string& client);
  static bool Is(const std::map<std::pair<uint32_t, uint32_t>, bool>& set, uint32_t a, uint32_t b) {
    const auto it = set.find({a, b});
    return it != set.end() && it->second;
  }

  Scheduler* const scheduler_;
  Coverage* const coverage_;
  SimRandom luck_;
  absl::Duration far_;  // between regions
  uint32_t lost_ = 0;
  uint32_t late_ = 0;
  std::map<std::pair<uint32_t, uint32_t>, bool> parted_;
  std::map<std::pair<uint32_t, uint32_t>, bool> swallowed_;
  std::map<std::pair<uint32_t, uint32_t>, bool> store_parted_;
  std::map<uint32_t, bool> region_down_;
  absl::Duration store_slow_;
  uint32_t store_noise_ = 0;
  // When the last message between two clients arrives: later ones do not overtake it.
  std::map<std::pair<std::string, std::string>, absl::Duration> last_;
};

}  // namespace trivium::sim
