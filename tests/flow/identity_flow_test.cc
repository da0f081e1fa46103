// The whole life of identities through whole control planes on fake drivers: one number for one set of
// labels, retired, revived, and given to others only when every node of the mesh has confirmed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "controlplane/writer/identity_allocator.h"
#include "tests/flow/controlplane_fixture.h"

namespace trivium {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(20);
// Until what has been idle that long is retired, and SQL has been asked about it.
constexpr absl::Duration kGraceAndChecks = absl::Seconds(40);

class IdentityFlowTest : public ControlPlaneTest {
 protected:
  void SetUp() override {
    for (const char* name : {"aws", "gcp"}) {
      ControlPlaneConfig config = Config(name, absl::StrCat("cp-", name));
      config.identity_grace_s = absl::ToInt64Seconds(kGrace);
      config.identities_ahead = 256;
      (name == std::string("aws") ? aws_ : gcp_) = Launch(config);
      Run(absl::Seconds(1));
    }
    ASSERT_EQ(RegisterNode("n1", "192.168.0.1").code(), 0u);
    ASSERT_EQ(RegisterNode("g1", "192.168.1.1", "gcp").code(), 0u);
    agents_ = broker_.Connect("agents");
  }

  // A report of a node that holds and enforces what its control plane's mirrors hold now, or stays at
  // `enforced` of aws.
  void Report(const std::string& cluster, const std::string& node, Process* process, uint64_t enforced = 0) {
    v1::AgentStatus status;
    status.set_cluster(cluster);
    status.set_node(node);
    status.set_start_ms(1);
    status.set_sequence(++sequence_);
    for (const auto& [name, entry] : process->app->mirrors()->all()) {
      const Position& at = entry->mirror->position();
      v1::AppliedCluster* applied = status.add_applied();
      applied->set_cluster(name);
      applied->set_epoch(at.epoch);
      applied->set_received(at.revision);
      applied->set_enforced(name == "aws" && enforced != 0 ? enforced : at.revision);
      applied->set_batch(at.batch.ToBytes());
    }
    ASSERT_TRUE(agents_->Publish(subjects::AgentStatus(cluster, node), status.SerializeAsString()).ok());
    Run(absl::Seconds(2));
  }
  void EverybodyConfirms() {
    Report("aws", "n1", aws_.get());
    Report("gcp", "g1", gcp_.get());
    Run(kGraceAndChecks / 2);
  }
  v1::Reply Remove(uint64_t uid) {
    v1::Request request;
    request.mutable_remove_endpoint()->set_uid(Id128{9, uid}.ToBytes());
    request.mutable_remove_endpoint()->set_node("n1");
    return Call(std::move(request), "remove-endpoint", "aws:node:n1");
  }
  uint32_t Add(uint64_t uid, const std::string& app) {
    const v1::Reply reply = AddEndpoint(uid, "n1", absl::StrCat("10.1.1.", uid), app);
    EXPECT_EQ(reply.code(), 0u) << reply.message();
    return reply.add_endpoint().identity().id();
  }
  bool Exists(uint32_t identity) {
    return aws_->app->cluster()->mirror()->mirror().Find(v1::KIND_IDENTITY, absl::StrCat(identity)) !=
           nullptr;
  }
  // With the cluster's numbers used up to `spare`, the next label sets get those that are free again.
  void UseUpFreshNumbers() {
    // As many identities as blocks hold; no more blocks come.
    aws_->store->SetHomeUnavailable(0, true);
    uint64_t uid = 1000;
    while (true) {
      const v1::Reply reply = AddEndpoint(uid, "n1", absl::StrCat("10.1.", 2 + uid / 200, ".", 1 + uid % 200),
                                          absl::StrCat("filler-", uid));
      if (reply.code() != 0) break;
      given_.insert(reply.add_endpoint().identity().id());
      ++uid;
    }
  }

