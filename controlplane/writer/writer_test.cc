#include "controlplane/writer/writer.h"

#include "controlplane/writer/writer_fixture.h"

namespace trivium {
namespace {

using absl::StatusCode;

// The parameter: from how many waiting changes the next batch is planned ahead.
class WriterTest : public WriterFixture, public testing::WithParamInterface<size_t> {
 protected:
  WriterTest() : WriterFixture(GetParam()) {}
};

TEST_P(WriterTest, AnIdleWriterCommitsAtOnceAndAnswersAfterTheCommit) {
  const ResultPtr result = Submit(one_.get(), "a");
  EXPECT_EQ(one_->store.commits(), 1u);  // asked for already
  EXPECT_EQ(result->answers, 0);
  executor_.RunUntilIdle();
  EXPECT_EQ(result->answers, 0) << "acknowledged before it was committed";
  EXPECT_EQ(Rows().head.revision, 0u);
  Run(absl::Milliseconds(2));
  ASSERT_EQ(result->answers, 1);
  EXPECT_EQ(result->code(), StatusCode::kOk);
  EXPECT_EQ(result->reply.epoch(), 1u);
  EXPECT_EQ(result->reply.revision(), 1u);
  EXPECT_EQ(Action(result), "created");
  ASSERT_EQ(one_->published.size(), 1u);
  EXPECT_EQ(one_->published[0].envelope, Rows().log.at(1).envelope);
  ExpectSound(*one_);
}

TEST_P(WriterTest, RowsForPeopleGoWithTheBatch) {
  Submit(one_.get(), "a", "v1");
  Run();
  const FakeDatabase::ClusterRows rows = Rows();
  ASSERT_EQ(rows.audit.size(), 1u);
  EXPECT_EQ(rows.audit[0].actor, "aws:ctl:alice");
  EXPECT_EQ(rows.audit[0].verb, "apply");
  EXPECT_EQ(rows.objects.at(ObjectKey{v1::KIND_NAMESPACE, "a"}).manifest, "v1");
  ASSERT_EQ(rows.requests.size(), 1u);
  v1::Reply kept;
  ASSERT_TRUE(kept.ParseFromString(rows.requests.begin()->second.result));
  EXPECT_EQ(kept.revision(), 1u);
}

TEST_P(WriterTest, WhatArrivesMeanwhileJoinsTheNextBatch) {
  std::vector<ResultPtr> results;
  for (int i = 0; i < 100; ++i) results.push_back(Submit(one_.get(), "ns" + std::to_string(i)));
  Run();
  EXPECT_EQ(one_->store.commits(), 2u);
  EXPECT_EQ(Rows().head.revision, 2u);
  EXPECT_EQ(results[0]->reply.revision(), 1u);
  for (int i = 1; i < 100; ++i) {
    EXPECT_EQ(results[i]->answers, 1);
    EXPECT_EQ(results[i]->reply.revision(), 2u);
  }
  EXPECT_EQ(Rows().requests.size(), 100u);
  ExpectSound(*one_);
}

TEST_P(WriterTest, CountsWhatItCommitsAndHowLongThatTakes) {
  for (int i = 0; i < 100; ++i) Submit(one_.get(), "ns" + std::to_string(i));
  EXPECT_EQ(one_->writer.queued_bytes(), 99u * 100);
  Run();
  EXPECT_EQ(one_->writer.queued_bytes(), 0u);
  const Writer::Counters& counters = one_->writer.counters();
  EXPECT_EQ(counters.commit_seconds.count(), 2u);
  EXPECT_NEAR(counters.commit_seconds.sum(), 2 * 0.002, 0.001);
  EXPECT_EQ(counters.batch_changes.sum(), 100);
  EXPECT_EQ(counters.batch_requests.sum(), 100);
}

TEST_P(WriterTest, ABatchHasItsLimit) {
  for (int i = 0; i < 2100; ++i) Submit(one_.get(), "ns" + std::to_string(i));
  Run();
  EXPECT_EQ(Rows().head.revision, 4u);  // 1 + 1000 + 1000 + 99
  EXPECT_EQ(one_->published[1].changes.changes_size(), 1000);
  EXPECT_EQ(one_->published[3].changes.changes_size(), 99);
  ExpectSound(*one_);
}

TEST_P(WriterTest, OnlyTheWrongRequestIsRefused) {
  Submit(one_.get(), "first");
  const ResultPtr good = Submit(one_.get(), "good");
  const ResultPtr wrong = Submit(one_.get(), "wrong");
  const ResultPtr missing = Submit(one_.get(), "missing");
  const ResultPtr good2 = Submit(one_.get(), "good2");
  Run();
  EXPECT_EQ(good->code(), StatusCode::kOk);
  EXPECT_EQ(good2->code(), StatusCode::kOk);
  EXPECT_EQ(wrong->code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(missing->code(), StatusCode::kNotFound);
  EXPECT_EQ(missing->reply.message(), "missing");
  EXPECT_EQ(Rows().head.revision, 2u);
}

TEST_P(WriterTest, UnchangedWritesNothingButAsksWhetherItIsTrue) {
  Submit(one_.get(), "a", "v1");
  Run();
  const ResultPtr again = Submit(one_.get(), "a", "v1");
  Run();
  EXPECT_EQ(Action(again), "unchanged");
  EXPECT_EQ(again->reply.revision(), 0u);
  EXPECT_EQ(Rows().head.revision, 1u);
  EXPECT_EQ(one_->writer.counters().verified, 1u);
}

// The mirror of the asked one is behind: nobody told it what the other wrote.
TEST_P(WriterTest, NoAnswerIsGivenFromAStaleMirror) {
  std::unique_ptr<Side> two = MakeSide();
  Submit(one_.get(), "a", "v1");
  Run();
  Submit(one_.get(), "a", "v2");
  Run();
  ASSERT_EQ(two->mirror.position().revision, 0u);
  const ResultPtr result = Submit(two.get(), "a", "v2");
  Run();
  EXPECT_EQ(Action(result), "unchanged");
  EXPECT_EQ(Rows().head.revision, 2u);
  EXPECT_EQ(two->writer.counters().lost_races, 1u);
  const ResultPtr missing = Submit(two.get(), "missing");
  Submit(one_.get(), "b");
  Run();
  EXPECT_EQ(missing->code(), StatusCode::kNotFound);
}

TEST_P(WriterTest, ALostRaceIsPlannedAgain) {
  one_->store.FailNextCommits({Fault::kLostRace, Fault::kLostRace});
  const ResultPtr result = Submit(one_.get(), "a");
  Run();
  EXPECT_EQ(result->answers, 1);
  EXPECT_EQ(result->code(), StatusCode::kOk);
  EXPECT_EQ(result->reply.revision(), 3u);
  EXPECT_EQ(one_->writer.counters().lost_races, 2u);
  EXPECT_EQ(plans_, 3);
  ExpectSound(*one_);
}

TEST_P(WriterTest, AnAmbiguousCommitIsRunAgainAsItWas) {
  for (const Fault fault :
       {Fault::kAmbiguousCommitted, Fault::kAmbiguousNotCommitted, Fault::kAmbiguousLate}) {
    const uint64_t before = Rows().head.revision;
    one_->store.FailNextCommits({fault});
    const ResultPtr result = Submit(one_.get(), "ns" + std::to_string(static_cast<int>(fault)));
    Run();
    EXPECT_EQ(result->answers, 1);
    EXPECT_EQ(result->code(), StatusCode::kOk);
    EXPECT_EQ(result->reply.revision(), before + 1);
    EXPECT_EQ(Rows().head.revision, before + 1) << "done twice";
    ExpectSound(*one_);
  }
  EXPECT_EQ(one_->writer.counters().retries, 3u);
}

TEST_P(WriterTest, WithoutADatabaseCallersHearBeforeTheyGiveUp) {
  const ResultPtr flying = Submit(one_.get(), "a", "x", "alice", Id128(), absl::Seconds(3));
  one_->store.SetUnavailable(true);
  const ResultPtr queued = Submit(one_.get(), "b", "x", "alice", Id128(), absl::Seconds(3));
  Run(absl::Seconds(2));
  EXPECT_EQ(flying->answers, 0);
  Run(absl::Seconds(3));
  EXPECT_EQ(flying->code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(flying->reply.message(), testing::HasSubstr("outcome is unknown"));
  EXPECT_EQ(queued->code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(queued->reply.message(), testing::HasSubstr("nothing was written"));
  // Back again: whatever arrives is served.
  one_->store.SetUnavailable(false);
  const ResultPtr later = Submit(one_.get(), "c");
  Run(absl::Seconds(3));
  EXPECT_EQ(later->code(), StatusCode::kOk);
  EXPECT_EQ(flying->answers, 1);
  ExpectSound(*one_);
}

TEST_P(WriterTest, AnOutcomeThatWasUnknownIsFoundByItsRequestId) {
  const Id128 id{5, 5};
  one_->store.FailNextCommits({Fault::kAmbiguousCommitted});
  const ResultPtr first = Submit(one_.get(), "a", "x", "alice", id, absl::Milliseconds(2));
  Run(absl::Milliseconds(3));
  EXPECT_EQ(first->code(), StatusCode::kDeadlineExceeded);
  const ResultPtr again = Submit(one_.get(), "a", "x", "alice", id);
  Run();
  EXPECT_EQ(again->code(), StatusCode::kOk);
  EXPECT_EQ(again->reply.revision(), 1u);
  EXPECT_EQ(Action(again), "created");
  EXPECT_EQ(Rows().head.revision, 1u);
}

TEST_P(WriterTest, AFullQueueRefuses) {
  Writer::Options options;
  options.max_queue = 3;
  std::unique_ptr<Side> two = MakeSide(options);
  std::vector<ResultPtr> results;
  for (int i = 0; i < 6; ++i) results.push_back(Submit(two.get(), "ns" + std::to_string(i)));
  // One in flight, three waiting.
  EXPECT_EQ(results[4]->code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(results[4]->reply.message(), testing::HasSubstr("try again later"));
  EXPECT_EQ(results[5]->answers, 1);
  Run();
  EXPECT_EQ(Rows().requests.size(), 4u);
  EXPECT_EQ(two->writer.counters().refused_full, 2u);
  EXPECT_EQ(Submit(two.get(), "later")->answers, 0);

  options.max_queue = 1000;
  options.max_queue_bytes = 250;
  std::unique_ptr<Side> three = MakeSide(options);
  Submit(three.get(), "a");
  Submit(three.get(), "b");
  Submit(three.get(), "c");
  EXPECT_EQ(Submit(three.get(), "d")->code(), StatusCode::kResourceExhausted);
}

TEST_P(WriterTest, ARepetitionGetsTheFirstAnswer) {
  const Id128 id{5, 5};
  const ResultPtr first = Submit(one_.get(), "a", "v1", "alice", id);
  const ResultPtr joined = Submit(one_.get(), "a", "v1", "alice", id);  // while the first is on its way
  Run();
  Submit(one_.get(), "a", "v2", "bob");
  Run();
  const ResultPtr later = Submit(one_.get(), "a", "v1", "alice", id);  // from memory
  Run();
  for (const ResultPtr& result : {first, joined, later}) {
    EXPECT_EQ(result->answers, 1);
    EXPECT_EQ(result->reply.revision(), 1u);
    EXPECT_EQ(Action(result), "created");
  }
  EXPECT_EQ(Rows().head.revision, 2u) << "a repetition overwrote what came after it";
}

TEST_P(WriterTest, ARepetitionIsAnsweredWithoutTheDatabase) {
  const Id128 id{5, 6};
  const ResultPtr first = Submit(one_.get(), "a", "v1", "alice", id);
  Run();
  one_->store.SetUnavailable(true);
  const ResultPtr later = Submit(one_.get(), "a", "v1", "alice", id);
  Run();
  ASSERT_EQ(later->answers, 1);
  EXPECT_EQ(later->reply.code(), 0u) << later->reply.message();
  EXPECT_EQ(later->reply.revision(), first->reply.revision());
  EXPECT_EQ(Action(later), "created");
}

TEST_P(WriterTest, ARepetitionElsewhereIsFoundInSql) {
  const Id128 id{5, 5};
  Submit(one_.get(), "a", "v1", "alice", id);
  Run();
  Submit(one_.get(), "a", "v2", "bob");
  Run();
  std::unique_ptr<Side> two = MakeSide();
  two->writer.memory()->SetCompleteSince(clock_.Monotonic());  // what it is after a snapshot
  const ResultPtr result = Submit(two.get(), "a", "v1", "alice", id);
  Run();
  EXPECT_EQ(result->reply.revision(), 1u);
  EXPECT_EQ(Rows().head.revision, 2u);
  // An unknown id goes on to be done.
  const ResultPtr fresh = Submit(two.get(), "b");
  Run();
  EXPECT_EQ(fresh->code(), StatusCode::kOk);
  EXPECT_EQ(fresh->reply.revision(), 3u);
}

TEST_P(WriterTest, ARepetitionOfWhatTheFeedBroughtIsNotDoneAgain) {
  const Id128 id{5, 5};
  std::unique_ptr<Side> two = MakeSide();
  Submit(one_.get(), "a", "v1", "alice", id);
  Run();
  two->follower.OnBatch(one_->published[0]);
  const ResultPtr result = Submit(two.get(), "a", "v1", "alice", id);
  Run();
  EXPECT_EQ(result->reply.revision(), 1u);
  EXPECT_EQ(Action(result), "created");
}

TEST_P(WriterTest, ARepetitionIsNotDoneAgainThoughASnapshotJumpedOverIt) {
  const Id128 id{5, 5};
  std::unique_ptr<Side> two = MakeSide();
  Submit(one_.get(), "a", "v1", "alice", id);
  Run();
  Submit(one_.get(), "a", "v2", "bob");
  Run();
  one_->store.Compact(one_->mirror.ref(), 2, absl::InfinitePast(), &executor_,
                      [](const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; });
  Run();
  // It plans on what it holds, loses the race, and learns the rest from a snapshot.
  const ResultPtr result = Submit(two.get(), "a", "v1", "alice", id);
  Run();
  EXPECT_EQ(two->writer.counters().lost_races, 1u);
  EXPECT_EQ(result->answers, 1);
  EXPECT_EQ(result->reply.revision(), 1u);
  EXPECT_EQ(Rows().head.revision, 2u) << "done twice: it overwrote what came after it";
}

TEST_P(WriterTest, WhatARestoreHasUndoneIsDoneWhenItIsAskedForAgain) {
  const Id128 id{5, 5};
  Submit(one_.get(), "first");
  Run();
  FakeDatabase::Rows backup = database_->Save();
  Submit(one_.get(), "a", "v1", "alice", id);
  Run();
  for (auto& [place, rows] : backup) rows.head.epoch = 2;  // as whoever found the restore has left it
  database_->Restore(backup);
  const ResultPtr other = Submit(one_.get(), "b");
  Run();
  EXPECT_EQ(other->reply.epoch(), 2u);
  EXPECT_EQ(other->reply.revision(), 2u);
  const ResultPtr again = Submit(one_.get(), "a", "v1", "alice", id);
  Run();
  EXPECT_EQ(again->code(), StatusCode::kOk);
  EXPECT_EQ(again->reply.epoch(), 2u) << "an answer of the history that was lost";
  EXPECT_EQ(again->reply.revision(), 3u);
  EXPECT_TRUE(Rows().objects.contains(ObjectKey{v1::KIND_NAMESPACE, "a"}));
}

TEST_P(WriterTest, OneRequestAtTwoWritersAtOnceIsDoneOnce) {
  const Id128 id{5, 5};
  std::unique_ptr<Side> two = MakeSide();
  const ResultPtr a = Submit(one_.get(), "a", "v1", "alice", id);
  const ResultPtr b = Submit(two.get(), "a", "v1", "alice", id);
  Run();
  EXPECT_EQ(Rows().head.revision, 1u);
  EXPECT_EQ(a->reply.SerializeAsString(), b->reply.SerializeAsString());
  EXPECT_EQ(a->reply.revision(), 1u);
}

TEST_P(WriterTest, ARequestIdBelongsToItsActor) {
  const Id128 id{5, 5};
  Submit(one_.get(), "a", "v1", "alice", id);
  const ResultPtr meanwhile = Submit(one_.get(), "b", "v1", "bob", id);
  EXPECT_EQ(meanwhile->code(), StatusCode::kAlreadyExists);
  Run();
  const ResultPtr after = Submit(one_.get(), "b", "v1", "bob", id);
  Run();
  EXPECT_EQ(after->code(), StatusCode::kAlreadyExists);
  EXPECT_FALSE(after->reply.has_apply());
}

TEST_P(WriterTest, CoalescedRequestsAreEachAnsweredAndRemembered) {
  const Id128 early{5, 1};
  Submit(one_.get(), "first");
  const ResultPtr a = Submit(one_.get(), "a", "v1", "alice", early);
  const ResultPtr b = Submit(one_.get(), "a", "v2");
  const ResultPtr other = Submit(one_.get(), "a", "v3", "bob");
  Run();
  EXPECT_EQ(a->reply.revision(), 2u);
  EXPECT_EQ(b->reply.revision(), 2u);
  EXPECT_EQ(other->reply.revision(), 3u) << "another actor's change is not coalesced";
  EXPECT_EQ(one_->published[1].changes.changes_size(), 1);
  EXPECT_EQ(Rows().objects.at(ObjectKey{v1::KIND_NAMESPACE, "a"}).manifest, "v3");
  EXPECT_EQ(Rows().audit.size(), 4u);
  // Its id is not the change's own, but every reader of the log knows it.
  std::unique_ptr<Side> two = MakeSide();
  RequestMemory memory;
  memory.Learn(one_->published[1], absl::ZeroDuration());
  EXPECT_TRUE(memory.Known(early));
  ExpectSound(*one_);
}

TEST_P(WriterTest, ANewEpochIsTakenOver) {
  Submit(one_.get(), "a");
  Run();
  one_->store.BumpEpoch(one_->mirror.ref(), 0, AuditRow(), &executor_,
                        [](const auto& head) { ASSERT_TRUE(head.ok()); });
  Run();
  const ResultPtr result = Submit(one_.get(), "b");
  Run();
  EXPECT_EQ(result->code(), StatusCode::kOk);
  EXPECT_EQ(result->reply.epoch(), 2u);
  EXPECT_EQ(result->reply.revision(), 2u);
  EXPECT_EQ(one_->mirror.position().epoch, 2u);
}

TEST_P(WriterTest, DrainingFinishesWhatItHasAndTakesNoMore) {
  const ResultPtr a = Submit(one_.get(), "a");
  const ResultPtr b = Submit(one_.get(), "b");
  bool drained = false;
  one_->writer.Drain([&] { drained = true; });
  const ResultPtr late = Submit(one_.get(), "c");
  EXPECT_EQ(late->code(), StatusCode::kUnavailable);
  EXPECT_FALSE(drained);
  Run();
  EXPECT_TRUE(drained);
  EXPECT_EQ(a->code(), StatusCode::kOk);
  EXPECT_EQ(b->code(), StatusCode::kOk);
  EXPECT_EQ(Rows().head.revision, 2u);
}

TEST_P(WriterTest, AnAnswerMayBringTheNextRequest) {
  ResultPtr second;
  auto first = std::make_shared<Result>();
  Writer::Write write;
  write.plan = [](Draft*) { return absl::InvalidArgumentError("no"); };
  write.actor = "x";
  write.answer = [&](const v1::Reply&) { second = Submit(one_.get(), "b"); };
  one_->writer.Submit(std::move(write));
  Run();
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->code(), StatusCode::kOk);
  ExpectSound(*one_);
}

// Two writers of one cluster, without a lease, under faults: every acknowledged request is there exactly
// once, in a gap-free log.
TEST_P(WriterTest, TwoWritersRace) {
  std::unique_ptr<Side> two = MakeSide();
  one_->store.SetDelay(absl::Milliseconds(3), &random_);
  two->store.SetDelay(absl::Milliseconds(4), &random_);
  std::vector<ResultPtr> results;
  std::vector<std::string> names;
  for (int round = 0; round < 60; ++round) {
    for (Side* side : {one_.get(), two.get()}) {
      if (round % 7 == 3) side->store.FailNextCommits({Fault::kAmbiguousCommitted});
      if (round % 11 == 5) side->store.FailNextCommits({Fault::kAmbiguousLate});
      for (int i = 0; i < 3; ++i) {
        names.push_back("ns" + std::to_string(names.size()));
        results.push_back(Submit(side, names.back()));
      }
    }
    Run(absl::Milliseconds(2));
  }
  Run(absl::Seconds(5));
  const FakeDatabase::ClusterRows rows = Rows();
  absl::flat_hash_map<std::string, int> seen;
  for (const auto& [revision, entry] : rows.log) {
    const absl::StatusOr<Batch> batch = DecodeBatch(entry.envelope);
    for (const v1::Change& change : batch->changes.changes()) ++seen[change.object().namespace_().name()];
  }
  for (size_t i = 0; i < results.size(); ++i) {
    ASSERT_EQ(results[i]->answers, 1) << i;
    ASSERT_EQ(results[i]->code(), StatusCode::kOk) << results[i]->reply.message();
    EXPECT_EQ(seen[names[i]], 1) << names[i];
    EXPECT_EQ(rows.objects.at(ObjectKey{v1::KIND_NAMESPACE, names[i]}).revision,
              results[i]->reply.revision());
  }
  EXPECT_GT(one_->writer.counters().lost_races + two->writer.counters().lost_races, 2u);
  for (Side* side : {one_.get(), two.get()}) {
    side->follower.CatchUp([](const absl::Status& status) { EXPECT_TRUE(status.ok()); });
  }
  Run();
  ExpectSound(*one_);
  ExpectSound(*two);
}

// Plans whatever waits while a commit is on its way.
class AheadWriterTest : public WriterFixture {
 protected:
  AheadWriterTest() : WriterFixture(1) {}
};

TEST_F(AheadWriterTest, TheNextBatchIsReadyWhenTheOneBeforeItIsCommitted) {
  const ResultPtr first = Submit(one_.get(), "a", "x");
  const ResultPtr again = Submit(one_.get(), "a", "y");
  const ResultPtr other = Submit(one_.get(), "b");
  executor_.RunUntilIdle();
  EXPECT_EQ(plans_, 3) << "planned before the first is committed";
  EXPECT_EQ(again->answers + other->answers, 0);
  Run(absl::Milliseconds(2));
  EXPECT_EQ(first->answers, 1);
  EXPECT_EQ(one_->store.commits(), 2u) << "sent as soon as the first is committed";
  Run();
  EXPECT_EQ(Action(again), "configured");
  EXPECT_EQ(again->reply.revision(), 2u);
  EXPECT_EQ(other->reply.revision(), 2u);
  EXPECT_EQ(plans_, 3);
  EXPECT_EQ(one_->writer.counters().planned_ahead, 1u);
  EXPECT_EQ(one_->writer.queued_bytes(), 0u);
  ExpectSound(*one_);
}

TEST_F(AheadWriterTest, WhatWasPlannedOverABatchThatLostIsPlannedAgain) {
  one_->store.FailNextCommits({Fault::kLostRace});
  const ResultPtr first = Submit(one_.get(), "a", "x");
  const ResultPtr again = Submit(one_.get(), "a", "y");
  Run();
  EXPECT_EQ(first->reply.revision(), 2u);
  EXPECT_EQ(again->answers, 1);
  EXPECT_EQ(Action(again), "configured");
  EXPECT_EQ(one_->writer.counters().lost_races, 1u);
  ExpectSound(*one_);
}

TEST_F(AheadWriterTest, WhatChangesNothingOverTheBatchOnItsWayIsAnsweredAfterIt) {
  const ResultPtr first = Submit(one_.get(), "a", "x");
  const ResultPtr same = Submit(one_.get(), "a", "x");
  executor_.RunUntilIdle();
  EXPECT_EQ(same->answers, 0);
  Run();
  EXPECT_EQ(first->answers, 1);
  EXPECT_EQ(Action(same), "unchanged");
  EXPECT_EQ(Rows().head.revision, 1u);
  ExpectSound(*one_);
}

TEST_F(AheadWriterTest, NothingIsPlannedOverABatchThatRetiresIdentities) {
  const auto submit = [this](bool retire) {
    const Caller caller{Principal{"aws", "cp", "cp1"}, "test/1", random_.NewId(), 1};
    return SubmitPlan(one_.get(), caller, absl::Seconds(10), [caller, retire](Draft* draft) {
      return PlanAtomically(caller, draft, [&]() -> absl::StatusOr<Planned> {
        v1::Object object;
        object.mutable_identity()->set_id(300);
        if (retire) {
          draft->Delete(KeyOf(object));
        } else {
          draft->Upsert(std::move(object));
        }
        return Planned();
      });
    });
  };
  submit(false);
  Run();
  const ResultPtr retired = submit(true);
  const ResultPtr next = Submit(one_.get(), "b");
  executor_.RunUntilIdle();
  EXPECT_EQ(plans_, 0);
  Run();
  EXPECT_EQ(retired->code(), StatusCode::kOk);
  EXPECT_EQ(next->code(), StatusCode::kOk);
  EXPECT_EQ(plans_, 1);
  EXPECT_EQ(one_->writer.counters().planned_ahead, 0u);
  ExpectSound(*one_);
}

TEST_F(AheadWriterTest, AnUnknownOutcomeKeepsNobodyWaitingInVain) {
  one_->store.FailNextCommits({Fault::kAmbiguousLate});
  const ResultPtr first = Submit(one_.get(), "a", "x");
  const ResultPtr second = Submit(one_.get(), "b", "x", "alice", Id128(), absl::Seconds(3));
  executor_.RunUntilIdle();
  one_->store.SetUnavailable(true);
  Run(absl::Seconds(12));
  EXPECT_EQ(first->code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(second->code(), StatusCode::kDeadlineExceeded);
  one_->store.SetUnavailable(false);
  Submit(one_.get(), "c");
  Run();
  ExpectSound(*one_);
}

// Planned ahead or not, nobody sees a difference but in speed.
INSTANTIATE_TEST_SUITE_P(WholeBatches, WriterTest, testing::Values(kMaxBatchChanges));
INSTANTIATE_TEST_SUITE_P(Ahead, WriterTest, testing::Values(1));

}  // namespace
}  // namespace trivium
