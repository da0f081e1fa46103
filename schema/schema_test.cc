#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/codec.h"
#include "schema/digest.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

v1::Changes SomeChanges(int n, const std::string& label) {
  v1::Changes changes;
  for (int i = 0; i < n; ++i) {
    v1::Namespace* ns = changes.add_changes()->mutable_object()->mutable_namespace_();
    ns->set_name("ns-" + std::to_string(i));
    (*ns->mutable_labels())["team"] = label;
  }
  return changes;
}

TEST(Codec, ABatchRoundTrips) {
  for (const int n : {0, 1, 500}) {
    const auto batch = EncodeBatch("aws", 3, 7, Id128{1, 2}, Id128{3, 4}, SomeChanges(n, "red"));
    ASSERT_TRUE(batch.ok()) << batch.status();
    const auto back = DecodeBatch(batch->envelope);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(back->cluster, "aws");
    EXPECT_EQ(back->epoch, 3u);
    EXPECT_EQ(back->revision, 7u);
    EXPECT_EQ(back->prev_batch, (Id128{1, 2}));
    EXPECT_EQ(back->digest, (Id128{3, 4}));
    EXPECT_EQ(back->batch, batch->batch);
    EXPECT_EQ(back->changes.changes_size(), n);
    EXPECT_EQ(back->envelope, batch->envelope);
  }
}

TEST(Codec, AFlippedByteIsFound) {
  const auto batch = EncodeBatch("aws", 1, 1, Id128{}, Id128{}, SomeChanges(2, "red"));
  ASSERT_TRUE(batch.ok());
  // Every byte of the content is covered by the batch id, the protobuf framing or both.
  int undetected = 0;
  for (size_t i = 0; i < batch->envelope.size(); ++i) {
    std::string bytes = batch->envelope;
    bytes[i] ^= 0x20;
    const auto back = DecodeBatch(bytes);
    if (back.ok() && back->changes.SerializeAsString() != batch->changes.SerializeAsString()) ++undetected;
  }
  EXPECT_EQ(undetected, 0);
}

TEST(Codec, AnOlderReaderIsTold) {
  const auto batch = EncodeBatch("aws", 1, 1, Id128{}, Id128{}, SomeChanges(1, "red"));
  const auto status = DecodeBatch(batch->envelope, 0).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("upgrade"));
}

TEST(Codec, RubbishIsRefused) {
  for (const std::string& bytes :
       {std::string("hello"), std::string(2 * kMaxEnvelopeBytes, 'x'), std::string()}) {
    EXPECT_EQ(DecodeBatch(bytes).status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(DecodeSnapshotChunk(bytes).status().code(), absl::StatusCode::kDataLoss);
  }
}

TEST(Codec, ASnapshotIsCutIntoChunksThatFit) {
  v1::Snapshot snapshot;
  snapshot.mutable_head()->set_cluster("aws");
  snapshot.mutable_head()->set_revision(9);
  for (int i = 0; i < 20000; ++i) {
    v1::SnapshotObject* object = snapshot.add_objects();
    object->mutable_object()->mutable_namespace_()->set_name("namespace-" + std::to_string(i) +
                                                             std::string(80, 'x'));
    object->set_revision(i);
  }
  const auto chunks = EncodeSnapshot(snapshot);
  ASSERT_TRUE(chunks.ok());
  EXPECT_GT(chunks->size(), 1u);
  int objects = 0;
  for (const std::string& chunk : *chunks) {
    EXPECT_LE(chunk.size(), kMaxChunkBytes);
    const auto part = DecodeSnapshotChunk(chunk);
    ASSERT_TRUE(part.ok()) << part.status();
    EXPECT_EQ(part->head().revision(), 9u);
    objects += part->objects_size();
  }
  EXPECT_EQ(objects, 20000);
  EXPECT_EQ(EncodeSnapshot(v1::Snapshot())->size(), 1u);
}

TEST(Digest, DependsOnStateNotOnOrder) {
  const Id128 a = KeyHash(v1::KIND_NODE, "a"), b = KeyHash(v1::KIND_NODE, "b");
  Digest one, two;
  one.Add(a, 1);
  one.Add(b, 2);
  two.Add(b, 1);
  two.Remove(b, 1);
  two.Add(b, 2);
  EXPECT_NE(one.value(), two.value());
  two.Add(a, 1);
  EXPECT_EQ(one.value(), two.value());
  one.Remove(a, 1);
  one.Remove(b, 2);
  EXPECT_TRUE(one.value().IsZero());
  EXPECT_NE(KeyHash(v1::KIND_NODE, "a"), KeyHash(v1::KIND_NAMESPACE, "a"));
}

TEST(Object, KeysNameTheirObject) {
  v1::Object object;
  object.mutable_policy()->set_kind("NetworkPolicy");
  object.mutable_policy()->set_namespace_("shop");
  object.mutable_policy()->set_name("db");
  EXPECT_EQ(KindOf(object), v1::KIND_POLICY);
  EXPECT_EQ(KeyOf(object).key, "NetworkPolicy/shop/db");
  object.mutable_endpoint()->mutable_meta()->set_uid(Id128{1, 2}.ToBytes());
  EXPECT_EQ(KeyOf(object).key, EndpointKey(Id128{1, 2}));
  EXPECT_EQ(MetaOf(object).uid(), Id128({1, 2}).ToBytes());
  EXPECT_EQ(MetaOf(v1::Object()).uid(), "");
}

TEST(Subjects, RequestsNameTheAsker) {
  const auto rpc = ParseRpcSubject(subjects::Api("aws", "aws:ctl:admin", "apply"));
  ASSERT_TRUE(rpc.ok());
  EXPECT_EQ(rpc->cluster, "aws");
  EXPECT_EQ(rpc->principal, "aws:ctl:admin");
  EXPECT_EQ(rpc->verb, "apply");
  EXPECT_EQ(ParseRpcSubject(subjects::Sync("gcp", "aws:node:n1"))->service, "sync");
  EXPECT_EQ(ParseRpcSubject(subjects::Chunk("cp1", "aws:node:n1"))->builder, "cp1");
  EXPECT_FALSE(ParseRpcSubject("trivium.v1.feed.aws").ok());
  EXPECT_FALSE(Principal::Parse("aws:node").ok());
  EXPECT_FALSE(Principal::Parse("aws:node:*").ok());
  EXPECT_FALSE(IsSubjectToken("a.b"));
  EXPECT_FALSE(IsSubjectToken(">"));
}

}  // namespace
}  // namespace trivium
