// One writer per cluster by lease, and what happens when the lease is lost, stolen, held twice, or its holder
// is gone or silent: whole control planes on fake drivers. Always every acknowledged request is in the log
// once; only speed may suffer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/flow/controlplane_fixture.h"

namespace trivium {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

constexpr char kAlice[] = "aws:ctl:alice";

class LeaseFlowTest : public ControlPlaneTest {
 protected:
  void SetUp() override {
    one_ = Start("aws", "aws-cp1");
    two_ = Start("aws", "aws-cp2");
    Run(absl::Seconds(2));
    ASSERT_EQ(Rows().lease.holder, "aws-cp1");
    commits_before_ = two_->app->cluster()->writer()->counters().commits;
  }

  static v1::Request NamespaceRequest(const std::string& name, const Id128& id) {
    v1::Request request;
    request.set_request_id(id.ToBytes());
    request.set_source("test/1");
    request.mutable_apply()->add_manifests()->set_text(NamespaceYaml(name));
    return request;
  }
  // Asks that instance to make a namespace; repeats the request with its id, as clients do, until it is
  // answered with success.
  void Ask(std::unique_ptr<Process>* process, const std::string& name) {
    Repeat(process, name, NamespaceRequest(name, random_.NewId()).SerializeAsString(), 0);
  }
  void Repeat(std::unique_ptr<Process>* process, const std::string& name, const std::string& request,
              int times) {
    const auto again = [this, process, name, request, times] {
      if (!replies_.contains(name) && times < 100) Repeat(process, name, request, times + 1);
    };
    if (*process == nullptr) {
      executor_.PostAfter(absl::Milliseconds(100), again);
      return;
    }
    executor_.PostAfter(absl::Seconds(11), again);  // in case nobody answers
    (*process)->app->cluster()->api()->Handle(subjects::Api("aws", kAlice, "apply"), request,
                                              [this, name, again](const v1::Reply& reply) {
                                                if (reply.code() == 0) {
                                                  replies_[name].push_back(reply);
                                                } else {
                                                  executor_.PostAfter(absl::Milliseconds(50), again);
                                                }
                                              });
  }

  // Each acknowledged request is in the log once, at the revision that was answered.
  void ExpectEachOnce(size_t requests) {
    EXPECT_EQ(replies_.size(), requests);
    const FakeDatabase::ClusterRows rows = Rows();
    std::map<std::string, std::vector<uint64_t>> created;
    for (const auto& [revision, entry] : rows.log) {
      const absl::StatusOr<Batch> batch = DecodeBatch(entry.envelope);
      ASSERT_TRUE(batch.ok()) << batch.status();
      for (const v1::Change& change : batch->changes.changes()) {
        if (change.object().has_namespace_())
          created[change.object().namespace_().name()].push_back(revision);
      }
    }
    for (const auto& [name, replies] : replies_) {
      for (const v1::Reply& reply : replies) {
        EXPECT_EQ(created[name], std::vector<uint64_t>{reply.revision()}) << name;
      }
    }
  }
  static const Writer::Counters& Written(const std::unique_ptr<Process>& process) {
    return process->app->cluster()->writer()->counters();
  }
  static const Forwarder::Counters& Forwarded(const std::unique_ptr<Process>& process) {
    return process->app->cluster()->forwarder().counters();
  }
  // What a process that is stopped does: nothing, though its connections stand.
  void Freeze(const std::string& client) {
    broker_.SetFilter([client](const std::string& from, const std::string& to, const Message&) {
      return from != client && to != client;
    });
  }