  std::unique_ptr<Process> aws_;
  std::unique_ptr<Process> gcp_;
  std::unique_ptr<FakeBus> agents_;
  uint64_t sequence_ = 0;
  std::set<uint32_t> given_;
};

TEST_F(IdentityFlowTest, IsRetiredAfterItsLastEndpointAndAGraceTimeNotBefore) {
  const uint32_t cart = Add(10, "cart");
  Add(11, "stays");  // the highest number
  ASSERT_EQ(Remove(10).code(), 0u);
  Run(kGrace / 2);
  EXPECT_TRUE(Exists(cart));
  Run(kGraceAndChecks);
  EXPECT_FALSE(Exists(cart));
  EXPECT_EQ(Rows().retired.count(cart), 1u);
}

TEST_F(IdentityFlowTest, AnEndpointInTimeKeepsIt) {
  const uint32_t cart = Add(10, "cart");
  Add(11, "stays");
  ASSERT_EQ(Remove(10).code(), 0u);
  Run(kGrace / 2);
  EXPECT_EQ(Add(12, "cart"), cart);
  Run(kGraceAndChecks);
  EXPECT_TRUE(Exists(cart));
  ASSERT_EQ(Remove(12).code(), 0u);
  Run(kGrace / 2);
  EXPECT_TRUE(Exists(cart)) << "the grace time begins anew";
}

TEST_F(IdentityFlowTest, TheSameLabelsGetTheRetiredNumberBack) {
  const uint32_t cart = Add(10, "cart");
  Add(11, "stays");
  ASSERT_EQ(Remove(10).code(), 0u);
  Run(kGraceAndChecks);
  ASSERT_FALSE(Exists(cart));
  EXPECT_EQ(Add(12, "cart"), cart);
  EXPECT_TRUE(Exists(cart));
  EXPECT_EQ(Rows().retired.count(cart), 0u);
}

TEST_F(IdentityFlowTest, ARestartedControlPlaneKnowsWhatIsRetired) {
  const uint32_t cart = Add(10, "cart");
  Add(11, "stays");
  ASSERT_EQ(Remove(10).code(), 0u);
  Run(kGraceAndChecks);
  ASSERT_FALSE(Exists(cart));
  Kill(&aws_);
  ControlPlaneConfig config = Config("aws", "cp-aws-2");
  config.identities_ahead = 256;
  aws_ = Launch(config);
  Run(absl::Seconds(3));
  UseUpFreshNumbers();
  EXPECT_FALSE(given_.contains(cart)) << "given to others before anybody confirmed";
  EXPECT_EQ(Add(12, "cart"), cart);
}

TEST_F(IdentityFlowTest, IsGivenToOthersOnlyWhenEveryNodeOfTheMeshHasConfirmed) {
  const uint32_t cart = Add(10, "cart");
  Add(11, "stays");
  const uint64_t before = aws_->app->cluster()->mirror()->position().revision;
  ASSERT_EQ(Remove(10).code(), 0u);
  Run(kGraceAndChecks);
  ASSERT_FALSE(Exists(cart));
  // The own node has; the other cluster's is cut off.
  Report("gcp", "g1", gcp_.get(), before);
  Report("aws", "n1", aws_.get());
  Run(kGraceAndChecks);
  EXPECT_EQ(aws_->app->cluster()->identities().waits_for(), "gcp/g1");
  UseUpFreshNumbers();
  ASSERT_FALSE(given_.empty());
  EXPECT_FALSE(given_.contains(cart)) << "a cut-off agent still takes the number for the old labels";

  // It comes back.
  Report("gcp", "g1", gcp_.get());
  Run(kGraceAndChecks);
  EXPECT_EQ(Add(13, "news"), cart);
}

TEST_F(IdentityFlowTest, ADeletedNodeIsWaitedForNoLonger) {
  const uint32_t cart = Add(10, "cart");
  Add(11, "stays");
  const uint64_t before = aws_->app->cluster()->mirror()->position().revision;
  ASSERT_EQ(Remove(10).code(), 0u);
  Run(kGraceAndChecks);
  Report("gcp", "g1", gcp_.get(), before);
  Report("aws", "n1", aws_.get());
  UseUpFreshNumbers();
  ASSERT_FALSE(given_.contains(cart));
  v1::Request request;
  request.mutable_delete_()->set_kind("Node");
  request.mutable_delete_()->set_name("g1");
  ASSERT_EQ(Call(std::move(request), "delete", "gcp:ctl:bob").code(), 0u);
  Run(kGraceAndChecks);
  EXPECT_EQ(Add(13, "news"), cart);
}

TEST_F(IdentityFlowTest, AReportOfAnOlderEpochConfirmsNothing) {
  const uint32_t cart = Add(10, "cart");
  Add(11, "stays");
  ASSERT_EQ(Remove(10).code(), 0u);
  Run(kGraceAndChecks);
  ASSERT_FALSE(Exists(cart));
  RetiredNumbers numbers;
  numbers.Load({Rows().retired.at(cart)});
  EXPECT_EQ(numbers.Release(Rows().retired.at(cart).epoch - 1, ~uint64_t{0}), 0u);
  EXPECT_EQ(numbers.Release(Rows().retired.at(cart).epoch, Rows().retired.at(cart).revision - 1), 0u);
  EXPECT_EQ(numbers.Release(Rows().retired.at(cart).epoch, Rows().retired.at(cart).revision), 1u);
}

TEST_F(IdentityFlowTest, TheHighestNumberStaysForControlPlanesThatKnowNoRetirement) {
  Add(10, "cart");
  const uint32_t highest = Add(11, "news");
  ASSERT_EQ(Remove(11).code(), 0u);
  Run(kGraceAndChecks);
  EXPECT_TRUE(Exists(highest));
}

TEST_F(IdentityFlowTest, AMeshThatIsOutOfReachStopsNoPodWhileNumbersAreLeft) {
  aws_->store->SetHomeUnavailable(0, true);
  std::set<uint32_t> numbers;
  for (uint64_t uid = 1; uid <= 200; ++uid) numbers.insert(Add(uid, absl::StrCat("app-", uid)));
  EXPECT_EQ(numbers.size(), 200u);
  // It comes back, and the reserve is filled again before it is needed.
  aws_->store->SetHomeUnavailable(0, false);
  Run(absl::Seconds(10));
  EXPECT_GE(
      FreeIdentities(aws_->app->mirrors()->mesh()->mirror(), 1, *aws_->app->cluster()->mirror()->index()),
      256u);
}

// Four control planes of one cluster, and far more requests than label sets, all at once.
TEST_F(IdentityFlowTest, ManyRequestsForFewLabelSetsMakeOneIdentityEach) {
  std::vector<std::unique_ptr<Process>> more;
  for (int i = 2; i <= 4; ++i) more.push_back(Start("aws", absl::StrCat("cp-aws-", i)));
  constexpr int kRequests = 1200;
  constexpr int kSets = 60;
  auto answers = std::make_shared<std::map<int, v1::Reply>>();
  std::unique_ptr<FakeBus> caller = broker_.Connect("caller");
  for (int i = 0; i < kRequests; ++i) {
    v1::Request request;
    request.set_request_id(random_.NewId().ToBytes());
    request.set_source("test/1");
    v1::AddEndpointRequest* add = request.mutable_add_endpoint();
    add->set_uid(Id128{7, static_cast<uint64_t>(i + 1)}.ToBytes());
    add->set_namespace_("default");
    add->set_name(absl::StrCat("pod-", i));
    add->set_node("n1");
    (*add->mutable_labels())["app"] = absl::StrCat("set-", i % kSets);
    add->add_ips(*ParseAddress(absl::StrCat("10.1.", 100 + i / 200, ".", 1 + i % 200)));
    caller->Request(subjects::Api("aws", "aws:node:n1", "add-endpoint"), request.SerializeAsString(),
                    absl::Seconds(60), &executor_, [answers, i](absl::StatusOr<std::string> reply) {
                      v1::Reply parsed;
                      if (reply.ok() && parsed.ParseFromString(*reply)) (*answers)[i] = parsed;
                    });
  }
  Run(absl::Seconds(60));
  std::map<int, std::set<uint32_t>> by_set;
  std::set<uint32_t> all;
  for (const auto& [i, reply] : *answers) {
    ASSERT_EQ(reply.code(), 0u) << reply.message();
    by_set[i % kSets].insert(reply.add_endpoint().identity().id());
    all.insert(reply.add_endpoint().identity().id());
  }
  EXPECT_EQ(answers->size(), static_cast<size_t>(kRequests));
  for (const auto& [set, numbers] : by_set) EXPECT_EQ(numbers.size(), 1u) << "set " << set;
  EXPECT_EQ(all.size(), static_cast<size_t>(kSets));
  for (const uint32_t number : all) {
    EXPECT_EQ(database_->References(ClusterRef{"aws", 1, 1}, number),
              static_cast<uint64_t>(kRequests / kSets));
  }
}

}  // namespace
}  // namespace trivium
