// One control plane process that serves several clusters, on fake drivers: each of them as if it were alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/flow/controlplane_fixture.h"

namespace trivium {
namespace {

using testing::HasSubstr;

class ServedClustersTest : public ControlPlaneTest {
 protected:
  std::unique_ptr<Process> StartBoth() {
    ControlPlaneConfig config = Config("aws", "both-cp1");
    config.clusters.push_back(Cluster("gcp"));
    std::unique_ptr<Process> process = Launch(config);
    Run(absl::Seconds(1));
    EXPECT_TRUE(process->started.ok()) << process->started;
    return process;
  }
};

TEST_F(ServedClustersTest, EachHasAWriterAndADoorOfItsOwn) {
  std::unique_ptr<Process> both = StartBoth();
  ASSERT_EQ(both->app->clusters().size(), 2u);
  ASSERT_EQ(Apply(NamespaceYaml("shop")).code(), 0u);
  ASSERT_EQ(Apply(NamespaceYaml("stock"), "gcp:ctl:bob").code(), 0u);
  ASSERT_EQ(RegisterNode("g1", "192.168.1.1", "gcp").code(), 0u);
  const FakeDatabase::ClusterRows aws = Rows(1), gcp = Rows(2);
  EXPECT_TRUE(aws.objects.contains(ObjectKey{v1::KIND_NAMESPACE, "shop"}));
  EXPECT_FALSE(aws.objects.contains(ObjectKey{v1::KIND_NAMESPACE, "stock"}));
  EXPECT_TRUE(gcp.objects.contains(ObjectKey{v1::KIND_NAMESPACE, "stock"}));
  EXPECT_TRUE(gcp.objects.contains(ObjectKey{v1::KIND_NODE, "g1"}));
  // What the process writes by itself is written in each cluster's own name.
  EXPECT_EQ(both->app->clusters()[0]->principal().ToString(), "aws:cp:both-cp1");
  EXPECT_EQ(both->app->clusters()[1]->principal().ToString(), "gcp:cp:both-cp1");
  // The role of one cluster means nothing in another.
  EXPECT_EQ(both->app->clusters()[1]->api()->refused(), 0u);
  v1::Request request;
  request.set_request_id(random_.NewId().ToBytes());
  request.mutable_apply()->add_manifests()->set_text(NamespaceYaml("evil"));
  const absl::StatusOr<std::string> answer =
      Ask(subjects::Api("gcp", "aws:ctl:alice", "apply"), request.SerializeAsString());
  v1::Reply reply;
  ASSERT_TRUE(answer.ok() && reply.ParseFromString(*answer));
  EXPECT_EQ(static_cast<absl::StatusCode>(reply.code()), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(both->app->clusters()[1]->api()->refused(), 1u);
}

TEST_F(ServedClustersTest, ItsBeaconsProveTheLifeOfEach) {
  std::unique_ptr<Process> both = StartBoth();
  std::string instance;
  std::unique_ptr<FakeBus> agent = broker_.Connect("agent");
  ASSERT_TRUE(agent
                  ->Subscribe(subjects::kHeads, "", &executor_,
                              [&](const Message& message) {
                                v1::Heads heads;
                                ASSERT_TRUE(heads.ParseFromString(message.payload));
                                instance = heads.instance();
                                EXPECT_EQ(heads.heads_size(), 3) << "of the mesh and both clusters";
                              })
                  .ok());
  Run(absl::Seconds(20));
  EXPECT_THAT(instance, HasSubstr("aws:cp:both-cp1"));
  EXPECT_THAT(instance, HasSubstr("gcp:cp:both-cp1"));
  // Each hears the other through the beacons of the process that serves them both.
  for (const auto& cluster : both->app->clusters()) {
    const std::string other = cluster->name() == "aws" ? "gcp/" : "aws/";
    EXPECT_TRUE(cluster->liveness().detector().Watches(other)) << cluster->name();
    EXPECT_TRUE(cluster->liveness().detector().Alive(other)) << cluster->name();
    EXPECT_EQ(cluster->liveness().counters().writes, 0u);
  }
}

TEST_F(ServedClustersTest, ARegionOutOfReachDelaysItsOwnClusterAlone) {
  ControlPlaneConfig config = Config("aws", "both-cp1");
  config.clusters.push_back(Cluster("gcp"));
  auto process = std::make_unique<Process>();
  process->store = std::make_unique<FakeStore>(database_, &clock_);
  process->store->SetDelay(absl::Milliseconds(1));
  process->store->SetHomeUnavailable(2, true);
  process->bus = broker_.Connect("both", "eu-west-2");
  process->app = std::make_unique<App>(
      config, App::Drivers{process->store.get(), process->bus.get(), &executor_, &clock_, &random_});
  process->app->Start([p = process.get()](const absl::Status& status) { p->started = status; });
  Run(absl::Seconds(10));
  EXPECT_EQ(process->started.code(), absl::StatusCode::kUnknown) << "not all are served";
  EXPECT_EQ(Apply(NamespaceYaml("shop")).code(), 0u);
  process->store->SetHomeUnavailable(2, false);
  Run(absl::Seconds(5));
  EXPECT_TRUE(process->started.ok()) << process->started;
  EXPECT_EQ(Apply(NamespaceYaml("stock"), "gcp:ctl:bob").code(), 0u);
}

TEST_F(ServedClustersTest, TheErrorOfOneSaysWhichItIs) {
  std::unique_ptr<Process> aws = Start("aws", "aws-cp1");
  ControlPlaneConfig config = Config("aws", "both-cp1");
  config.clusters.push_back(ServedCluster{"azure", 3, "eu-west-2", 1, 0, {*ParseCidr("10.1.0.0/16")}});
  std::unique_ptr<Process> both = Launch(config);
  Run(absl::Seconds(2));
  EXPECT_EQ(both->started.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(both->started.message()), HasSubstr("cluster azure"));
}

TEST_F(ServedClustersTest, DrainingFinishesAllOfThem) {
  std::unique_ptr<Process> both = StartBoth();
  both->store->SetDelay(absl::Milliseconds(50));
  std::vector<v1::Reply> replies;
  for (const auto& [cluster, principal] :
       {std::pair("aws", "aws:ctl:alice"), std::pair("gcp", "gcp:ctl:bob")}) {
    v1::Request request;
    request.set_request_id(random_.NewId().ToBytes());
    request.mutable_apply()->add_manifests()->set_text(NamespaceYaml("last"));
    client_ = client_ == nullptr ? broker_.Connect("client") : std::move(client_);
    client_->Request(subjects::Api(cluster, principal, "apply"), request.SerializeAsString(),
                     absl::Seconds(5), &executor_, [&](const absl::StatusOr<std::string>& answer) {
                       ASSERT_TRUE(answer.ok()) << answer.status();
                       ASSERT_TRUE(replies.emplace_back().ParseFromString(*answer));
                     });
  }
  Run(absl::Milliseconds(20));
  EXPECT_TRUE(replies.empty());
  bool drained = false;
  both->app->Drain([&] { drained = true; });
  EXPECT_FALSE(drained);
  Run(absl::Seconds(1));
  EXPECT_TRUE(drained);
  ASSERT_EQ(replies.size(), 2u);
  for (const v1::Reply& reply : replies) EXPECT_EQ(reply.code(), 0u) << reply.message();
}

}  // namespace
}  // namespace trivium
