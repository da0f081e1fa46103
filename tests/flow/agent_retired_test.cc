// What an agent says of identities that are retired while a pod of its own has them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/flow/agent_world.h"

namespace trivium {
namespace {

using testing::HasSubstr;

constexpr uint32_t kNumber = 70001;

class AgentRetired : public testing::Test {
 protected:
  // A pod that started without the control plane, with an identity that the log had.
  void SetUp() override {
    ASSERT_TRUE(world_.Start().ok());
    world_.Settle();
    world_.aws.Upsert(IdentityObject("aws", kNumber, {{"app", "web"}}));
    world_.aws.Commit();
    world_.Settle();
    world_.aws.Refuse(absl::UnavailableError("not now"));
    const v1::AgentReply added = world_.AddPod(1, "web", "web", "10.1.1.10");
    ASSERT_EQ(added.code(), 0u) << added.message();
    ASSERT_EQ(added.added().endpoint().state(), v1::ENDPOINT_READY_UNREGISTERED);
    ASSERT_EQ(added.added().endpoint().identity(), kNumber);
  }
  v1::AppliedCluster Own() {
    const v1::AgentStatusResult result = world_.Status();
    for (const v1::AppliedCluster& applied : result.status().applied()) {
      if (applied.cluster() == "aws") return applied;
    }
    return {};
  }
  void Retire() {
    before_ = world_.aws.revision();
    world_.aws.Delete(v1::KIND_IDENTITY, absl::StrCat(kNumber));
    world_.aws.Commit();
    world_.Run(absl::Seconds(5));
  }

  AgentWorld world_;
  uint64_t before_ = 0;
};

TEST_F(AgentRetired, DoesNotConfirmWhileAPodOfItsOwnHasTheNumber) {
  Retire();
  EXPECT_EQ(Own().received(), before_ + 1);
  EXPECT_EQ(Own().enforced(), before_);
  EXPECT_THAT(Own().problem(), HasSubstr(absl::StrCat(kNumber)));
  // Nor any later revision.
  world_.aws.Upsert(NamespaceObject("other"));
  world_.aws.Commit();
  world_.Run(absl::Seconds(5));
  EXPECT_EQ(Own().enforced(), before_);
}

TEST_F(AgentRetired, ConfirmsOnceThePodIsGone) {
  Retire();
  world_.aws.Refuse(absl::OkStatus());
  ASSERT_EQ(world_.DelPod("web").code(), 0u);
  world_.Settle();
  EXPECT_EQ(Own().enforced(), world_.aws.revision());
  EXPECT_EQ(Own().problem(), "");
}

TEST_F(AgentRetired, ConfirmsOnceTheNumberIsRevived) {
  Retire();
  world_.aws.Upsert(IdentityObject("aws", kNumber, {{"app", "web"}}));
  world_.aws.Upsert(EndpointObject(1, 1, kNumber, "10.1.1.10"));
  world_.aws.Commit();
  world_.Run(absl::Seconds(5));
  EXPECT_EQ(Own().enforced(), world_.aws.revision());
}

}  // namespace
}  // namespace trivium