  std::unique_ptr<Process> one_;
  std::unique_ptr<Process> two_;
  uint64_t commits_before_ = 0;
  std::map<std::string, std::vector<v1::Reply>> replies_;
};

TEST_F(LeaseFlowTest, TheHolderCommitsWhatOthersTake) {
  for (int i = 0; i < 60; ++i) {
    Ask(i % 2 == 0 ? &one_ : &two_, absl::StrCat("ns", i));
    if (i % 4 == 0) Run(absl::Milliseconds(2));
  }
  Run(absl::Seconds(3));
  ExpectEachOnce(60);
  EXPECT_EQ(Forwarded(one_).sent, 0u);
  EXPECT_EQ(Forwarded(two_).sent, 30u);
  EXPECT_EQ(Forwarded(two_).answered, 30u);
  EXPECT_EQ(one_->app->cluster()->api()->forwarded(), 30u);
  EXPECT_EQ(Written(two_).commits, commits_before_) << "it wrote nothing itself";
  EXPECT_EQ(Written(one_).lost_races + Written(two_).lost_races, 0u);
  // Who asked stands in the log, not who handed it on.
  const FakeDatabase::ClusterRows rows = Rows();
  EXPECT_EQ(std::count_if(rows.audit.begin(), rows.audit.end(),
                          [](const AuditRow& row) { return row.actor == kAlice; }),
            60);
}

TEST_F(LeaseFlowTest, RefusalsComeBackAsTheyAre) {
  v1::Request request = NamespaceRequest("x", random_.NewId());
  request.mutable_apply()->mutable_manifests(0)->set_text("kind: [");
  v1::Reply reply;
  two_->app->cluster()->api()->Handle(subjects::Api("aws", kAlice, "apply"), request.SerializeAsString(),
                                      [&](const v1::Reply& answer) { reply = answer; });
  Run();
  EXPECT_EQ(static_cast<StatusCode>(reply.code()), StatusCode::kInvalidArgument);
  EXPECT_THAT(reply.message(), HasSubstr("manifest"));
  EXPECT_EQ(Forwarded(two_).answered, 1u);
}

TEST_F(LeaseFlowTest, AKilledHolderIsReplacedAtOnceAndItsLeaseGoesOn) {
  for (int i = 0; i < 20; ++i) Ask(&two_, absl::StrCat("before", i));
  Run(absl::Milliseconds(1));
  Kill(&one_);
  for (int i = 0; i < 20; ++i) Ask(&two_, absl::StrCat("after", i));
  Run(absl::Seconds(2));
  EXPECT_EQ(replies_.size(), 40u) << "nobody waits for the lease to end";
  EXPECT_GT(Forwarded(two_).taken_back, 0u);
  EXPECT_EQ(Rows().lease.holder, "aws-cp1");
  Run(absl::Seconds(5));
  EXPECT_EQ(Rows().lease.holder, "aws-cp2");
  EXPECT_EQ(two_->app->leases().counters().taken, 1u);
  ExpectEachOnce(40);
  one_ = Launch(Config("aws", "aws-cp1"));
  Run(absl::Seconds(5));
  Ask(&one_, "late");
  Run(absl::Seconds(1));
  EXPECT_EQ(Forwarded(one_).answered, 1u) << "who comes back hands on";
  ExpectEachOnce(41);
}

TEST_F(LeaseFlowTest, ASilentHolderIsWaitedForASecond) {
  Freeze("aws:cp:aws-cp1#1");
  one_->store->SetUnavailable(true);
  const absl::Duration asked = clock_.Monotonic();
  for (int i = 0; i < 20; ++i) Ask(&two_, absl::StrCat("ns", i));
  while (replies_.size() < 20 && clock_.Monotonic() - asked < absl::Seconds(10)) Run();
  EXPECT_LE(clock_.Monotonic() - asked, absl::Seconds(2));
  EXPECT_EQ(Forwarded(two_).taken_back, 20u);
  // While it is distrusted nothing waits for it.
  Ask(&two_, "next");
  Run();
  EXPECT_EQ(replies_.count("next"), 1u);
  Run(absl::Seconds(6));
  EXPECT_EQ(Rows().lease.holder, "aws-cp2");
  broker_.SetFilter(nullptr);
  one_->store->SetUnavailable(false);
  Run(absl::Seconds(3));
  Ask(&one_, "back");
  Run(absl::Seconds(1));
  ExpectEachOnce(22);
  EXPECT_EQ(Forwarded(one_).answered, 1u);
}

TEST_F(LeaseFlowTest, ABusyHolderIsNotRacedWith) {
  one_->store->SetDelay(absl::Milliseconds(300));  // slow, but it answers all the time
  for (int i = 0; i < 40; ++i) {
    Ask(&two_, absl::StrCat("ns", i));
    Run(absl::Milliseconds(100));
  }
  Run(absl::Seconds(3));
  ExpectEachOnce(40);
  EXPECT_EQ(Forwarded(two_).taken_back, 0u);
  EXPECT_EQ(Written(one_).lost_races, 0u);
}

TEST_F(LeaseFlowTest, AStolenLeaseOfSomebodyWhoIsNotThere) {
  for (int i = 0; i < 80; ++i) {
    if (i % 20 == 10)
      database_->SetLease(ClusterRef{"aws", 1, 1}, {"ghost", 7, clock_.Now() + absl::Seconds(3)});
    Ask(i % 2 == 0 ? &one_ : &two_, absl::StrCat("ns", i));
    Run(absl::Milliseconds(100));
  }
  Run(absl::Seconds(3));
  ExpectEachOnce(80);
  EXPECT_GT(one_->app->leases().counters().lost, 0u);
}

TEST_F(LeaseFlowTest, ALeaseThatTwoBelieveToHold) {
  // The same name twice: both renew it and neither hands on.
  std::unique_ptr<Process> twin = Launch(Config("aws", "aws-cp1"));
  Run(absl::Seconds(2));
  twin->store->SetDelay(absl::Milliseconds(3), &random_);
  one_->store->SetDelay(absl::Milliseconds(3), &random_);
  for (int i = 0; i < 120; ++i) {
    Ask(i % 2 == 0 ? &one_ : &twin, absl::StrCat("ns", i));
    if (i % 3 == 0) Run(absl::Milliseconds(1));
  }
  Run(absl::Seconds(5));
  ExpectEachOnce(120);
  EXPECT_GT(Written(one_).lost_races + Written(twin).lost_races, 0u) << "they did race";
}

TEST_F(LeaseFlowTest, WithoutSqlForAWhileNobodyIsWaitedFor) {
  two_->store->SetUnavailable(true);
  Run(absl::Seconds(6));
  EXPECT_FALSE(two_->app->leases().Holds("aws"));
  EXPECT_TRUE(two_->app->leases().Elsewhere("aws").empty()) << "what it knew has ended";
  EXPECT_GT(two_->app->leases().counters().failed, 0u);
  two_->store->SetUnavailable(false);
  Run(absl::Seconds(2));
  EXPECT_EQ(two_->app->leases().Elsewhere("aws"), "aws-cp1");
}

TEST_F(LeaseFlowTest, OneRequestThatTwoHaveIsDoneOnce) {
  const Id128 id = random_.NewId();
  const std::string request = NamespaceRequest("twice", id).SerializeAsString();
  const auto take = [&](const v1::Reply& reply) {
    EXPECT_EQ(reply.code(), 0u) << reply.message();
    replies_["twice"].push_back(reply);
  };
  // The caller repeats it at the other instance while it is on its way, and again when it is done; and the
  // holder's answer to the first one is lost.
  broker_.SetFilter([](const std::string& from, const std::string& to, const Message&) {
    return from != "aws:cp:aws-cp1#1" || to != "aws:cp:aws-cp2#2";
  });
  two_->app->cluster()->api()->Handle(subjects::Api("aws", kAlice, "apply"), request, take);
  one_->app->cluster()->api()->Handle(subjects::Api("aws", kAlice, "apply"), request, take);
  Run(absl::Seconds(3));
  broker_.SetFilter(nullptr);
  EXPECT_EQ(Forwarded(two_).taken_back, 1u);
  EXPECT_EQ(replies_["twice"].size(), 2u);
  Run(absl::Seconds(3));
  two_->app->cluster()->api()->Handle(subjects::Api("aws", kAlice, "apply"), request, take);
  Run(absl::Seconds(1));
  ASSERT_EQ(replies_["twice"].size(), 3u);
  ExpectEachOnce(1);
}

TEST_F(LeaseFlowTest, WhoeverLeavesGivesTheLeaseBack) {
  bool drained = false;
  one_->app->Drain([&] { drained = true; });
  for (int i = 0; i < 10; ++i) Ask(&two_, absl::StrCat("ns", i));
  Run(absl::Seconds(2));
  EXPECT_TRUE(drained);
  EXPECT_EQ(Rows().lease.holder, "aws-cp2");
  ExpectEachOnce(10);
}

TEST_F(LeaseFlowTest, OnlyControlPlanesOfTheClusterHandOn) {
  const auto forward = [&](const std::string& sender, const std::string& principal,
                           const v1::Request& inside) {
    v1::Request envelope;
    envelope.mutable_forward()->set_principal(principal);
    envelope.mutable_forward()->set_request(inside.SerializeAsString());
    const absl::StatusOr<std::string> answer =
        ControlPlaneTest::Ask(subjects::Forward("aws", sender, "aws-cp1"), envelope.SerializeAsString());
    v1::Reply reply;
    EXPECT_TRUE(answer.ok() && reply.ParseFromString(*answer)) << answer.status();
    return static_cast<StatusCode>(reply.code());
  };
  const v1::Request evil = NamespaceRequest("evil", random_.NewId());
  for (const char* sender : {"aws:node:n1", "aws:ctl:alice", "gcp:cp:gcp-cp1", "aws:ev:x"}) {
    EXPECT_EQ(forward(sender, kAlice, evil), StatusCode::kPermissionDenied) << sender;
  }
  // A control plane too speaks for its own cluster's principals alone, and for what they may.
  EXPECT_EQ(forward("aws:cp:aws-cp2", "gcp:ctl:bob", evil), StatusCode::kPermissionDenied);
  EXPECT_EQ(forward("aws:cp:aws-cp2", "aws:node:n1", evil), StatusCode::kPermissionDenied);
  EXPECT_EQ(forward("aws:cp:aws-cp2", "nobody", evil), StatusCode::kInvalidArgument);
  v1::Request read;
  read.mutable_status();
  EXPECT_EQ(forward("aws:cp:aws-cp2", kAlice, read), StatusCode::kInvalidArgument);
  // Nor does the door for everybody take it.
  v1::Request envelope;
  envelope.mutable_forward()->set_principal(kAlice);
  envelope.mutable_forward()->set_request(evil.SerializeAsString());
  for (const char* sender : {"aws:ctl:alice", "aws:node:n1", "aws:cp:aws-cp2"}) {
    const v1::Reply reply = Call(envelope, "forward", sender);
    EXPECT_EQ(static_cast<StatusCode>(reply.code()), StatusCode::kPermissionDenied) << sender;
  }
  EXPECT_FALSE(Rows().objects.contains(ObjectKey{v1::KIND_NAMESPACE, "evil"}));
  EXPECT_EQ(forward("aws:cp:aws-cp2", kAlice, NamespaceRequest("good", random_.NewId())), StatusCode::kOk);
  EXPECT_TRUE(Rows().objects.contains(ObjectKey{v1::KIND_NAMESPACE, "good"}));
}

}  // namespace
}  // namespace trivium
