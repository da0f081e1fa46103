// More of what every Store must do: writer leases, the end of logs, new epochs, reachability. Included beside
// store_contract.h, and instantiated with it.
#pragma once

#include "controlplane/store/epoch_reply.h"
#include "controlplane/store/event_cursors.h"
#include "tests/contract/store_contract.h"

namespace trivium {

TEST_P(StoreContract, AWriterLeaseHasOneHolderUntilItEnds) {
  ASSERT_TRUE(client_->OpenCluster(ClusterRef{"second", 1, 3}).ok());
  StoreClient other(harness_->Open());
  // Those that are free, whoever asks first; both see the same.
  absl::StatusOr<std::vector<WriterLease>> leases = client_->HoldLeases(1, {3, 1}, "cp1", absl::Seconds(100));
  ASSERT_TRUE(leases.ok()) << leases.status();
  ASSERT_EQ(leases->size(), 2u);
  for (const WriterLease& lease : *leases) {
    EXPECT_EQ(lease.holder, "cp1");
    EXPECT_EQ(lease.fence, 1u);
    EXPECT_GT(lease.left, absl::Seconds(90));
    EXPECT_LE(lease.left, absl::Seconds(100));
  }
  EXPECT_EQ((*leases)[0].cluster_id, 1u);
  EXPECT_EQ((*leases)[1].cluster_id, 3u);
  leases = other.HoldLeases(1, {1, 3}, "cp2", absl::Seconds(100));
  ASSERT_TRUE(leases.ok()) << leases.status();
  EXPECT_EQ((*leases)[0].holder, "cp1");
  // Renewing is no change of holder; what is another's is not given back.
  ASSERT_TRUE(other.ReleaseLeases(1, {1, 3}, "cp2").ok());
  leases = client_->HoldLeases(1, {1}, "cp1", absl::Seconds(50));
  EXPECT_EQ((*leases)[0].fence, 1u);
  EXPECT_LE((*leases)[0].left, absl::Seconds(50));
  // One given back is anybody's at once, the other one stays.
  ASSERT_TRUE(client_->ReleaseLeases(1, {1}, "cp1").ok());
  leases = other.HoldLeases(1, {1, 3}, "cp2", absl::Seconds(100));
  ASSERT_EQ(leases->size(), 2u);
  EXPECT_EQ((*leases)[0].holder, "cp2");
  EXPECT_EQ((*leases)[0].fence, 2u);
  EXPECT_EQ((*leases)[1].holder, "cp1");
  // So is one that has ended by itself.
  leases = client_->HoldLeases(1, {3}, "cp1", absl::ZeroDuration());
  EXPECT_LE((*leases)[0].left, absl::ZeroDuration());
  leases = other.HoldLeases(1, {3}, "cp2", absl::Seconds(100));
  EXPECT_EQ((*leases)[0].holder, "cp2");
}

TEST_P(StoreContract, ManyAskForALeaseAndOneGetsIt) {
  constexpr int kAskers = 6;
  std::vector<std::unique_ptr<StoreClient>> clients;
  for (int i = 0; i < kAskers; ++i) clients.push_back(std::make_unique<StoreClient>(harness_->Open()));
  for (int round = 0; round < 5; ++round) {
    std::vector<std::string> holders(kAskers);
    std::vector<std::thread> threads;
    for (int i = 0; i < kAskers; ++i) {
      threads.emplace_back([&, i] {
        const auto leases =
            clients[i]->HoldLeases(1, {1}, absl::StrCat("cp", i, "-", round), absl::Seconds(100));
        ASSERT_TRUE(leases.ok()) << leases.status();
        ASSERT_EQ(leases->size(), 1u);
        holders[i] = (*leases)[0].holder;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::set<std::string>(holders.begin(), holders.end()).size(), 1u) << "round " << round;
    ASSERT_TRUE(client_->ReleaseLeases(1, {1}, holders[0]).ok());
  }
}

TEST_P(StoreContract, ALogIsTrimmedToItsBounds) {
  for (uint64_t i = 1; i <= 6; ++i) {
    CommitRequest request = history_->Next(1);
    request.requests = {{Id128{i, i}, "a", "r"}};
    ASSERT_TRUE(client_->Commit(request).ok());
  }
  LogBounds bounds;
  bounds.revisions = 1;
  absl::StatusOr<Trimmed> trimmed = client_->TrimLog(kCluster, bounds);
  ASSERT_TRUE(trimmed.ok()) << trimmed.status();
  EXPECT_EQ(trimmed->log_floor, 0u) << "all are younger than a quarter of an hour";
  EXPECT_EQ(client_->ReadLog(kCluster, 0)->size(), 6u);
  bounds.at_least = absl::ZeroDuration();
  bounds.revisions = 4;
  trimmed = client_->TrimLog(kCluster, bounds);
  EXPECT_EQ(trimmed->log_floor, 2u);
  EXPECT_FALSE(trimmed->more);
  EXPECT_EQ(client_->ReadHead(kCluster)->log_floor, 2u);
  EXPECT_EQ(client_->ReadLog(kCluster, 1).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(client_->ReadLog(kCluster, 2)->size(), 4u);
  EXPECT_FALSE(client_->FindRequest(kCluster, Id128{2, 2}, "a")->has_value());
  EXPECT_TRUE(client_->FindRequest(kCluster, Id128{3, 3}, "a")->has_value()) << "as long as its revision";
  EXPECT_EQ(client_->TrimLog(kCluster, bounds)->log_floor, 2u) << "nothing more to do";
  bounds.at_most = absl::ZeroDuration();
  EXPECT_EQ(client_->TrimLog(kCluster, bounds)->log_floor, 6u) << "by age";
  EXPECT_EQ(client_->TrimLog(kCluster, bounds)->log_floor, 6u);
  Commit();
  EXPECT_EQ(client_->ReadLog(kCluster, 6)->size(), 1u);
  ExpectStateIs(history_->mirror());
  EXPECT_EQ(client_->TrimLog(kOther, bounds).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(StoreContract, ANewEpochKeepsItsReasonAndItsAnswer) {
  Commit(2);
  const AuditRow why{"aws:ctl:alice",  "triviumctl/1", Id128{5, 5}, "bump-epoch",
                     v1::KIND_CLUSTER, kCluster.name,  "a drill",   1'700'000'000'000'000};
  const absl::StatusOr<NewEpoch> epoch = client_->BumpEpoch(kCluster, 7, why);
  ASSERT_TRUE(epoch.ok()) << epoch.status();
  EXPECT_EQ(epoch->before.epoch, 1u);
  EXPECT_EQ(epoch->after.epoch, 7u);
  EXPECT_EQ(epoch->after.revision, 1u);
  EXPECT_EQ(epoch->after.last_batch, epoch->before.last_batch);
  const absl::StatusOr<std::optional<std::string>> kept =
      client_->FindRequest(kCluster, why.request_id, why.actor);
  ASSERT_TRUE(kept.ok() && kept->has_value()) << kept.status();
  EXPECT_EQ(**kept, EpochReply(kCluster.name, *epoch).SerializeAsString());
  // Twice at one revision, whose own requests left rows too.
  EXPECT_EQ(client_->BumpEpoch(kCluster, 7, AuditRow{"x", "x", {}, "bump-epoch"})->after.epoch, 8u);
}

TEST_P(StoreContract, AnEventCursorNeverGoesBackWithinOneStream) {
  auto* const cursors = dynamic_cast<EventCursors*>(client_->store());
  ASSERT_NE(cursors, nullptr);
  LoopExecutor executor("cursors");
  const auto read = [&] {
    return Await<std::optional<EventCursor>>(
        [&](auto done) { cursors->ReadEventCursor(kCluster, &executor, done); });
  };
  const auto write = [&](const EventCursor& cursor) {
    return AwaitDone([&](auto done) { cursors->WriteEventCursor(kCluster, cursor, &executor, done); });
  };
  ASSERT_TRUE(read().ok()) << read().status();
  EXPECT_FALSE(read()->has_value());
  const EventCursor first{"aws:1:7:0", 2, Id128{1, 2}, 12, "a stream"};
  ASSERT_TRUE(write(first).ok());
  ASSERT_TRUE(read()->has_value());
  EXPECT_EQ(**read(), first);
  // A relay that is late.
  ASSERT_TRUE(write({"aws:1:6:0", 1, Id128{}, 11, "a stream"}).ok());
  EXPECT_EQ(**read(), first);
  const EventCursor next{"aws:1:8:lost", 0, Id128{}, 13, "a stream"};
  ASSERT_TRUE(write(next).ok());
  EXPECT_EQ(**read(), next);
  // Another stream begins where it begins.
  const EventCursor anew{"aws:1:8:begin", 0, Id128{}, 1, "another stream"};
  ASSERT_TRUE(write(anew).ok());
  EXPECT_EQ(**read(), anew);
}

// A row about one peer, for every port.
inline ReachabilityRow Reaches(uint32_t identity, uint32_t peer) {
  ReachabilityRow row;
  row.identity = identity;
  row.peer = peer;
  row.protocols = kEveryProtocol;
  row.last_port = 65535;
  return row;
}

TEST_P(StoreContract, ReachabilityIsReplacedPieceByPiece) {
  absl::StatusOr<ReachabilityState> state = client_->OpenReachability(kCluster);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->writes, 0u);
  EXPECT_FALSE(state->complete);
  EXPECT_TRUE(state->positions.empty());

  ReachabilityWrite write;
  write.state.positions = {{kCluster.name, 1, 5}, {kOther.name, 1, 9}};
  write.state.rows = 3;
  write.state.writer = "cp1";
  write.replaced = {300, 301};
  write.rows = {Reaches(300, 1), Reaches(300, 700), Reaches(301, 700)};
  write.rows[0].ingress = true;
  write.rows[0].origin = "built-in";
  write.selections = {{300, "NetworkPolicy", "shop", "db", true, false}};
  ASSERT_TRUE(client_->WriteReachability(kCluster, write).ok());
  const std::vector<std::string> first = {"300:db", "300>1", "300>700", "301>700"};
  EXPECT_EQ(harness_->ReachabilityOf(kCluster), first);
  state = client_->OpenReachability(kCluster);
  EXPECT_EQ(state->writes, 1u);
  EXPECT_FALSE(state->complete);
  EXPECT_EQ(state->positions, write.state.positions);
  EXPECT_EQ(state->rows, 3u);
  EXPECT_EQ(state->writer, "cp1");
  EXPECT_TRUE(harness_->ReachabilityOf(kOther).empty());

  // What is about one peer alone: of those that are named.
  ReachabilityWrite peer;
  peer.state = write.state;
  peer.state.writes = 1;
  peer.state.complete = true;
  peer.kept = {301};
  peer.changed_peers = {700, 701};
  peer.rows = {Reaches(301, 701)};
  ASSERT_TRUE(client_->WriteReachability(kCluster, peer).ok());
  const std::vector<std::string> second = {"300:db", "300>1", "300>700", "301>701"};
  EXPECT_EQ(harness_->ReachabilityOf(kCluster), second);
  EXPECT_TRUE(client_->OpenReachability(kCluster)->complete);

  // And what is left of identities that are gone.
  ReachabilityWrite only;
  only.state = write.state;
  only.state.writes = 2;
  only.state.problem = "why";
  only.only = {301};
  ASSERT_TRUE(client_->WriteReachability(kCluster, only).ok());
  EXPECT_EQ(harness_->ReachabilityOf(kCluster), std::vector<std::string>{"301>701"});
  EXPECT_EQ(client_->OpenReachability(kCluster)->problem, "why");
}

TEST_P(StoreContract, ALateReachabilityWriteChangesNothing) {
  ASSERT_TRUE(client_->OpenReachability(kCluster).ok());
  ReachabilityWrite write;
  write.state.positions = {{kCluster.name, 2, 5}};
  write.replaced = {300};
  write.rows = {Reaches(300, 1)};
  ASSERT_TRUE(client_->WriteReachability(kCluster, write).ok());
  const std::vector<std::string> there = {"300>1"};

  ReachabilityWrite late = write;
  late.rows = {Reaches(300, 2)};
  EXPECT_EQ(client_->WriteReachability(kCluster, late).code(), absl::StatusCode::kAborted)
      << "another write came between";
  late.state.writes = 1;
  late.state.positions = {{kCluster.name, 2, 4}};
  EXPECT_EQ(client_->WriteReachability(kCluster, late).code(), absl::StatusCode::kAborted)
      << "of an older revision";
  late.state.positions = {{kCluster.name, 1, 9}};
  EXPECT_EQ(client_->WriteReachability(kCluster, late).code(), absl::StatusCode::kAborted)
      << "of an older epoch";
  late.state.positions = {{kOther.name, 2, 9}};
  EXPECT_EQ(client_->WriteReachability(kCluster, late).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(harness_->ReachabilityOf(kCluster), there);
  EXPECT_EQ(client_->OpenReachability(kCluster)->writes, 1u);
  late.state.positions = {{kCluster.name, 3, 0}};
  EXPECT_TRUE(client_->WriteReachability(kCluster, late).ok());
  EXPECT_EQ(harness_->ReachabilityOf(kCluster), std::vector<std::string>{"300>2"});
}

TEST_P(StoreContract, OfManyReachabilityWritersOneWins) {
  ASSERT_TRUE(client_->OpenReachability(kCluster).ok());
  constexpr uint32_t kWriters = 6;
  std::vector<std::unique_ptr<StoreClient>> clients;
  for (uint32_t i = 0; i < kWriters; ++i) clients.push_back(std::make_unique<StoreClient>(harness_->Open()));
  for (uint64_t round = 0; round < 5; ++round) {
    std::atomic<int> won{0};
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < kWriters; ++i) {
      threads.emplace_back([&, i] {
        ReachabilityWrite write;
        write.state.writes = round;
        write.state.positions = {{kCluster.name, 1, 1}};
        write.replaced = {300};
        write.rows = {Reaches(300, 1000 + i)};
        const absl::Status status = clients[i]->WriteReachability(kCluster, write);
        won += status.ok() ? 1 : 0;
        EXPECT_TRUE(status.ok() || absl::IsAborted(status)) << status;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(won.load(), 1) << "round " << round;
    EXPECT_EQ(harness_->ReachabilityOf(kCluster).size(), 1u);
  }
}

}  // namespace trivium
