// Reachability in SQL by whole control planes on fake drivers: on request, kept fresh, by one at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controlplane/reachability/reachability_keeper.h"
#include "tests/flow/controlplane_fixture.h"

namespace trivium {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::IsEmpty;

class ReachabilityFlowTest : public ControlPlaneTest {
 protected:
  static ControlPlaneConfig Keeping(const std::string& cluster, const std::string& instance) {
    ControlPlaneConfig config = Config(cluster, instance);
    config.reachability_keep = true;
    return config;
  }
  std::unique_ptr<Process> StartKeeping(const std::string& cluster, const std::string& instance) {
    std::unique_ptr<Process> process = Launch(Keeping(cluster, instance));
    Run(absl::Seconds(1));
    EXPECT_TRUE(process->started.ok()) << process->started;
    return process;
  }
  v1::Reply Refresh(const std::string& principal = "aws:ctl:alice") {
    v1::Request request;
    request.mutable_refresh_reachability();
    return Call(std::move(request), "refresh-reachability", principal, absl::Seconds(5));
  }
  static uint32_t IdentityOf(const v1::Reply& added) { return added.add_endpoint().identity().id(); }
  static std::string Closed(const std::string& name) {
    return absl::StrCat("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: ", name,
                        "}\nspec: {podSelector: {matchLabels: {app: ", name, "}}}\n");
  }
  // Whether ingress of `identity` from `peer` is allowed on every port; "?" if the rows do not say so much.
  std::string Ingress(uint32_t identity, uint32_t peer) {
    std::string said;
    for (const ReachabilityRow& row : Rows().reachability) {
      if (row.identity != identity || row.peer != peer || !row.ingress) continue;
      said = !said.empty() || row.protocols != kEveryProtocol ? "?" : row.allowed ? "allowed" : "denied";
    }
    return said;
  }
  static const ReachabilityKeeper::Counters& CountersOf(const std::unique_ptr<Process>& process) {
    return process->app->cluster()->reachability().counters();
  }
};

TEST_F(ReachabilityFlowTest, IsWrittenOnRequest) {
  const auto aws = Start("aws", "aws-cp1");
  const auto gcp = Start("gcp", "gcp-cp1");
  ASSERT_EQ(RegisterNode("n1", "192.0.2.1").code(), 0u);
  ASSERT_EQ(RegisterNode("m1", "192.0.2.2", "gcp").code(), 0u);
  const uint32_t db = IdentityOf(AddEndpoint(1, "n1", "10.1.0.1", "db"));
  const uint32_t web = IdentityOf(AddEndpoint(2, "m1", "10.2.0.1", "web", "gcp"));
  ASSERT_EQ(Apply(Closed("db")).code(), 0u);
  Run(absl::Seconds(3));
  EXPECT_THAT(Rows().reachability, IsEmpty()) << "nobody asked";

  const v1::Reply reply = Refresh();
  ASSERT_EQ(reply.code(), 0u) << reply.message();
  EXPECT_EQ(Ingress(db, web), "denied");
  EXPECT_EQ(Ingress(db, db), "denied");
  EXPECT_EQ(Ingress(db, 1), "allowed") << "its node";
  ASSERT_EQ(Rows().selections.size(), 1u);
  EXPECT_EQ(reply.refresh_reachability().rows(), Rows().reachability.size() + 1);
  ASSERT_EQ(reply.refresh_reachability().at_size(), 2);
  EXPECT_EQ(reply.refresh_reachability().at(0).cluster(), "aws");
  EXPECT_EQ(reply.refresh_reachability().at(0).revision(), Rows(1).head.revision);
  EXPECT_EQ(reply.refresh_reachability().at(1).cluster(), "gcp");
  EXPECT_EQ(reply.refresh_reachability().at(1).revision(), Rows(2).head.revision);
  EXPECT_TRUE(Rows().reachability_state.complete);
  EXPECT_THAT(Rows(2).reachability, IsEmpty()) << "the other cluster's are its own affair";

  ASSERT_EQ(Apply(Closed("other")).code(), 0u);
  Run(absl::Seconds(5));
  EXPECT_LT(Rows().reachability_state.positions[0].revision, Rows().head.revision) << "not kept";
}

TEST_F(ReachabilityFlowTest, IsForOperatorsAlone) {
  const auto aws = Start("aws", "aws-cp1");
  for (const char* principal : {"aws:node:n1", "aws:cp:aws-cp1"}) {
    const v1::Reply reply = Refresh(principal);
    EXPECT_EQ(reply.code(), static_cast<uint32_t>(StatusCode::kPermissionDenied)) << principal;
  }
  EXPECT_EQ(Rows().reachability_state.writes, 0u);
}

TEST_F(ReachabilityFlowTest, IsKeptFreshByTheHolderOfTheLease) {
  auto one = StartKeeping("aws", "aws-cp1");
  auto two = StartKeeping("aws", "aws-cp2");
  const auto gcp = Start("gcp", "gcp-cp1");
  ASSERT_EQ(RegisterNode("n1", "192.0.2.1").code(), 0u);
  ASSERT_EQ(RegisterNode("m1", "192.0.2.2", "gcp").code(), 0u);
  const uint32_t db = IdentityOf(AddEndpoint(1, "n1", "10.1.0.1", "db"));
  Run(absl::Seconds(2));
  EXPECT_EQ(Ingress(db, db), "allowed");
  ASSERT_EQ(Apply(Closed("db")).code(), 0u);
  Run(absl::Seconds(2));
  EXPECT_EQ(Ingress(db, db), "denied");
  EXPECT_EQ(Rows().reachability_state.positions[0].revision, Rows().head.revision);
  // Another cluster's identity, and its end.
  const uint32_t web = IdentityOf(AddEndpoint(2, "m1", "10.2.0.1", "web", "gcp"));
  Run(absl::Seconds(2));
  EXPECT_EQ(Ingress(db, web), "denied");
  EXPECT_EQ(CountersOf(one).whole, 1u) << "all but the first time only what is different";
  EXPECT_GT(CountersOf(one).incremental, 1u);
  EXPECT_EQ(CountersOf(two).writes, 0u);

  // A burst is one run or two, however many revisions it has.
  const uint64_t before = CountersOf(one).writes;
  const uint64_t revision = Rows().head.revision;
  for (int i = 0; i < 20; ++i) {
    v1::Request request;
    request.mutable_apply()->add_manifests()->set_text(Closed(absl::StrCat("app-", i)));
    ASSERT_EQ(Call(std::move(request), "apply", "aws:ctl:alice", absl::Milliseconds(50)).code(), 0u);
  }
  Run(absl::Seconds(2));
  EXPECT_GE(Rows().head.revision, revision + 20);
  EXPECT_EQ(Rows().reachability_state.positions[0].revision, Rows().head.revision);
  EXPECT_LE(CountersOf(one).writes, before + 4);

  // The next holder goes on.
  Kill(&one);
  Run(absl::Seconds(6));
  ASSERT_EQ(Apply("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db}\n"
                  "spec: {podSelector: {matchLabels: {app: none}}}\n")
                .code(),
            0u);
  Run(absl::Seconds(2));
  EXPECT_EQ(Rows().reachability_state.writer, "aws-cp2");
  EXPECT_EQ(Ingress(db, web), "allowed");
}

TEST_F(ReachabilityFlowTest, IsRefusedAloudBeyondItsBound) {
  ControlPlaneConfig config = Config("aws", "aws-cp1");
  config.reachability_max_rows = 40;
  const auto aws = Launch(config);
  Run(absl::Seconds(1));
  ASSERT_EQ(RegisterNode("n1", "192.0.2.1").code(), 0u);
  AddEndpoint(1, "n1", "10.1.0.1", "db");
  ASSERT_EQ(Refresh().code(), 0u);
  const size_t rows = Rows().reachability.size();
  EXPECT_EQ(rows, 18u) << "two directions, the identity itself and eight reserved ones";
  // Fewer pairs than the bound, but more rows: found after the work.
  ASSERT_EQ(AddEndpoint(2, "n1", "10.1.0.2", "web").code(), 0u);
  ASSERT_EQ(Apply("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: all}\n"
                  "spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}\n")
                .code(),
            0u);
  v1::Reply reply = Refresh();
  EXPECT_EQ(reply.code(), static_cast<uint32_t>(StatusCode::kResourceExhausted));
  EXPECT_THAT(reply.message(), HasSubstr("at most 40 are allowed: raise reachability.max_rows"));
  EXPECT_EQ(Rows().reachability.size(), rows) << "those that were there stay, and say of when they are";
  EXPECT_FALSE(Rows().reachability_state.complete);
  EXPECT_EQ(Rows().reachability_state.problem, reply.message());
  // And so many that the work is not begun.
  ASSERT_EQ(AddEndpoint(3, "n1", "10.1.0.3", "cache").code(), 0u);
  const uint64_t built = aws->app->cluster()->reachability().table().counters().built;
  EXPECT_EQ(Refresh().code(), static_cast<uint32_t>(StatusCode::kResourceExhausted));
  EXPECT_EQ(aws->app->cluster()->reachability().table().counters().built, built);
}

TEST_F(ReachabilityFlowTest, OneThatIsBehindNeverOverwrites) {
  const auto aws = Start("aws", "aws-cp1");
  const auto gcp = Start("gcp", "gcp-cp1");
  ASSERT_EQ(RegisterNode("n1", "192.0.2.1").code(), 0u);
  ASSERT_EQ(RegisterNode("m1", "192.0.2.2", "gcp").code(), 0u);
  const uint32_t db = IdentityOf(AddEndpoint(1, "n1", "10.1.0.1", "db"));
  // Mirrors that hear nothing any more: as of now.
  FakeStore store(database_, &clock_);
  const ClusterRef ref{"aws", 1, 1};
  Mirrors mirrors({ref}, &store, &executor_, &random_, Follower::Options());
  mirrors.mesh_follower()->CatchUp([](const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; });
  mirrors.Find("aws")->follower->CatchUp(
      [](const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; });
  Run(absl::Seconds(1));
  ASSERT_NE(mirrors.Find("gcp"), nullptr);
  ReachabilityKeeper::Options options;
  options.keep = true;
  options.patience = 3;
  ReachabilityKeeper late("late", mirrors.Find("aws")->mirror.get(), &mirrors, &store, &executor_, options,
                          [] { return true; });

  // Another cluster's history alone has gone on.
  const uint32_t web = IdentityOf(AddEndpoint(2, "m1", "10.2.0.1", "web", "gcp"));
  ASSERT_EQ(Refresh().code(), 0u);
  ASSERT_EQ(Ingress(db, web), "allowed");
  const uint64_t writes = Rows().reachability_state.writes;
  late.Start();
  Run(absl::Seconds(5));
  EXPECT_GT(late.counters().lost, 0u);
  EXPECT_EQ(late.counters().writes, 0u);
  EXPECT_EQ(Rows().reachability_state.writes, writes);
  EXPECT_EQ(Ingress(db, web), "allowed");
  // Who asks it gets what the other one has written.
  v1::Reply reply;
  late.Refresh([&reply](const v1::Reply& answer) { reply = answer; });
  Run(absl::Seconds(5));
  ASSERT_EQ(reply.code(), 0u) << reply.message();
  EXPECT_EQ(reply.refresh_reachability().at(1).revision(), Rows(2).head.revision);
  EXPECT_EQ(Rows().reachability_state.writer, "aws-cp1");
}

TEST_F(ReachabilityFlowTest, TwoAtOnceLeaveOnesRows) {
  const auto one = Start("aws", "aws-cp1");
  const auto two = Start("aws", "aws-cp2");
  ASSERT_EQ(RegisterNode("n1", "192.0.2.1").code(), 0u);
  for (uint64_t i = 0; i < 30; ++i) {
    ASSERT_EQ(AddEndpoint(i, "n1", absl::StrCat("10.1.0.", i + 1), absl::StrCat("app-", i)).code(), 0u);
  }
  v1::Request request;
  request.mutable_refresh_reachability();
  std::vector<v1::Reply> replies;
  for (const auto& process : {&one, &two}) {
    (*process)->app->cluster()->api()->Handle(subjects::Api("aws", "aws:ctl:alice", "refresh-reachability"),
                                              request.SerializeAsString(),
                                              [&](const v1::Reply& reply) { replies.push_back(reply); });
  }
  Run(absl::Seconds(5));
  ASSERT_EQ(replies.size(), 2u);
  for (const v1::Reply& reply : replies) {
    EXPECT_EQ(reply.code(), 0u) << reply.message();
    EXPECT_EQ(reply.refresh_reachability().rows(), 2u * 30 * 38);
  }
  EXPECT_EQ(CountersOf(one).whole + CountersOf(two).whole, 1u);
  EXPECT_EQ(CountersOf(one).lost + CountersOf(two).lost, 1u);
  EXPECT_EQ(Rows().reachability.size(), 2u * 30 * 38) << "each row once";
}

TEST_F(ReachabilityFlowTest, WhatAnotherWroteIsNotTakenForOnesOwn) {
  const auto one = StartKeeping("aws", "aws-cp1");
  const auto two = Start("aws", "aws-cp2");
  ASSERT_EQ(RegisterNode("n1", "192.0.2.1").code(), 0u);
  const uint32_t db = IdentityOf(AddEndpoint(1, "n1", "10.1.0.1", "db"));
  Run(absl::Seconds(3));
  // All between two looks of the one that keeps: a policy, rows with it by the other one, and its end.
  const auto soon = [this](v1::Request request, const std::string& verb) {
    return Call(std::move(request), verb, "aws:ctl:alice", absl::Milliseconds(50)).code();
  };
  v1::Request apply, refresh, remove;
  apply.mutable_apply()->add_manifests()->set_text(NamespaceYaml("tick"));
  ASSERT_EQ(soon(apply, "apply"), 0u);
  const uint64_t writes = CountersOf(one).writes;
  for (int i = 0; i < 200 && CountersOf(one).writes == writes; ++i) Run(absl::Milliseconds(10));
  ASSERT_GT(CountersOf(one).writes, writes);
  apply.mutable_apply()->mutable_manifests(0)->set_text(Closed("db"));
  ASSERT_EQ(soon(apply, "apply"), 0u);
  refresh.mutable_refresh_reachability();
  two->app->cluster()->api()->Handle(subjects::Api("aws", "aws:ctl:alice", "refresh-reachability"),
                                     refresh.SerializeAsString(), [](const v1::Reply&) {});
  Run(absl::Milliseconds(100));
  ASSERT_EQ(Ingress(db, db), "denied");
  remove.mutable_delete_()->set_kind("NetworkPolicy");
  remove.mutable_delete_()->set_namespace_("default");
  remove.mutable_delete_()->set_name("db");
  ASSERT_EQ(soon(remove, "delete"), 0u);
  ASSERT_EQ(Rows().reachability_state.writer, "aws-cp2") << "the other one has looked meanwhile";
  Run(absl::Seconds(2));
  EXPECT_EQ(Rows().reachability_state.writer, "aws-cp1");
  EXPECT_EQ(Ingress(db, db), "allowed");
}

}  // namespace
}  // namespace trivium
