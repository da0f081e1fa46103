// How often an agent says what it enforces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "schema/subjects.h"
#include "tests/flow/agent_world.h"
#include "trivium/v1/status.pb.h"

namespace trivium {
namespace {

class AgentReport : public testing::Test {
 protected:
  void SetUp() override {
    for (uint32_t n = 2; n <= 100; ++n) {
      world_.aws.Upsert(
          NodeObject(absl::StrCat("n", n), n, absl::StrCat("192.168.1.", n), absl::StrCat("10.1.", n, ".1")));
    }
    world_.aws.Commit();
    listener_ = world_.broker.Connect("aws:cp:listener");
    ASSERT_TRUE(listener_
                    ->Subscribe(subjects::EveryAgentStatus("aws"), "", &world_.executor,
                                [this](const Message& message) {
                                  v1::AgentStatus status;
                                  ASSERT_TRUE(status.ParseFromString(message.payload));
                                  for (const v1::AppliedCluster& applied : status.applied()) {
                                    if (applied.cluster() == "gcp") enforced_ = applied.enforced();
                                  }
                                  ++reports_;
                                })
                    .ok());
    ASSERT_TRUE(world_.Start().ok());
    world_.Settle();
    world_.Run(absl::Seconds(5));
  }

  uint64_t Change() {
    ++changes_;
    world_.gcp.Upsert(EndpointObject(1000 + changes_, 1, 60001, absl::StrCat("10.2.7.", changes_ % 200)));
    return world_.gcp.Commit();
  }

  AgentWorld world_;
  std::unique_ptr<FakeBus> listener_;
  int reports_ = 0;
  uint64_t changes_ = 0;
  uint64_t enforced_ = 0;
};

TEST_F(AgentReport, ANodeThatWasQuietReportsWhatChangesAtOnce) {
  const uint64_t revision = Change();
  world_.Run(absl::Milliseconds(20));
  EXPECT_EQ(enforced_, revision);
}

TEST_F(AgentReport, ManyNodesUnderLoadReportRarelyButDoReport) {
  reports_ = 0;
  uint64_t revision = 0;
  for (int i = 0; i < 200; ++i) {  // two seconds
    revision = Change();
    world_.Run(absl::Milliseconds(10));
  }
  // Two that come every second, four of changes, and the burst.
  EXPECT_LE(reports_, 10);
  EXPECT_GE(reports_, 5);
  world_.Run(absl::Milliseconds(510));
  EXPECT_EQ(enforced_, revision);
}

}  // namespace
}  // namespace trivium
