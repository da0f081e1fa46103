// What every MapIo must do. Include it in a test program and instantiate the suite with a way to make one:
//
//   INSTANTIATE_TEST_SUITE_P(Fake, MapIoContract, testing::Values(MapIoMaker([] { return ...; })));
//
// The maker gives empty maps: kKnown has room for kSmallMap records, the others for at least kLargeMap.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bpf/abi/types.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nodeagent/reconcile/map_io.h"

namespace trivium {

inline constexpr size_t kSmallMap = 4;
inline constexpr size_t kLargeMap = 10000;

using MapIoMaker = std::function<std::unique_ptr<MapIo>()>;

class MapIoContract : public testing::TestWithParam<MapIoMaker> {
 protected:
  void SetUp() override {
    io_ = GetParam()();
    ASSERT_NE(io_, nullptr);
  }

  template <typename T>
  static absl::string_view Bytes(const T& value) {
    return absl::string_view(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  static MapRecords Known(const std::vector<std::pair<uint32_t, uint32_t>>& entries) {
    MapRecords records = {.key_size = sizeof(known_key), .value_size = sizeof(known_value)};
    for (const auto& [identity, cluster] : entries) records.Add(Bytes(identity), Bytes(cluster));
    return records;
  }
  static MapRecords KnownKeys(const std::vector<uint32_t>& identities) {
    MapRecords keys = {.key_size = sizeof(known_key)};
    for (const uint32_t identity : identities) keys.Add(Bytes(identity));
    return keys;
  }
  static ipcache_lpm_key Prefix(uint32_t address, uint32_t length) {
    ipcache_lpm_key key = {.prefixlen = IPCACHE_LPM_STATIC_BITS + length, .family = 4};
    for (int i = 0; i < 4; ++i) key.addr[i] = static_cast<uint8_t>(address >> (24 - 8 * i));
    return key;
  }
  static MapRecords Prefixes(const std::vector<std::pair<ipcache_lpm_key, uint32_t>>& entries) {
    MapRecords records = {.key_size = sizeof(ipcache_lpm_key), .value_size = sizeof(ipcache_value)};
    for (const auto& [key, identity] : entries)
      records.Add(Bytes(key), Bytes(ipcache_value{.identity = identity}));
    return records;
  }
  // Key bytes -> value bytes.
  std::map<std::string, std::string> Content(MapId map) {
    std::map<std::string, std::string> content;
    const auto records = io_->ReadAll(map);
    EXPECT_TRUE(records.ok()) << records.status();
    if (!records.ok()) return content;
    for (size_t i = 0; i < records->count(); ++i) {
      const bool fresh = content.emplace(records->key(i), records->value(i)).second;
      EXPECT_TRUE(fresh) << "a key was read twice";
    }
    return content;
  }
  static std::map<std::string, std::string> Expected(const MapRecords& records) {
    std::map<std::string, std::string> content;
    for (size_t i = 0; i < records.count(); ++i)
      content[std::string(records.key(i))] = std::string(records.value(i));
    return content;
  }

  std::unique_ptr<MapIo> io_;
};

TEST_P(MapIoContract, SizesAreThoseOfTheLayouts) {
  const auto expect = [&](MapId map, size_t key, size_t value) {
    const MapInfo info = io_->Info(map);
    EXPECT_EQ(info.key_size, key) << MapName(map);
    EXPECT_EQ(info.value_size, value) << MapName(map);
    EXPECT_GT(info.capacity, 0u) << MapName(map);
  };
  expect(MapId::kIpcache, sizeof(ipcache_key), sizeof(ipcache_value));
  expect(MapId::kIpcacheLpm, sizeof(ipcache_lpm_key), sizeof(ipcache_value));
  expect(MapId::kNodes, sizeof(node_key), sizeof(node_value));
  expect(MapId::kUnderlay, sizeof(underlay_key), sizeof(underlay_value));
  expect(MapId::kKnown, sizeof(known_key), sizeof(known_value));
  expect(MapId::kPolicyClass, sizeof(policy_class_key), sizeof(policy_class_value));
  expect(MapId::kPolicyVerdict, sizeof(policy_verdict_key), sizeof(policy_verdict_value));
  expect(MapId::kEndpointPolicy, sizeof(endpoint_policy_key), sizeof(endpoint_policy_value));
  expect(MapId::kEndpoints, sizeof(endpoint_key), sizeof(endpoint_value));
  expect(MapId::kVector, sizeof(vector_key), sizeof(vector_value));
  EXPECT_EQ(io_->Info(MapId::kKnown).capacity, kSmallMap);
}

TEST_P(MapIoContract, StartsEmpty) {
  for (int i = 0; i < kMapCount; ++i) EXPECT_TRUE(Content(static_cast<MapId>(i)).empty()) << i;
}

TEST_P(MapIoContract, WritesReplacesAndReads) {
  EXPECT_TRUE(io_->Update(MapId::kKnown, Known({{1, 0}, {2001, 2}})).ok());
  EXPECT_TRUE(io_->Update(MapId::kKnown, Known({{2001, 3}, {2002, 2}})).ok());
  EXPECT_EQ(Content(MapId::kKnown), Expected(Known({{1, 0}, {2001, 3}, {2002, 2}})));
}

TEST_P(MapIoContract, LaterRecordOfABatchWins) {
  EXPECT_TRUE(io_->Update(MapId::kKnown, Known({{7, 1}, {7, 2}})).ok());
  EXPECT_EQ(Content(MapId::kKnown), Expected(Known({{7, 2}})));
  EXPECT_TRUE(
      io_->Update(MapId::kIpcacheLpm, Prefixes({{Prefix(0x0a000000, 8), 1}, {Prefix(0x0a000000, 8), 2}}))
          .ok());
  EXPECT_EQ(Content(MapId::kIpcacheLpm), Expected(Prefixes({{Prefix(0x0a000000, 8), 2}})));
}

TEST_P(MapIoContract, NothingToDoIsDone) {
  EXPECT_TRUE(io_->Update(MapId::kKnown, Known({})).ok());
  EXPECT_TRUE(io_->Delete(MapId::kKnown, KnownKeys({})).ok());
}

TEST_P(MapIoContract, DeletesWhatIsThereAndMindsNotWhatIsNot) {
  EXPECT_TRUE(io_->Update(MapId::kKnown, Known({{1, 1}, {2, 1}, {3, 1}})).ok());
  const MapWriteResult result = io_->Delete(MapId::kKnown, KnownKeys({9, 1, 8, 3, 7}));
  EXPECT_TRUE(result.ok()) << result.status;
  EXPECT_EQ(Content(MapId::kKnown), Expected(Known({{2, 1}})));
  EXPECT_TRUE(io_->Delete(MapId::kKnown, KnownKeys({1, 2, 3})).ok());
  EXPECT_TRUE(Content(MapId::kKnown).empty());
}

TEST_P(MapIoContract, FullMapNamesExactlyWhatItRefused) {
  ASSERT_TRUE(io_->Update(MapId::kKnown, Known({{1, 1}, {2, 1}, {3, 1}})).ok());
  // There is room for one more; what is there already can always be replaced.
  const MapWriteResult result =
      io_->Update(MapId::kKnown, Known({{1, 5}, {10, 1}, {11, 1}, {2, 5}, {12, 1}, {3, 5}}));
  EXPECT_THAT(result.failed, testing::ElementsAre(2, 4));
  EXPECT_EQ(result.status.code(), absl::StatusCode::kResourceExhausted) << result.status;
  EXPECT_THAT(std::string(result.status.message()), testing::HasSubstr("known"));
  EXPECT_EQ(Content(MapId::kKnown), Expected(Known({{1, 5}, {2, 5}, {3, 5}, {10, 1}})));
  // After a deletion there is room again.
  EXPECT_TRUE(io_->Delete(MapId::kKnown, KnownKeys({10})).ok());
  EXPECT_TRUE(io_->Update(MapId::kKnown, Known({{11, 1}})).ok());
}

TEST_P(MapIoContract, RecordsOfAnotherSizeAreRefusedWhole) {
  MapRecords records = {.key_size = sizeof(known_key), .value_size = 8};
  records.Add(Bytes(uint32_t{1}), Bytes(uint64_t{1}));
  MapWriteResult result = io_->Update(MapId::kKnown, records);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(result.failed, testing::ElementsAre(0));
  MapRecords keys = {.key_size = 8};
  keys.Add(Bytes(uint64_t{1}));
  result = io_->Delete(MapId::kKnown, keys);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(result.failed, testing::ElementsAre(0));
  EXPECT_TRUE(Content(MapId::kKnown).empty());
}

TEST_P(MapIoContract, PrefixesOfAnyLengthAndOrder) {
  std::vector<std::pair<ipcache_lpm_key, uint32_t>> entries;
  for (uint32_t length = 32; length >= 1; --length) entries.emplace_back(Prefix(0xc0000200, length), length);
  for (uint32_t i = 0; i < 500; ++i)
    entries.emplace_back(Prefix((i * 2654435761u) & 0xffffff00, 24), 1000 + i);
  // The kernel keeps the bytes behind the prefix as they were written; we write zeros there.
  for (auto& [key, identity] : entries) {
    const uint32_t length = key.prefixlen - IPCACHE_LPM_STATIC_BITS;
    for (uint32_t bit = length; bit < 32; ++bit)
      key.addr[bit / 8] &= static_cast<uint8_t>(~(0x80 >> bit % 8));
  }
  const MapRecords records = Prefixes(entries);
  EXPECT_TRUE(io_->Update(MapId::kIpcacheLpm, records).ok());
  EXPECT_EQ(Content(MapId::kIpcacheLpm), Expected(records));

  MapRecords keys = {.key_size = records.key_size};
  for (size_t i = 0; i < records.count(); i += 2) keys.Add(records.key(i));
  keys.Add(Bytes(Prefix(0x01020300, 24)));  // never written
  EXPECT_TRUE(io_->Delete(MapId::kIpcacheLpm, keys).ok());
  std::map<std::string, std::string> left = Expected(records);
  for (size_t i = 0; i < keys.count(); ++i) left.erase(std::string(keys.key(i)));
  EXPECT_EQ(Content(MapId::kIpcacheLpm), left);
}

TEST_P(MapIoContract, ManyRecords) {
  MapRecords records = {.key_size = sizeof(ipcache_key), .value_size = sizeof(ipcache_value)};
  for (uint32_t i = 0; i < kLargeMap; ++i) {
    ipcache_key key = {.family = 4};
    std::memcpy(key.addr, &i, 4);
    records.Add(Bytes(key), Bytes(ipcache_value{.identity = i}));
  }
  EXPECT_TRUE(io_->Update(MapId::kIpcache, records).ok());
  EXPECT_EQ(Content(MapId::kIpcache), Expected(records));
  MapRecords keys = {.key_size = records.key_size};
  for (size_t i = 0; i < records.count(); ++i) keys.Add(records.key(i));
  EXPECT_TRUE(io_->Delete(MapId::kIpcache, keys).ok());
  EXPECT_TRUE(Content(MapId::kIpcache).empty());
}

TEST_P(MapIoContract, MapsAreSeparate) {
  EXPECT_TRUE(io_->Update(MapId::kKnown, Known({{1, 1}})).ok());
  MapRecords classes = {.key_size = sizeof(policy_class_key), .value_size = sizeof(policy_class_value)};
  classes.Add(Bytes(policy_class_key{1, 1}), Bytes(policy_class_value{1}));
  EXPECT_TRUE(io_->Update(MapId::kPolicyClass, classes).ok());
  EXPECT_TRUE(io_->Delete(MapId::kKnown, KnownKeys({1})).ok());
  EXPECT_EQ(Content(MapId::kPolicyClass), Expected(classes));
}

}  // namespace trivium
