#include "controlplane/sync/follower.h"

#include "controlplane/sync/sync_server.h"
#include "controlplane/writer/writer_fixture.h"
#include "tests/support/fake_bus.h"

namespace trivium {
namespace {

// `one_` writes; the reader under test has a store of its own on the same database.
class FollowerTest : public WriterFixture {
 protected:
  FollowerTest() : store_(database_, &clock_), mirror_(ClusterRef{"aws", 1, 7}, false) {
    store_.SetDelay(absl::Milliseconds(1));
    follower_ = std::make_unique<Follower>(&mirror_, &store_, &executor_, &random_, Follower::Options());
    follower_->CatchUp([](const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; });
    Run();
  }
  // Commits `count` revisions.
  void Write(int count) {
    for (int i = 0; i < count; ++i) {
      Submit(one_.get(), "ns" + std::to_string(++written_));
      Run(absl::Milliseconds(10));
    }
  }
  const Batch& Published(size_t revision) { return one_->published.at(revision - 1); }

  FakeStore store_;
  ClusterMirror mirror_;
  std::unique_ptr<Follower> follower_;
  int written_ = 0;
};

TEST_F(FollowerTest, TakesTheFeedWithoutAskingSql) {
  Write(3);
  store_.SetUnavailable(true);
  for (int i = 1; i <= 3; ++i) follower_->OnBatch(Published(i));
  EXPECT_EQ(mirror_.position().revision, 3u);
  EXPECT_EQ(mirror_.tail().size(), 3u);
}

TEST_F(FollowerTest, ReorderedNeighboursNeedNoSql) {
  Write(4);
  store_.SetUnavailable(true);
  for (const int revision : {2, 4, 3, 1}) follower_->OnBatch(Published(revision));
  EXPECT_EQ(mirror_.position().revision, 4u);
  Run();
  EXPECT_EQ(executor_.timers(), 0u) << "nothing is missing any more";
}

TEST_F(FollowerTest, AGapIsFetchedAfterAShortWait) {
  Write(4);
  follower_->OnBatch(Published(4));
  Run(absl::Milliseconds(20));
  EXPECT_EQ(mirror_.position().revision, 0u);
  Run(absl::Milliseconds(30));
  EXPECT_EQ(mirror_.position().revision, 4u);
}

TEST_F(FollowerTest, ALogThatIsCompactedWhileItIsReadEndsInASnapshot) {
  Write(700);
  absl::Status caught_up = absl::UnknownError("not yet");
  follower_->CatchUp([&](const absl::Status& status) { caught_up = status; });
  while (mirror_.position().revision == 0) Run(absl::Milliseconds(1));
  const uint64_t halfway = mirror_.position().revision;
  ASSERT_LT(halfway, 700u) << "the rest is still to be read";
  FakeDatabase::Rows all = database_->Save();  // at once: the next read is on its way
  FakeDatabase::ClusterRows& rows = all[{1, 7}];
  rows.head.log_floor = 650;
  rows.log.erase(rows.log.begin(), rows.log.upper_bound(650));
  database_->Restore(std::move(all));
  Run();
  EXPECT_TRUE(caught_up.ok()) << caught_up;
  EXPECT_EQ(mirror_.position().revision, 700u);
  EXPECT_TRUE(mirror_.tail().empty()) << "it came as a snapshot";
  EXPECT_EQ(mirror_.mirror().digest(), one_->mirror.mirror().digest());
}

TEST_F(FollowerTest, AGapThatOpensWhileSqlIsReadIsFetchedToo) {
  Write(6);
  store_.SetDelay(absl::Milliseconds(100));
  follower_->CatchUp([](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
  Run(absl::Milliseconds(160));  // head and log have been looked up, their answers are on the way
  Write(3);
  follower_->OnBatch(Published(9));
  EXPECT_EQ(mirror_.position().revision, 0u);
  Run(absl::Milliseconds(20));
  EXPECT_EQ(mirror_.position().revision, 6u);
  Run(absl::Seconds(1));
  EXPECT_EQ(mirror_.position().revision, 9u);
}

TEST_F(FollowerTest, ALostDatabaseIsAskedAgain) {
  Write(4);
  store_.SetUnavailable(true);
  follower_->OnBatch(Published(4));
  Run(absl::Seconds(5));
  EXPECT_EQ(mirror_.position().revision, 0u);
  store_.SetUnavailable(false);
  Run(absl::Seconds(3));
  EXPECT_EQ(mirror_.position().revision, 4u);
}

TEST_F(FollowerTest, ACompactedLogMeansASnapshot) {
  Write(6);
  store_.Compact(mirror_.ref(), 4, absl::InfinitePast(), &executor_, [](const absl::Status&) {});
  Run();
  follower_->OnBatch(Published(6));
  Run();
  EXPECT_EQ(mirror_.position().revision, 6u);
  EXPECT_TRUE(mirror_.tail().empty());
}

TEST_F(FollowerTest, AMirrorThatDiffersTakesASnapshot) {
  Write(2);
  follower_->OnBatch(Published(1));
  v1::Head head = Published(1).Head();
  head.set_digest(Id128{1, 1}.ToBytes());  // somebody's state at this very batch is another one
  follower_->OnHead(head);
  Run();
  EXPECT_EQ(mirror_.position().revision, 2u);
}

TEST_F(FollowerTest, ARestoreIsLeftToOthersForAWhile) {
  std::vector<uint64_t> lost;
  follower_->OnRestore(
      [&](uint64_t epoch, Follower::Done done) {
        lost.push_back(epoch);
        done(absl::UnavailableError("as if SQL were gone"));
      },
      3);
  Write(1);
  const FakeDatabase::Rows backup = database_->Save();
  Write(1);
  for (const int revision : {1, 2}) follower_->OnBatch(Published(revision));
  ASSERT_EQ(mirror_.position().revision, 2u);
  database_->Restore(backup);
  follower_->OnClaim(Position{1, 7, Id128{7, 7}}, nullptr);
  Run(absl::Milliseconds(40));
  EXPECT_EQ(follower_->counters().fetches, 2u) << "the first is the fixture's";
  EXPECT_TRUE(lost.empty());
  Run(absl::Seconds(5));
  ASSERT_FALSE(lost.empty());
  EXPECT_EQ(lost.front(), 1u);
}

TEST_F(FollowerTest, StrangersAreIgnored) {
  Write(1);
  Batch batch = Published(1);
  batch.cluster = "gcp";
  follower_->OnBatch(batch);
  v1::Head head = Published(1).Head();
  head.set_cluster("gcp");
  follower_->OnHead(head);
  Run();
  EXPECT_EQ(mirror_.position().revision, 0u);
}

// The tail of a mirror that began with a snapshot does not reach back: older deltas come from SQL.
class SyncServerTest : public WriterFixture {
 protected:
  SyncServerTest()
      : broker_(&executor_, &random_),
        bus_(broker_.Connect("cp")),
        store_(database_, &clock_),
        snapshots_("cp1", &executor_, &clock_, &random_, SnapshotCache::Options()) {}
  // After `count` revisions.
  void Start(int count, uint64_t max_log_revisions = 10'000) {
    for (int i = 0; i < count; ++i) {
      Submit(one_.get(), "ns" + std::to_string(i));
      Run(absl::Milliseconds(10));
    }
    mirrors_ = std::make_unique<Mirrors>(std::vector{ClusterRef{"aws", 1, 7}}, &store_, &executor_, &random_,
                                         Follower::Options());
    SyncServer::Options options;
    options.max_log_revisions = max_log_revisions;
    server_ = std::make_unique<SyncServer>("cp1", mirrors_.get(), &store_, bus_.get(), &executor_, &clock_,
                                           &snapshots_, options);
  }
  void Load() {
    mirrors_->Find("aws")->follower->CatchUp([](const absl::Status& status) { ASSERT_TRUE(status.ok()); });
    Run();
  }
  v1::SyncReply Sync(const v1::Head& have) {
    v1::SyncRequest request;
    *request.mutable_have() = have;
    v1::SyncReply reply;
    int answers = 0;
    server_->Sync("aws", request, [&](const v1::SyncReply& answer) {
      reply = answer;
      ++answers;
    });
    Run();
    EXPECT_EQ(answers, 1);
    return reply;
  }
  v1::Head At(size_t revision) { return one_->published.at(revision - 1).Head(); }

  FakeBroker broker_;
  std::unique_ptr<FakeBus> bus_;
  FakeStore store_;
  SnapshotCache snapshots_;
  std::unique_ptr<Mirrors> mirrors_;
  std::unique_ptr<SyncServer> server_;
};

TEST_F(SyncServerTest, WhatIsOlderThanTheTailComesFromSql) {
  Start(6);
  EXPECT_EQ(static_cast<absl::StatusCode>(Sync(At(2)).code()), absl::StatusCode::kUnavailable)
      << "not loaded";
  Load();
  const v1::SyncReply delta = Sync(At(2));
  ASSERT_EQ(delta.envelopes_size(), 4);
  EXPECT_EQ(delta.envelopes(0), one_->published[2].envelope);
  EXPECT_EQ(server_->counters().deltas_from_sql, 1u);

  // Another history there, a compacted log, a lost database: the state itself is whole.
  v1::Head fork = At(2);
  fork.set_batch(Id128{6, 6}.ToBytes());
  EXPECT_TRUE(Sync(fork).has_snapshot());
  store_.Compact(ClusterRef{"aws", 1, 7}, 4, absl::InfinitePast(), &executor_, [](const absl::Status&) {});
  Run();
  EXPECT_TRUE(Sync(At(2)).has_snapshot());
  EXPECT_EQ(Sync(At(5)).envelopes_size(), 1);
  store_.SetUnavailable(true);
  EXPECT_TRUE(Sync(At(5)).has_snapshot());
}

TEST_F(SyncServerTest, WhoIsTooFarBehindGetsASnapshot) {
  Start(6, 3);
  Load();
  EXPECT_TRUE(Sync(At(2)).has_snapshot());
  EXPECT_EQ(Sync(At(3)).envelopes_size(), 3);
}

TEST_F(SyncServerTest, WhoIsAheadMakesTheServerCatchUp) {
  Start(3);
  Load();
  Submit(one_.get(), "more");
  Run(absl::Milliseconds(20));
  const v1::SyncReply reply = Sync(At(4));
  EXPECT_EQ(reply.head().revision(), 3u);
  EXPECT_EQ(reply.envelopes_size(), 0);
  EXPECT_FALSE(reply.has_snapshot());
  Run();
  EXPECT_EQ(mirrors_->Find("aws")->mirror->position().revision, 4u);
}

TEST_F(SyncServerTest, AnotherEpochMeansASnapshot) {
  Start(3);
  Load();
  v1::Head old = At(3);
  old.set_epoch(0);
  EXPECT_TRUE(Sync(old).has_snapshot());
  EXPECT_TRUE(Sync(v1::Head()).has_snapshot());
}

}  // namespace
}  // namespace trivium
