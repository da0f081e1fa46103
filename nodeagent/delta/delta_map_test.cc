#include "nodeagent/delta/delta_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "bpf/abi/types.h"

namespace trivium {
namespace {

using Known = DeltaMap<known_key, known_value>;

known_key K(uint32_t id) {
  known_key key{};
  key.identity = id;
  return key;
}
known_value V(uint32_t cluster) {
  known_value value{};
  value.cluster = cluster;
  return value;
}

TEST(DeltaMap, WhatTheKernelHoldsAlreadyIsNotPending) {
  Known map;
  map.SetActual(K(1), V(1));
  EXPECT_EQ(map.extra().size(), 1u);
  map.Set(K(1), V(1));
  EXPECT_TRUE(map.InStep());
  map.Set(K(1), V(2));
  ASSERT_EQ(map.stale().size(), 1u);
  EXPECT_EQ(map.Actual(K(1))->cluster, 1u);
  EXPECT_EQ(map.Desired(K(1))->cluster, 2u);
}

TEST(DeltaMap, AWriteBringsAKeyIntoStep) {
  Known map;
  map.Set(K(1), V(1));
  EXPECT_EQ(map.actual_size(), 0u);
  map.SetActual(K(1), V(1));
  EXPECT_TRUE(map.InStep());
  EXPECT_EQ(map.actual_size(), 1u);
  map.Remove(K(1));
  EXPECT_EQ(map.extra().size(), 1u);
  EXPECT_EQ(map.Desired(K(1)), nullptr);
  map.SetActual(K(1), std::nullopt);
  EXPECT_TRUE(map.InStep());
  EXPECT_FALSE(map.Actual(K(1)).has_value());
}

TEST(DeltaMap, RemovingWhatWasNeverWrittenLeavesNothingToDo) {
  Known map;
  map.Set(K(1), V(1));
  map.Remove(K(1));
  map.Remove(K(2));
  EXPECT_TRUE(map.InStep());
}

TEST(DeltaMap, AFailedKeyWaitsForAChangeOrARetry) {
  Known map;
  map.Set(K(1), V(1));
  map.Failed(K(1));
  EXPECT_TRUE(map.HasFailed(K(1)));
  EXPECT_FALSE(map.InStep());
  map.Retry();
  EXPECT_FALSE(map.HasFailed(K(1)));
  map.Failed(K(1));
  map.Set(K(1), V(2));
  EXPECT_FALSE(map.HasFailed(K(1)));
  map.Failed(K(1));
  map.Remove(K(1));
  EXPECT_TRUE(map.InStep());
  EXPECT_EQ(map.failed(), 0u);
}

// Against two plain maps: the difference is always exact, and working it off makes them equal.
TEST(DeltaMap, TheDifferenceIsExactWhateverHappened) {
  std::mt19937 rng(7);
  for (int round = 0; round < 200; ++round) {
    Known map;
    std::map<uint32_t, uint32_t> desired, actual;
    for (int step = 0; step < 60; ++step) {
      const uint32_t id = rng() % 8, cluster = rng() % 3;
      switch (rng() % 4) {
        case 0:
          map.Set(K(id), V(cluster));
          desired[id] = cluster;
          break;
        case 1:
          map.Remove(K(id));
          desired.erase(id);
          break;
        case 2:
          map.SetActual(K(id), V(cluster));
          actual[id] = cluster;
          break;
        default:
          map.SetActual(K(id), std::nullopt);
          actual.erase(id);
      }
      size_t stale = 0, extra = 0;
      for (const auto& [k, v] : desired) stale += !actual.count(k) || actual[k] != v;
      for (const auto& [k, v] : actual) extra += !desired.count(k);
      ASSERT_EQ(map.stale().size(), stale);
      ASSERT_EQ(map.extra().size(), extra);
      ASSERT_EQ(map.actual_size(), actual.size());
      ASSERT_EQ(map.InStep(), desired == actual);
      for (uint32_t k = 0; k < 8; ++k) {
        ASSERT_EQ(map.Actual(K(k)).has_value(), actual.count(k) == 1);
        if (actual.count(k)) {
          ASSERT_EQ(map.Actual(K(k))->cluster, actual[k]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace trivium
