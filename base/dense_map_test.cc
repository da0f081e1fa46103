#include "base/dense_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace trivium {
namespace {

// Many keys share a home slot, so that erasing has something to close up.
struct PoorHash {
  size_t operator()(uint64_t key) const { return key % 7; }
};

template <typename Map>
void ExpectSame(const Map& map, const std::map<uint64_t, uint64_t>& model) {
  ASSERT_EQ(map.size(), model.size());
  std::map<uint64_t, uint64_t> seen;
  for (const auto& [key, value] : map) EXPECT_TRUE(seen.emplace(key, value).second);
  EXPECT_EQ(seen, model);
  for (const auto& [key, value] : model) {
    ASSERT_NE(map.find(key), nullptr);
    EXPECT_EQ(map.find(key)->second, value);
  }
}

template <typename Map>
void RunRandom(uint64_t keys, int steps) {
  std::mt19937_64 rng(1);
  Map map;
  std::map<uint64_t, uint64_t> model;
  for (int i = 0; i < steps; ++i) {
    const uint64_t key = rng() % keys;
    if (rng() % 3 == 0) {
      EXPECT_EQ(map.erase(key), model.erase(key) > 0);
    } else {
      map[key] = model[key] = rng();
    }
    EXPECT_EQ(map.contains(key), model.contains(key));
    if (i % 997 == 0) ExpectSame(map, model);
    if (i % 6007 == 0) map.reserve(map.size() + rng() % 5000);
  }
  ExpectSame(map, model);
  const Map copy = map;
  while (!model.empty()) {
    EXPECT_TRUE(map.erase(model.begin()->first));
    model.erase(model.begin());
  }
  ExpectSame(map, model);
  EXPECT_GT(copy.size(), 0u);
}

TEST(DenseMap, HoldsWhatAnOrdinaryMapHolds) { RunRandom<DenseMap<uint64_t, uint64_t>>(3000, 20000); }

TEST(DenseMap, AlsoWhenKeysCollide) { RunRandom<DenseMap<uint64_t, uint64_t, PoorHash>>(150, 20000); }

TEST(DenseMap, MovedFromItIsEmpty) {
  DenseMap<uint64_t, uint64_t> map;
  map[1] = 2;
  DenseMap<uint64_t, uint64_t> other = std::move(map);
  EXPECT_TRUE(map.empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(map.find(1), nullptr);
  EXPECT_EQ(other.find(1)->second, 2u);
}

}  // namespace
}  // namespace trivium
