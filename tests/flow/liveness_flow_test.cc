// Liveness through whole control planes on fake drivers: what dies is said to be dead in the observer's own
// log, once, and nothing else is written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/flow/controlplane_fixture.h"

namespace trivium {
namespace {

class LivenessFlowTest : public ControlPlaneTest {
 protected:
  void SetUp() override {
    aws_ = Start("aws", "cp-aws");
    gcp_ = Start("gcp", "cp-gcp");
    ASSERT_EQ(RegisterNode("n1", "192.168.0.1").code(), 0u);
    ASSERT_EQ(RegisterNode("n2", "192.168.0.2").code(), 0u);
    ASSERT_EQ(RegisterNode("g1", "192.168.1.1", "gcp").code(), 0u);
    agents_ = broker_.Connect("agents");
    Live(absl::Seconds(10));
  }

  // Agents report each second, all but those that are dead.
  void Live(absl::Duration time) {
    for (absl::Duration passed; passed < time; passed += absl::Seconds(1)) {
      for (const auto& [cluster, node] :
           std::vector<std::pair<std::string, std::string>>{{"aws", "n1"}, {"aws", "n2"}, {"gcp", "g1"}}) {
        if (dead_.contains(cluster + "/" + node)) continue;
        v1::AgentStatus status;
        status.set_cluster(cluster);
        status.set_node(node);
        status.set_start_ms(1);
        status.set_sequence(++sequence_);
        ASSERT_TRUE(agents_->Publish(subjects::AgentStatus(cluster, node), status.SerializeAsString()).ok());
      }
      Run(absl::Seconds(1));
    }
  }
  // What the cluster's log in SQL says.
  std::string Said(uint32_t cluster, const std::string& key) {
    const FakeDatabase::ClusterRows rows = Rows(cluster);
    const auto it = rows.objects.find(ObjectKey{v1::KIND_LIVENESS, key});
    if (it == rows.objects.end()) return "nothing";
    return it->second.object.liveness().alive() ? "up" : "down";
  }

  std::unique_ptr<Process> aws_;
  std::unique_ptr<Process> gcp_;
  std::unique_ptr<FakeBus> agents_;
  std::set<std::string> dead_;
  uint64_t sequence_ = 0;
};

TEST_F(LivenessFlowTest, WhatLivesCostsNoWrite) {
  const uint64_t before = aws_->store->commits();
  Live(absl::Seconds(60));
  EXPECT_EQ(aws_->store->commits(), before) << "a beat was written";
  EXPECT_EQ(Said(1, "aws/n1"), "nothing");
  EXPECT_EQ(Said(1, "gcp/"), "nothing");
}

TEST_F(LivenessFlowTest, ADeadNodeIsSaidToBeDeadWithinFiveSecondsAndOnce) {
  const uint64_t before = aws_->store->commits();
  dead_.insert("aws/n1");
  Live(absl::Seconds(4));  // the last report is a second old
  EXPECT_EQ(Said(1, "aws/n1"), "down");
  EXPECT_EQ(Said(1, "aws/n2"), "nothing");
  EXPECT_EQ(Said(2, "aws/"), "nothing") << "the cluster lives";
  Live(absl::Seconds(60));
  EXPECT_EQ(aws_->store->commits(), before + 1);
  // `get` says it, of whichever cluster.
  const v1::Reply seen = Get("Liveness", "", "", "aws");
  ASSERT_EQ(seen.get().items_size(), 1);
  EXPECT_EQ(seen.get().items(0).object().object().liveness().node(), "n1");
  dead_.clear();
  Live(absl::Seconds(5));
  EXPECT_EQ(Said(1, "aws/n1"), "up");
  EXPECT_EQ(aws_->store->commits(), before + 2);
}

TEST_F(LivenessFlowTest, ADeadClusterIsSeenByTheOthers) {
  Kill(&gcp_);
  Live(absl::Seconds(5));
  EXPECT_EQ(Said(1, "gcp/"), "down");
  gcp_ = Start("gcp", "cp-gcp-2");
  Live(absl::Seconds(5));
  EXPECT_EQ(Said(1, "gcp/"), "up");
}

TEST_F(LivenessFlowTest, ACutLinkIsSeenFromBothSides) {
  broker_.SetFilter([](const std::string& from, const std::string& to, const Message&) {
    return from.find(":cp:") == std::string::npos || to.find(":cp:") == std::string::npos ||
           from.substr(0, 3) == to.substr(0, 3);
  });
  Live(absl::Seconds(5));
  EXPECT_EQ(Said(1, "gcp/"), "down");
  EXPECT_EQ(Said(2, "aws/"), "down");
  EXPECT_EQ(Said(1, "aws/n1"), "nothing");
  broker_.SetFilter(nullptr);
  Live(absl::Seconds(5));
  EXPECT_EQ(Said(1, "gcp/"), "up");
  EXPECT_EQ(Said(2, "aws/"), "up");
}

TEST_F(LivenessFlowTest, WhoIsCutOffItselfSaysNothingOfOthers) {
  const std::string bus = "aws:cp:cp-aws#1";
  broker_.SetConnected(bus, false);
  Live(absl::Seconds(30));
  EXPECT_EQ(Said(1, "aws/n1"), "nothing");
  EXPECT_EQ(Said(1, "gcp/"), "nothing");
  EXPECT_EQ(Said(2, "aws/"), "down");
  broker_.SetConnected(bus, true);
  Live(absl::Seconds(10));
  EXPECT_EQ(Said(1, "aws/n1"), "nothing");
  EXPECT_EQ(Said(2, "aws/"), "up");
}

TEST_F(LivenessFlowTest, OneInstanceWritesAndAnotherTakesOver) {
  std::unique_ptr<Process> second = Start("aws", "cp-aws-b");
  Live(absl::Seconds(2));
  EXPECT_TRUE(aws_->app->cluster()->liveness().is_writer());
  EXPECT_FALSE(second->app->cluster()->liveness().is_writer());
  dead_.insert("aws/n1");
  Live(absl::Seconds(5));
  EXPECT_EQ(Said(1, "aws/n1"), "down");
  EXPECT_EQ(second->app->cluster()->liveness().counters().writes, 0u);
  Kill(&aws_);
  dead_.insert("aws/n2");
  Live(absl::Seconds(10));
  EXPECT_TRUE(second->app->cluster()->liveness().is_writer());
  EXPECT_EQ(Said(1, "aws/n2"), "down");
}

TEST_F(LivenessFlowTest, AFlappingNodeCostsFewWrites) {
  const uint64_t before = aws_->store->commits();
  for (int i = 0; i < 40; ++i) {
    dead_.insert("aws/n1");
    Live(absl::Seconds(5));
    dead_.clear();
    Live(absl::Seconds(3));
  }
  EXPECT_LE(aws_->store->commits(), before + 7);
}

TEST_F(LivenessFlowTest, ADeletedNodeLeavesNoWordBehind) {
  dead_.insert("aws/n1");
  Live(absl::Seconds(5));
  ASSERT_EQ(Said(1, "aws/n1"), "down");
  v1::Request request;
  request.mutable_delete_()->set_kind("Node");
  request.mutable_delete_()->set_name("n1");
  ASSERT_EQ(Call(std::move(request), "delete").code(), 0u);
  Live(absl::Seconds(10));
  EXPECT_EQ(Said(1, "aws/n1"), "nothing");
}

}  // namespace
}  // namespace trivium
