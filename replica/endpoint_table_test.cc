#include "replica/endpoint_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "replica/replica.h"
#include "schema/codec.h"

namespace trivium {
namespace {

EndpointRecord RandomRecord(std::mt19937* rng, uint64_t uids) {
  EndpointRecord record;
  record.uid = {1, (*rng)() % uids};
  record.revision = 1 + (*rng)() % 100;
  record.node = (*rng)();
  record.identity = (*rng)();
  for (uint32_t i = (*rng)() % 4; i > 0; --i) {
    EndpointRecord::Address address;
    address.space = (*rng)() % 3;
    address.size = (*rng)() % 2 == 0 ? 4 : 16;
    for (int b = 0; b < address.size; ++b) address.bytes[b] = static_cast<uint8_t>((*rng)());
    record.addresses.push_back(address);
  }
  return record;
}

TEST(EndpointTable, HoldsWhatItIsGiven) {
  std::mt19937 rng(1);
  EndpointTable table;
  std::map<Id128, EndpointRecord> model;
  for (int i = 0; i < 20000; ++i) {
    const EndpointRecord record = RandomRecord(&rng, 500);
    const auto held = model.find(record.uid);
    const uint64_t before = held == model.end() ? 0 : held->second.revision;
    EXPECT_EQ(table.RevisionOf(record.uid), before);
    if (rng() % 3 == 0) {
      EXPECT_EQ(table.Erase(record.uid), before);
      model.erase(record.uid);
    } else {
      EXPECT_EQ(table.Set(record), before);
      model[record.uid] = record;
    }
  }
  ASSERT_EQ(table.size(), model.size());
  for (const auto& [uid, record] : model) EXPECT_EQ(table.Find(uid), record);
  size_t seen = 0;
  table.ForEach([&](const EndpointRecord& record) {
    EXPECT_EQ(record, model.at(record.uid));
    ++seen;
  });
  EXPECT_EQ(seen, model.size());
}

// One history of endpoints, kept as objects and as records.
class RecordsTest : public testing::Test {
 protected:
  static v1::Object Endpoint(uint64_t uid, uint32_t identity) {
    v1::Object object;
    object.mutable_endpoint()->mutable_meta()->set_uid(Id128{0, uid}.ToBytes());
    object.mutable_endpoint()->set_namespace_("shop");
    object.mutable_endpoint()->set_name("pod");
    object.mutable_endpoint()->set_identity(identity);
    object.mutable_endpoint()->add_addresses()->set_ip(std::string("\x0a\0\0\x01", 4));
    return object;
  }
  static Replica Records() {
    return Replica(
        "aws", [](v1::Kind) { return true; }, Mirror::Endpoints::kRecords);
  }
  // Commits to `whole`, which must be at the head.
  Batch Commit(const std::vector<std::pair<uint64_t, uint32_t>>& changes, bool lie = false) {
    const Position at = whole_.position();
    Digest digest(whole_.mirror().digest());
    v1::Changes encoded;
    for (const auto& [uid, identity] : changes) {
      const std::string key = EndpointKey({0, uid});
      const Mirror::Stored* held = whole_.mirror().FindStored(v1::KIND_ENDPOINT, key);
      if (held != nullptr) digest.Remove(KeyHash(v1::KIND_ENDPOINT, key), held->revision);
      v1::Change* change = encoded.add_changes();
      if (identity == 0) {
        change->set_op(v1::Change::DELETE);
        change->set_kind(v1::KIND_ENDPOINT);
        change->set_key(key);
      } else {
        digest.Add(KeyHash(v1::KIND_ENDPOINT, key), at.revision + 1);
        *change->mutable_object() = Endpoint(uid, identity);
      }
    }
    Id128 value = digest.value();
    if (lie) ++value.lo;
    return *EncodeBatch("aws", 1, at.revision + 1, at.batch, value, encoded);
  }
  void SetUp() override {
    v1::Snapshot empty;
    empty.mutable_head()->set_cluster("aws");
    empty.mutable_head()->set_epoch(1);
    empty.mutable_head()->set_batch(Id128{}.ToBytes());
    empty.mutable_head()->set_digest(Id128{}.ToBytes());
    ASSERT_TRUE(whole_.LoadSnapshot({empty}).ok());
    ASSERT_TRUE(records_.LoadSnapshot({empty}).ok());
  }
  void Apply(const Batch& batch) {
    ASSERT_EQ(whole_.Apply(batch), Replica::Outcome::kApplied);
    ASSERT_EQ(records_.Apply(batch), Replica::Outcome::kApplied);
    EXPECT_EQ(whole_.head().SerializeAsString(), records_.head().SerializeAsString());
  }
  Replica whole_{"aws"};
  Replica records_ = Records();
};

TEST_F(RecordsTest, HaveTheDigestOfTheObjects) {
  Apply(Commit({{1, 100}, {2, 200}}));
  Apply(Commit({{1, 101}, {3, 300}}));
  Apply(Commit({{2, 0}, {9, 0}}));
  EXPECT_EQ(records_.mirror().size(), 2u);
  EXPECT_EQ(records_.mirror().endpoint_records().Find({0, 1})->identity, 101u);
  EXPECT_TRUE(records_.mirror().All(v1::KIND_ENDPOINT).empty());
}

TEST_F(RecordsTest, ABatchWithAWrongDigestIsTakenBack) {
  Apply(Commit({{1, 100}, {2, 200}}));
  const Batch bad = Commit({{1, 101}, {2, 0}, {3, 300}}, true);
  const std::string before = records_.head().SerializeAsString();
  EXPECT_EQ(records_.Apply(bad), Replica::Outcome::kCorrupt);
  EXPECT_EQ(records_.head().SerializeAsString(), before);
  EXPECT_EQ(records_.mirror().endpoint_records().Find({0, 1})->identity, 100u);
  EXPECT_EQ(records_.mirror().endpoint_records().Find({0, 2})->identity, 200u);
  EXPECT_EQ(records_.mirror().endpoint_records().Find({0, 3}), std::nullopt);
}

TEST_F(RecordsTest, ASnapshotComesInByChunks) {
  std::vector<std::pair<uint64_t, uint32_t>> many;
  for (uint64_t i = 1; i <= 400; ++i) many.emplace_back(i, 100 + i);
  Apply(Commit(many));
  const auto chunks = EncodeSnapshot(whole_.ToSnapshot());
  ASSERT_TRUE(chunks.ok());
  Replica late = Records();
  SnapshotLoad load = late.BeginLoad();
  for (const std::string& chunk : *chunks) ASSERT_TRUE(load.Add(absl::string_view(chunk)).ok());
  ASSERT_TRUE(late.Load(std::move(load)).ok());
  EXPECT_EQ(late.head().SerializeAsString(), whole_.head().SerializeAsString());
  // And its own copy makes its twin.
  Replica twin = Records();
  ASSERT_TRUE(twin.LoadSnapshot({late.ToSnapshot()}).ok());
  EXPECT_EQ(twin.head().SerializeAsString(), late.head().SerializeAsString());
}

TEST_F(RecordsTest, AChunkThatIsMissingOrTwiceIsFound) {
  Apply(Commit({{1, 100}, {2, 200}}));
  SnapshotLoad nothing = records_.BeginLoad();
  EXPECT_EQ(records_.Load(std::move(nothing)).code(), absl::StatusCode::kDataLoss);
  const auto chunks = EncodeSnapshot(whole_.ToSnapshot());
  SnapshotLoad twice = records_.BeginLoad();
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(twice.Add(absl::string_view(chunks->front())).ok());
  EXPECT_EQ(records_.Load(std::move(twice)).code(), absl::StatusCode::kDataLoss);
  v1::Snapshot lacking = whole_.ToSnapshot();
  lacking.mutable_objects()->RemoveLast();
  EXPECT_EQ(records_.LoadSnapshot({lacking}).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(records_.mirror().size(), 2u);
}

}  // namespace
}  // namespace trivium
