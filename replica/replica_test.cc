#include "replica/replica.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "replica/test_history.h"

namespace trivium {
namespace {

using Outcome = Replica::Outcome;

// Five batches, and a replica that holds the first three.
class ReplicaTest : public testing::Test {
 protected:
  ReplicaTest() {
    history_.Commit({{"a", 1}});
    history_.Commit({{"b", 2}, {"c", 3}});
    history_.Commit({{"a", 0}, {"b", 4}});
    history_.Commit({{"d", 5}});
    history_.Commit({{"e", 6}});
    EXPECT_TRUE(replica_.LoadSnapshot(history_.SnapshotAt(0)).ok());
    for (int i = 0; i < 3; ++i) EXPECT_EQ(replica_.Apply(history_.batches[i]), Outcome::kApplied);
  }
  const Batch& BatchOf(uint64_t revision) { return history_.batches[revision - 1]; }
  void ExpectAt(uint64_t revision) {
    EXPECT_EQ(replica_.position(), (Position{1, revision, history_.BatchAt(revision)}));
    EXPECT_EQ(StateOf(replica_), history_.StateAt(revision));
    EXPECT_EQ(replica_.mirror().digest(), history_.StateAt(revision).digest());
  }

  History history_;
  Replica replica_{"aws"};
};

TEST_F(ReplicaTest, AppliesInOrder) {
  ExpectAt(3);
  EXPECT_EQ(replica_.Judge(BatchOf(4)), Outcome::kApplied);
  ExpectAt(3);  // judging changes nothing
  EXPECT_EQ(replica_.Apply(BatchOf(4)), Outcome::kApplied);
  ExpectAt(4);
}

TEST_F(ReplicaTest, NothingIsAppliedBeforeASnapshot) {
  Replica fresh("aws");
  EXPECT_EQ(fresh.position(), Position());
  EXPECT_EQ(fresh.Apply(BatchOf(1)), Outcome::kNewerEpoch);
  EXPECT_EQ(fresh.JudgeHead(history_.HeadAt(0)), Outcome::kNewerEpoch);
  EXPECT_EQ(fresh.mirror().size(), 0u);
  Batch no_epoch = BatchOf(1);
  no_epoch.epoch = 0;
  EXPECT_EQ(fresh.Apply(no_epoch), Outcome::kIgnored);
  EXPECT_EQ(fresh.mirror().size(), 0u);
}

TEST_F(ReplicaTest, RepetitionsAreIgnored) {
  for (uint64_t revision = 1; revision <= 3; ++revision) {
    EXPECT_EQ(replica_.Apply(BatchOf(revision)), Outcome::kIgnored);
  }
  ExpectAt(3);
}

TEST_F(ReplicaTest, AHoleIsAGap) {
  EXPECT_EQ(replica_.Apply(BatchOf(5)), Outcome::kGap);
  ExpectAt(3);
  // The revision alone decides: even a batch that claims to follow the held one.
  Batch liar = BatchOf(5);
  liar.prev_batch = BatchOf(3).batch;
  EXPECT_EQ(replica_.Apply(liar), Outcome::kGap);
  ExpectAt(3);
  EXPECT_EQ(replica_.JudgeHead(history_.HeadAt(5)), Outcome::kGap);
}

TEST_F(ReplicaTest, AnotherBatchAtAHeldRevisionIsAFork) {
  History other = history_.BranchAt(1, 1);
  other.Commit({{"x", 1}});
  other.Commit({{"y", 1}});
  for (const uint64_t revision : {2, 3}) {
    EXPECT_EQ(replica_.Apply(other.batches[revision - 1]), Outcome::kFork);
    EXPECT_EQ(replica_.JudgeHead(other.HeadAt(revision)), Outcome::kFork);
  }
  ExpectAt(3);
}

TEST_F(ReplicaTest, ASuccessorOfAnotherBatchIsAFork) {
  History other = history_.BranchAt(2, 1);
  other.Commit({{"x", 1}});
  other.Commit({{"y", 1}});
  EXPECT_EQ(replica_.Apply(other.batches[3]), Outcome::kFork);
  ExpectAt(3);
}

TEST_F(ReplicaTest, AForkIsHealedByASnapshot) {
  History other = history_.BranchAt(1, 1);
  other.Commit({{"x", 1}});
  ASSERT_TRUE(replica_.LoadSnapshot(other.SnapshotAt(2)).ok());
  EXPECT_EQ(StateOf(replica_), other.StateAt(2));
  EXPECT_EQ(replica_.position().batch, other.BatchAt(2));
  // What it held before is foreign now.
  EXPECT_EQ(replica_.Apply(BatchOf(3)), Outcome::kFork);
}

TEST_F(ReplicaTest, TooOldToBeKnownIsIgnored) {
  History other = history_.BranchAt(1, 1);
  other.Commit({{"x", 1}});
  for (int i = 0; i < 300; ++i) history_.Commit({{"z", 1u + i}});
  for (uint64_t revision = 4; revision <= history_.head(); ++revision) {
    ASSERT_EQ(replica_.Apply(BatchOf(revision)), Outcome::kApplied);
  }
  EXPECT_EQ(replica_.Apply(other.batches[1]), Outcome::kIgnored);
  // The recent ones are known.
  Batch forged = BatchOf(history_.head() - 200);
  forged.batch = Id128{1, 1};
  EXPECT_EQ(replica_.Apply(forged), Outcome::kFork);
}

TEST_F(ReplicaTest, OlderEpochsAreIgnored) {
  History restored = history_.BranchAt(3, 9);
  restored.Commit({{"r", 1}});
  ASSERT_TRUE(replica_.LoadSnapshot(restored.SnapshotAt(3)).ok());
  // Revision and chain fit; the epoch does not.
  EXPECT_EQ(replica_.Apply(BatchOf(4)), Outcome::kIgnored);
  EXPECT_EQ(replica_.Apply(BatchOf(5)), Outcome::kIgnored);
  EXPECT_EQ(replica_.JudgeHead(history_.HeadAt(5)), Outcome::kIgnored);
  EXPECT_EQ(replica_.LoadSnapshot(history_.SnapshotAt(5)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(replica_.Apply(restored.batches[0]), Outcome::kApplied);
  EXPECT_EQ(StateOf(replica_), restored.StateAt(4));
}

TEST_F(ReplicaTest, ANewerEpochWantsASnapshot) {
  History restored = history_.BranchAt(3, 9);
  restored.Commit({{"r", 1}});
  EXPECT_EQ(replica_.Apply(restored.batches[0]), Outcome::kNewerEpoch);
  EXPECT_EQ(replica_.JudgeHead(restored.HeadAt(3)), Outcome::kNewerEpoch);
  ExpectAt(3);
}

TEST_F(ReplicaTest, AStateWithoutTheBatchsDigestIsCorrupt) {
  Batch wrong = BatchOf(4);
  wrong.changes.mutable_changes(0)->mutable_object()->mutable_node()->set_name("other");
  v1::Change* again = wrong.changes.add_changes();  // undone in reverse: a key twice, a delete, a replacement
  again->set_op(v1::Change::DELETE);
  again->set_kind(v1::KIND_NODE);
  again->set_key("b");
  wrong.changes.add_changes()->mutable_object()->mutable_node()->set_name("b");
  wrong.changes.add_changes()->mutable_object()->mutable_node()->set_name("c");
  EXPECT_EQ(replica_.Apply(wrong), Outcome::kCorrupt);
  ExpectAt(3);
  // Nothing but a snapshot is taken any more.
  EXPECT_TRUE(replica_.corrupt());
  EXPECT_EQ(replica_.Apply(BatchOf(4)), Outcome::kCorrupt);
  EXPECT_EQ(replica_.JudgeHead(history_.HeadAt(3)), Outcome::kCorrupt);
  ExpectAt(3);
  ASSERT_TRUE(replica_.LoadSnapshot(history_.SnapshotAt(3)).ok());
  EXPECT_FALSE(replica_.corrupt());
  EXPECT_EQ(replica_.Apply(BatchOf(4)), Outcome::kApplied);
}

TEST_F(ReplicaTest, BeaconsAreCompared) {
  EXPECT_EQ(replica_.JudgeHead(history_.HeadAt(3)), Outcome::kApplied);
  EXPECT_EQ(replica_.JudgeHead(history_.HeadAt(2)), Outcome::kIgnored);
  EXPECT_EQ(replica_.JudgeHead(history_.HeadAt(4)), Outcome::kGap);
  v1::Head head = history_.HeadAt(3);
  head.set_digest(Id128{1, 2}.ToBytes());
  EXPECT_EQ(replica_.JudgeHead(head), Outcome::kCorrupt);
  head = history_.HeadAt(5);
  head.set_batch("short");
  EXPECT_EQ(replica_.JudgeHead(head), Outcome::kIgnored);
  head = history_.HeadAt(5);
  head.set_cluster("gcp");
  EXPECT_EQ(replica_.JudgeHead(head), Outcome::kIgnored);
}

TEST_F(ReplicaTest, AnotherClustersBatchIsIgnored) {
  Batch foreign = BatchOf(4);
  foreign.cluster = "gcp";
  EXPECT_EQ(replica_.Apply(foreign), Outcome::kIgnored);
  ExpectAt(3);
}

TEST_F(ReplicaTest, ASnapshotIsAllOrNothing) {
  const std::vector<v1::Snapshot> good = history_.SnapshotAt(5);
  auto refused = [&](std::vector<v1::Snapshot> parts, const std::string& why) {
    const absl::Status status = replica_.LoadSnapshot(parts);
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(why));
    ExpectAt(3);
  };
  refused({}, "without any chunk");
  refused({good[0]}, "digest");
  std::vector<v1::Snapshot> bad = good;
  bad[1].mutable_head()->set_revision(4);
  refused(bad, "different heads");
  bad = good;
  for (v1::Snapshot& part : bad) part.mutable_head()->set_cluster("gcp");
  refused(bad, "gcp");
  bad = good;
  for (v1::Snapshot& part : bad) part.mutable_head()->set_epoch(0);
  refused(bad, "epoch");
  bad = good;
  for (v1::Snapshot& part : bad) part.mutable_head()->set_batch("x");
  refused(bad, "malformed");
  bad = good;
  *bad[1].add_objects() = bad[0].objects(0);
  refused(bad, "twice");
  bad = good;
  bad[0].mutable_objects(0)->set_revision(6);
  refused(bad, "revision 6");
  bad = good;
  bad[0].mutable_objects(0)->set_revision(0);
  refused(bad, "revision 0");
  ASSERT_TRUE(replica_.LoadSnapshot(good).ok());
  ExpectAt(5);
}

TEST_F(ReplicaTest, AReplicaNeverGoesBackInItsOwnHistory) {
  EXPECT_EQ(replica_.LoadSnapshot(history_.SnapshotAt(2)).code(), absl::StatusCode::kFailedPrecondition);
  ExpectAt(3);
}

TEST_F(ReplicaTest, AnOlderSnapshotIsRefusedThoughItsRevisionIsForgotten) {
  Replica late("aws");
  ASSERT_TRUE(late.LoadSnapshot(history_.SnapshotAt(3)).ok());
  EXPECT_EQ(late.LoadSnapshot(history_.SnapshotAt(1)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(late.position().revision, 3u);
  // What it knows to be another history takes its place, older or not.
  History other = history_.BranchAt(1, 1);
  other.Commit({{"x", 1}});
  ASSERT_EQ(late.Apply(BatchOf(4)), Outcome::kApplied);
  other.Commit({{"y", 1}});
  ASSERT_TRUE(late.LoadSnapshot(other.SnapshotAt(3)).ok());
  EXPECT_EQ(late.position().batch, other.BatchAt(3));
}

TEST_F(ReplicaTest, ItsSnapshotMakesItsTwin) {
  Replica twin("aws");
  ASSERT_TRUE(twin.LoadSnapshot({replica_.ToSnapshot()}).ok());
  EXPECT_EQ(twin.position(), replica_.position());
  EXPECT_EQ(StateOf(twin), StateOf(replica_));
  EXPECT_EQ(twin.JudgeHead(replica_.head()), Outcome::kApplied);
  EXPECT_EQ(twin.Apply(BatchOf(4)), Outcome::kApplied);
}

TEST_F(ReplicaTest, WhatIsNotUsedStillCountsInTheDigest) {
  Replica sparse("aws", [](v1::Kind kind) { return kind != v1::KIND_NODE; });
  ASSERT_TRUE(sparse.LoadSnapshot(history_.SnapshotAt(2)).ok());
  for (uint64_t revision = 3; revision <= 5; ++revision) {
    EXPECT_EQ(sparse.Apply(BatchOf(revision)), Outcome::kApplied);
  }
  EXPECT_EQ(sparse.mirror().digest(), history_.StateAt(5).digest());
  EXPECT_EQ(sparse.mirror().Find(v1::KIND_NODE, "e"), nullptr);

  // Its own copy makes its twin, but nobody's who uses nodes.
  Replica twin("aws", [](v1::Kind kind) { return kind != v1::KIND_NODE; });
  ASSERT_TRUE(twin.LoadSnapshot({sparse.ToSnapshot()}).ok());
  EXPECT_EQ(twin.head().SerializeAsString(), sparse.head().SerializeAsString());
  const absl::Status status = replica_.LoadSnapshot({sparse.ToSnapshot()});
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("by its key alone"));
  ExpectAt(3);
}

}  // namespace
}  // namespace trivium
