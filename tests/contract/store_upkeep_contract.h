// More of what every Store must do: writer leases, the end of logs, new epochs. Included beside
// store_contract.h, and instantiated with it.
#pragma once

#include "controlplane/store/epoch_reply.h"
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

}  // namespace trivium
