// For tests of the writer: a cluster on a FakeStore, with any number of writers, on an executor that moves
// when told.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controlplane/sync/cluster_mirror.h"
#include "controlplane/sync/follower.h"
#include "controlplane/writer/planner_fixture.h"
#include "controlplane/writer/writer.h"
#include "tests/support/fake_store.h"
#include "tests/support/manual_executor.h"

namespace trivium {

class WriterFixture : public testing::Test {
 protected:
  using Fault = FakeStore::CommitFault;

  // One control plane's part of it.
  struct Side {
    Side(std::shared_ptr<FakeDatabase> database, ManualExecutor* executor, ManualClock* clock, Random* random,
         Writer::Options options)
        : store(std::move(database), clock),
          mirror(ClusterRef{"aws", 1, 7}, true),
          follower(&mirror, &store, executor, random, Follower::Options()),
          writer(&mirror, &follower, &store, executor, clock, random, options,
                 [this](const Batch& batch) { published.push_back(batch); }) {}

    FakeStore store;
    ClusterMirror mirror;
    Follower follower;
    std::vector<Batch> published;
    Writer writer;
  };

  // What became of a request.
  struct Result {
    int answers = 0;
    v1::Reply reply;
    absl::StatusCode code() const { return static_cast<absl::StatusCode>(reply.code()); }
  };
  using ResultPtr = std::shared_ptr<Result>;

  // From how many waiting changes its writers plan ahead.
  explicit WriterFixture(size_t plan_ahead_from = kMaxBatchChanges)
      : executor_(&clock_), database_(std::make_shared<FakeDatabase>()), plan_ahead_from_(plan_ahead_from) {
    one_ = MakeSide();
  }

  std::unique_ptr<Side> MakeSide(Writer::Options options = Writer::Options()) {
    options.plan_ahead_from = plan_ahead_from_;
    auto side = std::make_unique<Side>(database_, &executor_, &clock_, &random_, options);
    side->store.SetDelay(absl::Milliseconds(2));
    side->store.OpenCluster(side->mirror.ref(), &executor_, [](const auto& head) { ASSERT_TRUE(head.ok()); });
    executor_.RunFor(absl::Milliseconds(10));
    side->follower.CatchUp([](const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; });
    executor_.RunFor(absl::Milliseconds(20));
    side->writer.memory()->SetCompleteSince(-absl::InfiniteDuration());
    return side;
  }

  // Creates or relabels a namespace.
  ResultPtr Submit(Side* side, const std::string& ns, const std::string& label = "x",
                   const std::string& actor = "alice", Id128 id = Id128(),
                   absl::Duration timeout = absl::Seconds(10)) {
    if (id.IsZero()) id = random_.NewId();
    Caller caller{Principal{"aws", "ctl", actor}, "test/1", id, 1};
    return SubmitPlan(side, caller, timeout, [this, caller, ns, label](Draft* draft) {
      ++plans_;
      return PlanAtomically(caller, draft, [&]() -> absl::StatusOr<Planned> {
        if (ns == "wrong") return absl::InvalidArgumentError("wrong");
        if (ns == "missing") return absl::NotFoundError("missing");
        Planned planned;
        v1::Object object;
        object.mutable_namespace_()->set_name(ns);
        object.mutable_namespace_()->mutable_meta()->set_uid(Id128{1, 1}.ToBytes());
        (*object.mutable_namespace_()->mutable_labels())["label"] = label;
        const v1::Object* before = draft->Find(v1::KIND_NAMESPACE, ns);
        v1::ApplyResult::Item* item = planned.reply.mutable_apply()->add_items();
        if (before != nullptr && before->namespace_().labels().at("label") == label) {
          item->set_action("unchanged");
          return planned;
        }
        item->set_action(before == nullptr ? "created" : "configured");
        planned.manifests.emplace_back(KeyOf(object), label);
        planned.audit.push_back(AuditOf(caller, "apply", KeyOf(object), label));
        draft->Upsert(std::move(object));
        return planned;
      });
    });
  }

  ResultPtr SubmitPlan(Side* side, const Caller& caller, absl::Duration timeout, Writer::PlanFunction plan) {
    auto result = std::make_shared<Result>();
    Writer::Write write;
    write.plan = std::move(plan);
    write.actor = caller.principal.ToString();
    write.request_id = caller.request_id;
    write.bytes = 100;
    write.timeout = timeout;
    write.answer = [result](const v1::Reply& reply) {
      ++result->answers;
      result->reply = reply;
    };
    side->writer.Submit(std::move(write));
    return result;
  }

  void Run(absl::Duration d = absl::Seconds(1)) { executor_.RunFor(d); }
  FakeDatabase::ClusterRows Rows() { return database_->Look(ClusterRef{"aws", 1, 7}); }
  static const std::string& Action(const ResultPtr& result) {
    return result->reply.apply().items(0).action();
  }

  // The log is gap-free and chained, and its objects are what the mirrors hold.
  void ExpectSound(const Side& side) {
    const FakeDatabase::ClusterRows rows = Rows();
    EXPECT_EQ(rows.log.size(), rows.head.revision);
    Replica replica("aws");
    v1::Snapshot empty;
    empty.mutable_head()->set_cluster("aws");
    empty.mutable_head()->set_epoch(rows.head.epoch);
    empty.mutable_head()->set_batch(Id128().ToBytes());
    empty.mutable_head()->set_digest(Id128().ToBytes());
    ASSERT_TRUE(replica.LoadSnapshot({empty}).ok());
    for (const auto& [revision, entry] : rows.log) {
      const absl::StatusOr<Batch> batch = DecodeBatch(entry.envelope);
      ASSERT_TRUE(batch.ok());
      ASSERT_EQ(replica.Apply(*batch), Replica::Outcome::kApplied) << revision;
    }
    EXPECT_EQ(replica.mirror().digest(), rows.head.digest);
    EXPECT_EQ(side.mirror.mirror().digest(), rows.head.digest);
    EXPECT_EQ(side.mirror.position().revision, rows.head.revision);
  }

  ManualClock clock_;
  ManualExecutor executor_;
  CountingRandom random_;
  std::shared_ptr<FakeDatabase> database_;
  const size_t plan_ahead_from_;
  std::unique_ptr<Side> one_;
  int plans_ = 0;
};

}  // namespace trivium
