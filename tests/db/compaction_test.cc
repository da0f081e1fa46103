// The end of log rows in PostgreSQL, by the database's own clock: ages, a crash between the floor and the
// deletion, and readers meanwhile.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controlplane/migrate/migrations.h"
#include "controlplane/migrate/migrator.h"
#include "controlplane/store/sql_store.h"
#include "tests/contract/random_history.h"
#include "tests/contract/store_client.h"
#include "tests/db/sql_world.h"

namespace trivium {
namespace {

class CompactionTest : public testing::Test {
 protected:
  CompactionTest() {
    SqlStore::Options options = StoreOn(world_.options());
    options.compact_step = 3;
    options.trim_step = 8;
    client_ = std::make_unique<StoreClient>(std::make_unique<SqlStore>(options, RealRandom()));
    history_ = std::make_unique<RandomHistory>(kCluster, *client_->OpenCluster(kCluster), 1);
  }
  void Commit(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      CommitRequest request = history_->Next(1);
      const uint64_t revision = request.batch.revision;
      request.requests = {{Id128{revision, 1}, "a", "r"}};
      ASSERT_TRUE(client_->Commit(request).ok());
    }
  }
  // Lets the first revisions be older than they are.
  void Age(uint64_t up_to, int minutes) {
    for (const char* table : {"change_log", "requests"}) {
      MustRun(world_.options(), absl::StrCat("UPDATE ", table, " SET created_at = created_at - INTERVAL '",
                                             minutes, " minutes' WHERE revision <= ", up_to, " RETURNING 1"));
    }
  }
  int Rows(const std::string& table) { return MustRun(world_.options(), "SELECT 1 FROM " + table).rows(); }
  uint64_t Trim(const LogBounds& bounds, bool more = false) {
    const absl::StatusOr<Trimmed> trimmed = client_->TrimLog(kCluster, bounds);
    EXPECT_TRUE(trimmed.ok()) << trimmed.status();
    EXPECT_EQ(trimmed->more, more);
    return trimmed->log_floor;
  }

  const ClusterRef kCluster{"aws", 1, 1};
  SqlWorld world_;
  std::unique_ptr<StoreClient> client_;
  std::unique_ptr<RandomHistory> history_;
};

TEST_F(CompactionTest, WhatIsYoungerThanAQuarterOfAnHourStays) {
  Commit(7);
  Age(5, 14);
  LogBounds bounds;
  bounds.revisions = 1;
  EXPECT_EQ(Trim(bounds), 0u);
  Age(4, 2);  // 16 minutes
  EXPECT_EQ(Trim(bounds), 4u);
  EXPECT_EQ(Rows("change_log"), 3);
  EXPECT_EQ(Rows("requests"), 3);
  bounds.revisions = 100;
  Age(6, 50);
  EXPECT_EQ(Trim(bounds), 5u) << "the sixth is not an hour old, and there are not too many";
}

TEST_F(CompactionTest, AgesCountInOrderOfRevisions) {
  // A transaction that began later may have the lower revision.
  Commit(6);
  Age(6, 120);
  MustRun(world_.options(), "UPDATE change_log SET created_at = now() WHERE revision = 3 RETURNING 1");
  EXPECT_EQ(Trim(LogBounds()), 2u) << "no hole";
}

TEST_F(CompactionTest, GoesInStepsAndFinishesWhatACrashLeft) {
  Commit(20);
  Age(20, 120);
  EXPECT_EQ(Trim(LogBounds(), true), 8u);
  EXPECT_EQ(Rows("change_log"), 12);
  // A process that dies behind the floor's update, before it has deleted anything.
  MustRun(world_.options(), "UPDATE cluster_rev SET log_floor = 15 RETURNING 1");
  EXPECT_EQ(client_->ReadLog(kCluster, 14).status().code(), absl::StatusCode::kOutOfRange)
      << "nobody takes what is left for the whole log";
  EXPECT_EQ(client_->ReadLog(kCluster, 15)->size(), 5u);
  EXPECT_EQ(Trim(LogBounds(), true), 16u);
  EXPECT_EQ(Rows("change_log"), 4);
  EXPECT_EQ(Rows("requests"), 4);
  EXPECT_EQ(Trim(LogBounds()), 20u);
  EXPECT_EQ(Rows("change_log"), 0);
  // Left behind though the bounds allow nothing more.
  Commit(3);
  MustRun(world_.options(), "UPDATE cluster_rev SET log_floor = 22 RETURNING 1");
  EXPECT_EQ(Trim(LogBounds()), 22u);
  EXPECT_EQ(Rows("change_log"), 1);
}

TEST_F(CompactionTest, AnEpochsRequestOutlivesTheOldRevisionThatItStandsAt) {
  Commit(2);
  Age(2, 120);
  const AuditRow why{"aws:ctl:alice", "triviumctl/1", Id128{9, 9}, "bump-epoch"};
  ASSERT_TRUE(client_->BumpEpoch(kCluster, 0, why).ok());
  EXPECT_EQ(Trim(LogBounds()), 2u);
  EXPECT_TRUE(client_->FindRequest(kCluster, Id128{9, 9}, why.actor)->has_value());
  EXPECT_FALSE(client_->FindRequest(kCluster, Id128{2, 1}, "a")->has_value());
  EXPECT_EQ(
      MustRun(world_.options(), "SELECT 1 FROM audit WHERE verb = 'bump-epoch' AND revision = 2").rows(), 1);
}

TEST_F(CompactionTest, AReaderSeesTheLogWholeOrIsToldToTakeASnapshot) {
  Commit(30);
  Age(30, 120);
  StoreClient reader(std::make_unique<SqlStore>(StoreOn(world_.options()), RealRandom()));
  std::vector<LogRow> rows = *reader.ReadLog(kCluster, 0, 5);
  ASSERT_EQ(rows.size(), 5u);
  EXPECT_EQ(Trim(LogBounds(), true), 8u);
  EXPECT_EQ(reader.ReadLog(kCluster, 5, 5).status().code(), absl::StatusCode::kOutOfRange);
  const absl::StatusOr<v1::Snapshot> snapshot = reader.ReadSnapshot(kCluster);
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  EXPECT_EQ(snapshot->head().revision(), 30u);
}

}  // namespace
}  // namespace trivium
