// The relay on fakes: every place where it, the stream's server or the database can die.
#include "controlplane/relay/cluster_relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "schema/subjects.h"
#include "tests/contract/random_history.h"
#include "tests/support/fake_event_stream.h"
#include "tests/support/fake_store.h"
#include "tests/support/manual_executor.h"

namespace trivium {
namespace {

using json::Json;
using Fate = FakeStreamServer::Fate;
using testing::ElementsAre;
using testing::HasSubstr;

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override {  // splitmix64
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint64_t Below(uint64_t bound) { return Next() % bound; }

 private:
  uint64_t state_;
};

class RelayTest : public testing::Test {
 protected:
  RelayTest() { Open(); }
  ~RelayTest() override { relays_.clear(); }

  void Open() {
    store_.OpenCluster(cluster_, &executor_, [](const absl::StatusOr<StoredHead>& head) {
      ASSERT_TRUE(head.ok()) << head.status();
    });
    executor_.RunUntilIdle();
    history_ = std::make_unique<RandomHistory>(cluster_, Rows().head, 5);
  }
  FakeDatabase::ClusterRows Rows() { return store_.database()->Look(cluster_); }

  void Start() {
    ClusterRelay::Options options;
    options.publisher.max_events = 8;
    options.page_rows = 5;
    options.publisher.timeout = absl::Milliseconds(300);
    relays_.push_back(std::make_unique<ClusterRelay>(
        cluster_, ClusterRelay::Drivers{&store_, &store_, &stream_, &executor_, &clock_, &random_}, options));
    relays_.back()->Start();
  }
  // As by SIGKILL: nothing of it is left but what is on its way.
  void Kill() { relays_.pop_back(); }
  ClusterRelay* relay() { return relays_.back().get(); }

  // Commits as many batches; every event that they make is expected once.
  void Commit(size_t batches, size_t changes = 3) {
    for (size_t i = 0; i < batches; ++i) Commit(history_->Next(1 + random_.Below(changes)));
  }
  void Commit(CommitRequest request) {
    for (const Event& event : EventsOf(request.batch)) expected_.push_back(event.id);
    absl::Status status = absl::UnknownError("no answer");
    store_.Commit(std::make_shared<const CommitRequest>(std::move(request)), &executor_,
                  [&](const absl::Status& done) { status = done; });
    for (int i = 0; i < 100 && absl::IsUnknown(status); ++i) executor_.RunFor(absl::Milliseconds(1));
    ASSERT_TRUE(status.ok()) << status;
  }
  void RunFor(absl::Duration d) { executor_.RunFor(d); }
  // Long enough for every backoff.
  void Settle() { executor_.RunFor(absl::Seconds(30)); }

  FakeStreamServer::Stream* held() { return server_.Find("TRIVIUM-EV-aws"); }
  std::vector<std::string> Ids(bool markers = false) {
    std::vector<std::string> ids;
    for (const auto& [sequence, message] : held()->messages) {
      const bool marker = absl::StrContains(message.subject, "._log.");
      if (markers || !marker) ids.push_back(message.id);
    }
    return ids;
  }
  std::vector<Json> Events() {
    std::vector<Json> events;
    for (const auto& [sequence, message] : held()->messages) events.push_back(Json::parse(message.payload));
    return events;
  }
  std::vector<std::string> Markers() {
    std::vector<std::string> markers;
    for (const Json& event : Events()) {
      if (absl::StrContains(event["type"].get<std::string>(), "_log")) markers.push_back(event["id"]);
    }
    return markers;
  }
  // On each subject every event names the one before it; a marker counts as one on every subject.
  void ExpectChained() {
    std::map<std::string, std::pair<std::string, std::string>> last;
    std::pair<std::string, std::string> marker;
    for (const auto& [sequence, message] : held()->messages) {
      const Json event = Json::parse(message.payload);
      if (absl::StrContains(message.subject, "._log.")) {
        last.clear();
        marker = {event["id"], event["revision"]};
        continue;
      }
      const auto known = last.find(message.subject);
      const auto& previous = known == last.end() ? marker : known->second;
      EXPECT_EQ(event.value("previd", ""), previous.first) << message.id;
      EXPECT_EQ(event.value("prevrevision", ""), previous.second) << message.id;
      last[message.subject] = {event["id"], event["revision"]};
    }
  }

