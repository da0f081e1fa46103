// The end of old log rows, and new epochs that people ask for, through whole control planes on fake drivers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/flow/controlplane_fixture.h"

namespace trivium {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

class EpochFlowTest : public ControlPlaneTest {
 protected:
  v1::Reply Bump(const std::string& reason, const std::string& principal = "aws:ctl:alice",
                 const Id128& id = Id128()) {
    v1::Request request;
    if (!id.IsZero()) request.set_request_id(id.ToBytes());
    request.mutable_bump_epoch()->set_reason(reason);
    return Call(std::move(request), "bump-epoch", principal);
  }
  v1::Head OwnHead() { return aws_->app->cluster()->mirror()->replica().head(); }
  // A mirror that holds what SQL holds.
  void ExpectAtHead(const std::unique_ptr<Process>& process) {
    const FakeDatabase::ClusterRows rows = Rows();
    const ClusterMirror& mirror = *process->app->mirrors()->Find("aws")->mirror;
    EXPECT_EQ(mirror.position(), (Position{rows.head.epoch, rows.head.revision, rows.head.last_batch}));
    EXPECT_EQ(mirror.mirror().digest(), rows.head.digest);
    EXPECT_EQ(mirror.mirror().size(), rows.objects.size());
  }

  std::unique_ptr<Process> aws_;
};

TEST_F(EpochFlowTest, TheLogIsKeptWithinItsBoundsByTheHolder) {
  ControlPlaneConfig config = Config("aws", "aws-cp1");
  config.log_revisions = 5;
  aws_ = Launch(config);
  config.instance = "aws-cp2";
  std::unique_ptr<Process> second = Launch(config);
  Run(absl::Seconds(2));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(Apply(NamespaceYaml(absl::StrCat("ns", i))).code(), 0u);
  const v1::Head early = OwnHead();
  Run(absl::Minutes(10));
  EXPECT_EQ(Rows().head.log_floor, 0u) << "too young, however many there are";
  Run(absl::Minutes(8));
  EXPECT_EQ(Rows().head.log_floor, Rows().head.revision - 5);
  EXPECT_EQ(Rows().log.size(), 5u);
  EXPECT_GE(aws_->app->cluster()->log().counters().steps, 1u);
  EXPECT_EQ(second->app->cluster()->log().counters().steps, 0u) << "the holder alone";
  Run(absl::Minutes(60));
  EXPECT_TRUE(Rows().log.empty()) << "none is older than an hour";
  // The mesh's own log too.
  EXPECT_GT(database_->Look(ClusterRef{kMeshCluster, 0, kMeshClusterId}).head.log_floor, 0u);
  // Whoever holds the head needs nothing, whoever is behind the floor takes a snapshot. The fresh process has
  // no tail in memory that reaches further back.
  Kill(&aws_);
  Kill(&second);
  aws_ = Start("aws", "aws-cp3");
  EXPECT_FALSE(Sync("aws", early).has_snapshot());
  v1::Head behind = early;
  behind.set_revision(early.revision() - 10);
  behind.set_batch(Id128{1, 1}.ToBytes());
  const v1::SyncReply reply = Sync("aws", behind);
  EXPECT_TRUE(reply.has_snapshot());
  EXPECT_EQ(reply.head().revision(), early.revision());
  EXPECT_EQ(Apply(NamespaceYaml("late")).code(), 0u) << "writing goes on";
  ExpectAtHead(aws_);
}

TEST_F(EpochFlowTest, AnOperatorBeginsANewEpochAndEveryMirrorFollows) {
  aws_ = Start("aws", "aws-cp1");
  std::unique_ptr<Process> second = Start("aws", "aws-cp2");
  std::unique_ptr<Process> gcp = Start("gcp", "gcp-cp1");
  ASSERT_EQ(Apply(NamespaceYaml("shop")).code(), 0u);
  const v1::Head held = OwnHead();
  const Id128 id = random_.NewId();
  const v1::Reply reply = Bump("a drill", "aws:ctl:alice", id);
  ASSERT_EQ(reply.code(), 0u) << reply.message();
  EXPECT_EQ(reply.bump_epoch().before().epoch(), held.epoch());
  EXPECT_GT(reply.bump_epoch().after().epoch(), held.epoch());
  EXPECT_EQ(reply.bump_epoch().after().revision(), held.revision());
  EXPECT_EQ(Rows().head.epoch, reply.bump_epoch().after().epoch());
  const AuditRow audit = Rows().audit.back();
  EXPECT_EQ(audit.actor, "aws:ctl:alice");
  EXPECT_EQ(audit.verb, "bump-epoch");
  EXPECT_EQ(audit.manifest, "a drill");
  Run(absl::Seconds(2));
  for (const auto* process : {&aws_, &second, &gcp}) ExpectAtHead(*process);
  // An agent of the old epoch, however far it is, takes a snapshot.
  EXPECT_TRUE(Sync("aws", held).has_snapshot());
  // Repeated, whichever instance takes it: the first answer, and no further epoch.
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(Bump("a drill", "aws:ctl:alice", id).SerializeAsString(), reply.SerializeAsString());
  }
  EXPECT_EQ(Rows().head.epoch, reply.bump_epoch().after().epoch());
  EXPECT_EQ(Apply(NamespaceYaml("after")).epoch(), reply.bump_epoch().after().epoch());
  Run(absl::Seconds(2));
  for (const auto* process : {&aws_, &second, &gcp}) ExpectAtHead(*process);
}

