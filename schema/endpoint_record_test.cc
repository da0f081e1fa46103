#include "schema/endpoint_record.h"

#include <gtest/gtest.h>

#include <random>

#include "schema/codec.h"
#include "schema/digest.h"
#include "schema/object.h"
#include "schema/snapshot_reader.h"
#include "schema/snapshot_writer.h"

namespace trivium {
namespace {

std::string Random(std::mt19937* rng, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>((*rng)());
  return bytes;
}

v1::Object RandomEndpoint(std::mt19937* rng) {
  v1::Object object;
  v1::Endpoint* endpoint = object.mutable_endpoint();
  endpoint->mutable_meta()->set_uid(Random(rng, 16));
  endpoint->mutable_meta()->set_generation((*rng)());
  endpoint->set_namespace_("shop");
  endpoint->set_name(std::string((*rng)() % 300, 'n'));
  endpoint->set_node((*rng)() % 3 == 0 ? 0 : (*rng)());
  endpoint->set_identity((*rng)());
  for (uint32_t i = (*rng)() % 4; i > 0; --i) {
    v1::EndpointAddress* address = endpoint->add_addresses();
    address->set_space((*rng)() % 2);
    constexpr size_t kSizes[] = {4, 16, 0, 5};
    address->set_ip(Random(rng, kSizes[(*rng)() % 4]));
  }
  return object;
}

TEST(EndpointRecord, IsTheSameFromTheMessageAndFromItsBytes) {
  std::mt19937 rng(1);
  for (int i = 0; i < 2000; ++i) {
    const v1::Endpoint endpoint = RandomEndpoint(&rng).endpoint();
    const auto record = RecordOf(endpoint, 7);
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(ParseRecord(endpoint.SerializeAsString(), 7), record);
    v1::Endpoint back;
    ToEndpoint(*record, &back);
    EXPECT_EQ(RecordOf(back, 7), record);
    EXPECT_EQ(back.node(), endpoint.node());
    EXPECT_EQ(back.identity(), endpoint.identity());
  }
}

TEST(EndpointRecord, MalformedBytesAreNone) {
  std::mt19937 rng(2);
  EXPECT_FALSE(ParseRecord("", 1).has_value()) << "no uid";
  v1::Endpoint endpoint = RandomEndpoint(&rng).endpoint();
  endpoint.mutable_meta()->set_uid("short");
  EXPECT_FALSE(RecordOf(endpoint, 1).has_value());
  EXPECT_FALSE(ParseRecord(endpoint.SerializeAsString(), 1).has_value());
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = RandomEndpoint(&rng).endpoint().SerializeAsString();
    bytes.resize(rng() % (bytes.size() + 1));
    if (!bytes.empty()) bytes[rng() % bytes.size()] = static_cast<char>(rng());
    v1::Endpoint parsed;
    // Where the parser refuses for more than we look at (text that is no UTF-8), we may differ; never where
    // it accepts.
    if (!parsed.ParseFromString(bytes)) continue;
    EXPECT_EQ(ParseRecord(bytes, 1), RecordOf(parsed, 1));
  }
}

TEST(EndpointRecord, ItsKeyHashIsThatOfTheKey) {
  std::mt19937 rng(3);
  for (int i = 0; i < 50; ++i) {
    const auto uid = Id128::FromBytes(Random(&rng, 16));
    EXPECT_EQ(EndpointKeyHash(*uid), KeyHash(v1::KIND_ENDPOINT, EndpointKey(*uid)));
  }
}

TEST(SnapshotWriter, WhatItWritesIsReadAgain) {
  std::mt19937 rng(4);
  v1::Head head;
  head.set_cluster("aws");
  head.set_epoch(1);
  head.set_revision(1000);
  SnapshotWriter writer(head);
  std::vector<std::pair<std::string, uint64_t>> written;
  for (int i = 0; i < 20000; ++i) {
    v1::Object object = RandomEndpoint(&rng);
    if (i % 10 == 0) object.mutable_node()->set_name(std::to_string(i));
    written.emplace_back(object.SerializeAsString(), 1 + rng() % 1000);
    ASSERT_TRUE(writer.Add(object, written.back().second).ok());
  }
  v1::SnapshotObject by_key;
  by_key.set_revision(3);
  by_key.set_kind(v1::KIND_POLICY);
  by_key.set_key("NetworkPolicy/shop/db");
  ASSERT_TRUE(writer.Add(by_key).ok());
  const auto chunks = writer.Finish();
  ASSERT_TRUE(chunks.ok());
  EXPECT_GT(chunks->size(), 2u);
  size_t read = 0;
  size_t keys = 0;
  for (const std::string& chunk : *chunks) {
    EXPECT_LE(chunk.size(), kMaxChunkBytes);
    v1::Head of_chunk;
    const absl::Status status = ReadSnapshotChunk(chunk, &of_chunk, [&](const SnapshotItem& item) {
      if (item.object.empty()) {
        EXPECT_EQ(item.key, by_key.key());
        EXPECT_EQ(item.kind, v1::KIND_POLICY);
        ++keys;
        return absl::OkStatus();
      }
      EXPECT_EQ(item.object, written[read].first);
      EXPECT_EQ(item.revision, written[read].second);
      EXPECT_EQ(item.kind, read % 10 == 0 ? v1::KIND_NODE : v1::KIND_ENDPOINT);
      ++read;
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(of_chunk.SerializeAsString(), head.SerializeAsString());
    // The message form is the same.
    EXPECT_TRUE(DecodeSnapshotChunk(chunk).ok());
  }
  EXPECT_EQ(read, written.size());
  EXPECT_EQ(keys, 1u);
}

TEST(SnapshotReader, RefusesWhatIsNoChunk) {
  v1::Head head;
  const auto none = [](const SnapshotItem&) { return absl::OkStatus(); };
  EXPECT_EQ(ReadSnapshotChunk("", &head, none).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadSnapshotChunk("nonsense", &head, none).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace trivium