  const ClusterRef cluster_{"aws", 1, 1};
  ManualClock clock_;
  ManualExecutor executor_{&clock_};
  SeededRandom random_{3};
  FakeStore store_{&clock_};
  FakeStreamServer server_;
  FakeEventStream stream_{&server_, &executor_};
  std::unique_ptr<RandomHistory> history_;
  std::vector<std::string> expected_;
  std::vector<std::unique_ptr<ClusterRelay>> relays_;
};

TEST_F(RelayTest, EveryChangeComesOnceInOrderAndChained) {
  Start();
  Commit(20);
  Settle();
  Commit(20);
  Settle();
  EXPECT_EQ(Ids(), expected_);
  EXPECT_THAT(Markers(), ElementsAre("aws:1:0:begin"));
  ExpectChained();
  EXPECT_EQ(relay()->behind(), 0u);
  EXPECT_EQ(relay()->problem(), "");
  EXPECT_EQ(relay()->counters().published, expected_.size() + 1);
}

TEST_F(RelayTest, ARestartGoesOnWhereTheStreamEnds) {
  Start();
  Commit(10);
  Settle();
  for (int i = 0; i < 5; ++i) {
    Kill();
    Commit(3);
    Start();
    Settle();
  }
  EXPECT_EQ(Ids(), expected_);
  EXPECT_EQ(Markers().size(), 1u);
  ExpectChained();
}

// Killed after every single message that was stored, with and without its answer heard.
TEST_F(RelayTest, KilledAnywhereItLosesAndRepeatsNothing) {
  Commit(12);
  bool kill = false;
  uint64_t count = 0;
  server_.SetJudge([&](const EventMessage&) {
    kill = true;
    return ++count % 2 == 0 ? Fate::kAnswerLost : Fate::kStored;
  });
  for (int lives = 0; lives < 200; ++lives) {
    Start();
    kill = false;
    for (int i = 0; i < 2000 && !kill; ++i) RunFor(absl::Milliseconds(1));
    Kill();
  }
  Start();
  server_.SetJudge(nullptr);
  Settle();
  EXPECT_EQ(Ids(), expected_);
  ExpectChained();
}

TEST_F(RelayTest, LostAndLateMessagesAndAnswersChangeNothing) {
  Start();
  server_.SetJudge([this](const EventMessage&) {
    const uint64_t fate = random_.Below(40);
    return fate == 0 ? Fate::kLost : fate == 1 ? Fate::kAnswerLost : fate == 2 ? Fate::kLate : Fate::kStored;
  });
  for (int i = 0; i < 40; ++i) {
    Commit(2);
    RunFor(absl::Milliseconds(200));
  }
  server_.SetJudge(nullptr);
  Settle();
  EXPECT_EQ(Ids(), expected_);
  ExpectChained();
  EXPECT_GT(relay()->counters().failures, 3u);
}

TEST_F(RelayTest, SeveralAtOncePublishEachOnce) {
  // The fence alone keeps them apart.
  server_.SetJudge([this](const EventMessage&) {
    server_.EndWindow();
    return Fate::kStored;
  });
  for (int i = 0; i < 3; ++i) Start();
  for (int i = 0; i < 30; ++i) {
    Commit(2);
    RunFor(absl::Milliseconds(300));
  }
  Settle();
  EXPECT_EQ(Ids(), expected_);
  EXPECT_EQ(Markers().size(), 1u);
  ExpectChained();
  uint64_t lost = 0;
  for (const auto& relay : relays_) lost += relay->counters().lost_races;
  EXPECT_GT(lost, 0u);
  // And the others go on when one dies.
  while (relays_.size() > 1) {
    Kill();
    Commit(3);
    Settle();
    EXPECT_EQ(Ids(), expected_);
  }
}

TEST_F(RelayTest, AServerThatForgotTheLastIdIsFencedBySequence) {
  Start();
  Commit(3);
  Settle();
  server_.ForgetIds();
  Commit(3);
  Settle();
  EXPECT_EQ(Ids(), expected_);
  ExpectChained();
}

TEST_F(RelayTest, WithTheStreamDownEventsComeLater) {
  Start();
  Commit(3);
  Settle();
  server_.SetUp(false);
  Commit(5);
  RunFor(absl::Seconds(20));
  EXPECT_THAT(relay()->problem(), HasSubstr("down"));
  server_.SetUp(true);
  Settle();
  EXPECT_EQ(Ids(), expected_);
  EXPECT_EQ(relay()->problem(), "");
}

TEST_F(RelayTest, WithTheDatabaseDownTheStreamStands) {
  Start();
  Commit(3);
  Settle();
  store_.SetUnavailable(true);
  RunFor(absl::Seconds(20));
  EXPECT_NE(relay()->problem(), "");
  store_.SetUnavailable(false);
  Commit(3);
  Settle();
  EXPECT_EQ(Ids(), expected_);
}

TEST_F(RelayTest, AnEmptyStreamIsContinuedFromTheDatabasesCursor) {
  Start();
  Commit(10);
  Settle();
  server_.Expire("TRIVIUM-EV-aws");
  Kill();
  expected_.clear();
  Commit(4);
  Start();
  Settle();
  EXPECT_EQ(Ids(), expected_);
  EXPECT_THAT(Markers(), ElementsAre());
}

// The cursor in the database is older than what the limits have taken.
TEST_F(RelayTest, WhatWasPublishedAfterTheDatabasesCursorIsCounted) {
  Start();
  Commit(6);
  Settle();
  const EventCursor old = *Rows().event_cursor;
  for (int round = 0; round < 4; ++round) {
    Commit(5);
    RunFor(absl::Milliseconds(600));  // published; the cursor is written two seconds later
    ASSERT_EQ(held()->last_id, expected_.back());
    server_.Expire("TRIVIUM-EV-aws");
    Kill();
    ASSERT_NE(Rows().event_cursor->event, expected_.back());
    Start();
    RunFor(absl::Milliseconds(100));
  }
  expected_.clear();
  Commit(3);
  Settle();
  EXPECT_EQ(Ids(true), expected_);
  EXPECT_NE(*Rows().event_cursor, old);
}

TEST_F(RelayTest, AStreamMadeAnewBeginsWithAWordAndRepeatsNothing) {
  Start();
  Commit(6);
  Settle();
  const uint64_t revision = Rows().head.revision;
  Kill();
  server_.Delete("TRIVIUM-EV-aws");
  expected_.clear();
  Commit(3);
  Start();
  Settle();
  EXPECT_EQ(Ids(), expected_);
  EXPECT_THAT(Markers(), ElementsAre(absl::StrCat("aws:1:", revision, ":begin")));
  ExpectChained();
}

TEST_F(RelayTest, AStreamDeletedUnderARunningRelayIsMadeAnew) {
  Start();
  Commit(6);
  Settle();
  server_.Delete("TRIVIUM-EV-aws");
  expected_.clear();
  Commit(3);
  Settle();
  EXPECT_EQ(Ids(), expected_);
  EXPECT_EQ(Markers().size(), 1u);
}

TEST_F(RelayTest, WhatWasCompactedBeforeItWasReadIsSaidToBeLost) {
  Start();
  Commit(6);
  Settle();
  const uint64_t published = Rows().head.revision;
  Kill();
  Commit(10);
  const uint64_t floor = Rows().head.revision - 2;
  absl::Status compacted = absl::UnknownError("");
  store_.Compact(cluster_, floor, absl::InfinitePast(), &executor_,
                 [&](const absl::Status& status) { compacted = status; });
  executor_.RunUntilIdle();
  ASSERT_TRUE(compacted.ok());
  Start();
  Settle();
  EXPECT_THAT(Markers(), ElementsAre("aws:1:0:begin", absl::StrCat("aws:1:", floor, ":lost")));
  ExpectChained();
  const std::vector<Json> events = Events();
  for (const Json& event : events) {
    if (!absl::StrContains(event["type"].get<std::string>(), "lost")) continue;
    EXPECT_EQ(event["data"]["previousrevision"], absl::StrCat(published));
  }
  EXPECT_EQ(relay()->counters().losses, 1u);
  EXPECT_EQ(Ids().back(), expected_.back());
  // Nothing between the two.
  for (const std::string& id : Ids()) {
    const auto position = ParseEventPosition("aws", id, "1000", "");
    ASSERT_TRUE(position.ok());
    EXPECT_TRUE(position->revision <= published || position->revision > floor) << id;
  }
}

class EpochTest : public RelayTest {
 protected:
  void BeginEpoch() {
    absl::StatusOr<NewEpoch> epoch = absl::UnknownError("");
    store_.BumpEpoch(cluster_, 100, AuditRow{"test", "test/1", {}, "bump-epoch"}, &executor_,
                     [&](const absl::StatusOr<NewEpoch>& answer) { epoch = answer; });
    executor_.RunUntilIdle();
    ASSERT_TRUE(epoch.ok()) << epoch.status();
    history_->set_head(epoch->after);
  }
  void Restore(const FakeDatabase::Rows& rows, uint64_t seed) {
    store_.database()->Restore(rows);
    history_ = std::make_unique<RandomHistory>(cluster_, Rows().head, seed);
  }
};

TEST_F(EpochTest, ANewEpochIsSaid) {
  Start();
  Commit(5);
  Settle();
  BeginEpoch();
  Settle();
  EXPECT_THAT(Markers(), ElementsAre("aws:1:0:begin", "aws:100:5:epoch"));
  Commit(5);
  Settle();
  EXPECT_EQ(Ids(), expected_);
  ExpectChained();
}

TEST_F(EpochTest, TheOldEpochsRestComesBeforeTheNewOne) {
  Start();
  Commit(5);
  Settle();
  Kill();
  Commit(5);
  BeginEpoch();
  Commit(5);
  BeginEpoch();
  Commit(2);
  Start();
  Settle();
  EXPECT_EQ(Ids(), expected_);
  EXPECT_THAT(Markers(), ElementsAre("aws:1:0:begin", "aws:100:10:epoch", "aws:101:15:epoch"));
  ExpectChained();
}

TEST_F(EpochTest, AfterARestoreTheLostHistoryIsVoidAndTheNewOneWhole) {
  Start();
  Commit(5);
  Settle();
  const FakeDatabase::Rows backup = store_.database()->Save();
  Commit(10);
  Settle();
  const std::vector<std::string> before = Ids();
  Restore(backup, 77);
  // No control plane has noticed: nothing is published.
  RunFor(absl::Seconds(5));
  EXPECT_THAT(relay()->problem(), HasSubstr("restored"));
  EXPECT_EQ(Ids(), before);
  BeginEpoch();
  expected_ = before;
  Commit(20);  // beyond what was published before
  Settle();
  EXPECT_EQ(Ids(), expected_);
  EXPECT_THAT(Markers(), ElementsAre("aws:1:0:begin", "aws:100:5:epoch"));
  ExpectChained();
}

TEST_F(EpochTest, ARestoreWhileTheRelayWasAwayIsFoundInTheLog) {
  Start();
  Commit(5);
  Settle();
  const FakeDatabase::Rows backup = store_.database()->Save();
  Commit(10);
  Settle();
  Kill();
  const std::vector<std::string> before = Ids();
  Restore(backup, 78);
  Commit(1);  // by one that has not noticed
  BeginEpoch();
  expected_ = before;
  Commit(30);
  Start();
  Settle();
  EXPECT_EQ(Ids(), expected_);
  EXPECT_THAT(Markers(), ElementsAre("aws:1:0:begin", "aws:100:6:epoch"));
}

TEST_F(EpochTest, AnotherHistoryUnderTheSameEpochIsNotPublished) {
  Start();
  Commit(5);
  Settle();
  const FakeDatabase::Rows backup = store_.database()->Save();
  Commit(3);
  Settle();
  Kill();
  const std::vector<std::string> before = Ids();
  Restore(backup, 79);
  Commit(10);
  Start();
  RunFor(absl::Seconds(10));
  EXPECT_THAT(relay()->problem(), HasSubstr("does not follow"));
  EXPECT_EQ(Ids(), before);
  BeginEpoch();
  expected_ = before;
  Commit(2);
  Settle();
  EXPECT_EQ(Ids(), expected_);
  EXPECT_THAT(Markers(), ElementsAre("aws:1:0:begin", "aws:100:15:epoch"));
}

TEST_F(RelayTest, WhatTheServerDoesNotTakeComesWithoutItsSpec) {
  server_.SetMaxPayload(100 * 1024);
  Start();
  v1::Object object = NamespaceObject("large");
  for (int i = 0; i < 2000; ++i) {
    (*object.mutable_namespace_()->mutable_labels())[absl::StrCat("key-", i)] = std::string(60, 'x');
  }
  Commit(history_->Next({UpsertOf(object)}));
  Commit(2);
  Settle();
  EXPECT_EQ(Ids(), expected_);
  EXPECT_TRUE(Events()[1].contains("dataomitted"));
}

TEST_F(RelayTest, ADrainLeavesTheCursorAtTheEnd) {
  Start();
  Commit(5);
  RunFor(absl::Milliseconds(400));
  bool drained = false;
  relay()->Drain([&] { drained = true; });
  executor_.RunUntilIdle();
  EXPECT_TRUE(drained);
  EXPECT_EQ(Rows().event_cursor->event, held()->last_id);
}

TEST_F(RelayTest, AMessageThatNoRelayWroteStopsIt) {
  Start();
  Commit(2);
  Settle();
  bool stored = false;
  stream_.Publish("TRIVIUM-EV-aws", {"trivium.v1.ev.aws.policy.x.upsert", "forged", {}, "{}"},
                  {held()->last, ""}, absl::Seconds(1),
                  [&](const absl::StatusOr<uint64_t>& sequence) { stored = sequence.ok(); });
  executor_.RunUntilIdle();
  ASSERT_TRUE(stored);
  Commit(1);
  Settle();
  EXPECT_THAT(relay()->problem(), HasSubstr("forged"));
}

// Everything at once, by seeds.
TEST_F(RelayTest, RandomDeathsLoseAndRepeatNothing) {
  server_.SetJudge([this](const EventMessage&) {
    const uint64_t fate = random_.Below(60);
    return fate == 0 ? Fate::kLost : fate == 1 ? Fate::kAnswerLost : fate == 2 ? Fate::kLate : Fate::kStored;
  });
  for (int step = 0; step < 400; ++step) {
    switch (random_.Below(8)) {
      case 0:
        if (!relays_.empty()) Kill();
        break;
      case 1:
        if (relays_.size() < 3) Start();
        break;
      case 2:
        server_.SetUp(random_.Below(4) != 0);
        break;
      case 3:
        store_.SetUnavailable(false);
        Commit(1 + random_.Below(4));
        store_.SetUnavailable(random_.Below(5) == 0);
        break;
      case 4:
        server_.ForgetIds();
        break;
      default:
        break;
    }
    RunFor(absl::Milliseconds(static_cast<int64_t>(random_.Below(600))));
  }
  server_.SetJudge(nullptr);
  server_.SetUp(true);
  store_.SetUnavailable(false);
  Start();
  Settle();
  EXPECT_GT(expected_.size(), 100u);
  EXPECT_EQ(Ids(), expected_);
  EXPECT_EQ(Markers().size(), 1u);
  ExpectChained();
}

}  // namespace
}  // namespace trivium