TEST_F(EpochFlowTest, OnlyOperatorsOfTheClusterMayAndTheySayWhy) {
  aws_ = Start("aws", "aws-cp1");
  const uint64_t epoch = Rows().head.epoch;
  for (const char* principal : {"aws:node:n1", "aws:cp:aws-cp2", "aws:ev:x"}) {
    EXPECT_EQ(static_cast<StatusCode>(Bump("x", principal).code()), StatusCode::kPermissionDenied)
        << principal;
  }
  EXPECT_EQ(static_cast<StatusCode>(Bump(" ").code()), StatusCode::kInvalidArgument);
  EXPECT_EQ(static_cast<StatusCode>(Bump(std::string(1001, 'x')).code()), StatusCode::kInvalidArgument);
  v1::Request request;
  request.set_request_id(random_.NewId().ToBytes());
  request.mutable_bump_epoch()->set_reason("x");
  const absl::StatusOr<std::string> answer =
      Ask(subjects::Api("aws", "gcp:ctl:bob", "bump-epoch"), request.SerializeAsString());
  v1::Reply reply;
  ASSERT_TRUE(answer.ok() && reply.ParseFromString(*answer));
  EXPECT_EQ(static_cast<StatusCode>(reply.code()), StatusCode::kPermissionDenied);
  EXPECT_EQ(Rows().head.epoch, epoch);
}

TEST_F(EpochFlowTest, RequestsOnTheirWayAreDoneOnceAcrossTheEpoch) {
  aws_ = Start("aws", "aws-cp1");
  aws_->store->SetDelay(absl::Milliseconds(20));
  std::vector<v1::Reply> replies;
  for (int i = 0; i < 10; ++i) {
    v1::Request request;
    request.set_request_id(random_.NewId().ToBytes());
    request.mutable_apply()->add_manifests()->set_text(NamespaceYaml(absl::StrCat("ns", i)));
    aws_->app->cluster()->api()->Handle(subjects::Api("aws", "aws:ctl:alice", "apply"),
                                        request.SerializeAsString(),
                                        [&](const v1::Reply& reply) { replies.push_back(reply); });
    if (i == 5) {
      v1::Request bump;
      bump.set_request_id(random_.NewId().ToBytes());
      bump.mutable_bump_epoch()->set_reason("in between");
      aws_->app->cluster()->api()->Handle(subjects::Api("aws", "aws:ctl:alice", "bump-epoch"),
                                          bump.SerializeAsString(),
                                          [](const v1::Reply& reply) { EXPECT_EQ(reply.code(), 0u); });
    }
    Run(absl::Milliseconds(5));
  }
  Run(absl::Seconds(3));
  ASSERT_EQ(replies.size(), 10u);
  for (const v1::Reply& reply : replies) {
    EXPECT_EQ(reply.code(), 0u) << reply.message();
    EXPECT_EQ(reply.apply().items(0).action(), "created");
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(Rows().objects.contains(ObjectKey{v1::KIND_NAMESPACE, absl::StrCat("ns", i)}));
  }
  ExpectAtHead(aws_);
}

TEST_F(EpochFlowTest, WhatAScriptChangedInSqlIsFollowedWithANewEpoch) {
  aws_ = Start("aws", "aws-cp1");
  std::unique_ptr<Process> second = Start("aws", "aws-cp2");
  std::unique_ptr<Process> gcp = Start("gcp", "gcp-cp1");
  ASSERT_EQ(Apply(NamespaceYaml("shop") + "---\n" + PolicyYaml("shop", "lockout")).code(), 0u);
  Run(absl::Seconds(1));
  // As docs/break_glass.sql does.
  FakeDatabase::Rows all = database_->Save();
  FakeDatabase::ClusterRows& rows = all[{1, 1}];
  const uint64_t epoch = rows.head.epoch;
  rows.head.epoch += 1;
  rows.head.digest = kUnknownDigest;
  ASSERT_EQ(std::erase_if(rows.objects, [](const auto& row) { return row.first.kind == v1::KIND_POLICY; }),
            1u);
  database_->Restore(std::move(all));
  Run(absl::Seconds(5));
  EXPECT_GT(Rows().head.epoch, epoch + 1);
  EXPECT_NE(Rows().head.digest, kUnknownDigest);
  for (const auto* process : {&aws_, &second, &gcp}) {
    ExpectAtHead(*process);
    EXPECT_TRUE((*process)->app->mirrors()->Find("aws")->mirror->mirror().All(v1::KIND_POLICY).empty());
  }
  EXPECT_EQ(Apply(NamespaceYaml("after")).code(), 0u);
  EXPECT_EQ(Rows().audit.back().verb, "apply");
}

}  // namespace
}  // namespace trivium
