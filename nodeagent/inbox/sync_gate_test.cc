#include "nodeagent/inbox/sync_gate.h"

#include <gtest/gtest.h>

#include <vector>

namespace trivium {
namespace {

TEST(SyncGate, LetsInAsManyAsThereArePlaces) {
  SyncGate gate;
  std::vector<SyncGate::Place> held;
  size_t entered = 0;
  for (size_t i = 0; i < SyncGate::kPlaces + 3; ++i) {
    gate.Enter([&](SyncGate::Place place) {
      ++entered;
      held.push_back(std::move(place));
    });
  }
  EXPECT_EQ(entered, SyncGate::kPlaces);
  held[0].Release();
  EXPECT_EQ(entered, SyncGate::kPlaces + 1);
  held[0].Release();  // once is enough
  EXPECT_EQ(entered, SyncGate::kPlaces + 1);
  // Who does not keep the place gives it to the next.
  gate.Enter([&](SyncGate::Place) { ++entered; });
  held[1].Release();
  held[2].Release();
  held[3].Release();
  EXPECT_EQ(entered, SyncGate::kPlaces + 4);
  gate.Close();
}

TEST(SyncGate, AfterTheEndNobodyIsLetIn) {
  SyncGate gate;
  std::vector<SyncGate::Place> held;
  size_t entered = 0;
  for (size_t i = 0; i < SyncGate::kPlaces + 3; ++i) {
    gate.Enter([&](SyncGate::Place place) {
      ++entered;
      held.push_back(std::move(place));
    });
  }
  gate.Close();
  held.clear();
  EXPECT_EQ(entered, SyncGate::kPlaces);
}

}  // namespace
}  // namespace trivium
