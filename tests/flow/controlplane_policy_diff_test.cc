// `policy diff` over whole control planes: what a change of policies would change, and that finding out
// disturbs nobody.
#include "controlplane/api/policy_differ.h"
#include "tests/flow/controlplane_fixture.h"

namespace trivium {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kDb[] =
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db}\n"
    "spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: "
    "web}}}], "
    "ports: [{port: 5432}]}]}\n";

class PolicyDiffTest : public ControlPlaneTest {
 protected:
  PolicyDiffTest() {
    aws_ = Start("aws", "aws-cp1");
    gcp_ = Start("gcp", "gcp-cp1");
    EXPECT_EQ(RegisterNode("n1", "192.168.0.1").code(), 0u);
    EXPECT_EQ(RegisterNode("g1", "192.168.1.1", "gcp").code(), 0u);
    EXPECT_EQ(AddEndpoint(1, "n1", "10.1.0.5", "web").code(), 0u);
    EXPECT_EQ(AddEndpoint(2, "n1", "10.1.0.6", "db").code(), 0u);
    EXPECT_EQ(AddEndpoint(4, "n1", "10.1.0.7", "db").code(), 0u);
    EXPECT_EQ(AddEndpoint(3, "g1", "10.2.0.5", "web", "gcp").code(), 0u);
    Run(absl::Seconds(2));  // each mirrors the other
  }

  static v1::Request Request(const std::string& yaml, bool remove = false, uint32_t max = 0) {
    v1::Request request;
    request.mutable_policy_diff()->add_manifests()->set_text(yaml);
    request.mutable_policy_diff()->mutable_manifests(0)->set_file("f.yaml");
    request.mutable_policy_diff()->set_delete_(remove);
    request.mutable_policy_diff()->set_max_flows(max);
    return request;
  }
  v1::Reply Diff(const std::string& yaml, bool remove = false, uint32_t max = 0) {
    return Call(Request(yaml, remove, max), "policy-diff");
  }
  // "aws default app=web > aws default app=db TCP 5432-5432 allowed", those of one protocol.
  static std::vector<std::string> Texts(const v1::Reply& reply, v1::Protocol protocol) {
    std::vector<std::string> texts;
    for (const v1::PolicyDiffFlow& flow : reply.policy_diff().flows()) {
      if (flow.protocol() != protocol) continue;
      texts.push_back(absl::StrCat(flow.from(), " > ", flow.to(), " ", flow.first_port(), "-",
                                   flow.last_port(), " ", flow.after()));
    }
    return texts;
  }

  std::unique_ptr<Process> aws_, gcp_;
};

TEST_F(PolicyDiffTest, SaysWhoIsShutOutAndWhoIsNot) {
  const v1::Reply reply = Diff(kDb);
  ASSERT_EQ(reply.code(), 0u) << reply.message();
  EXPECT_THAT(Texts(reply, v1::PROTOCOL_TCP),
              ElementsAre("aws default app=web > aws default app=db 0-5431 denied",
                          "aws default app=web > aws default app=db 5433-65535 denied"));
  // Everybody else on every port, but its own host, which always reaches it.
  EXPECT_THAT(
      Texts(reply, v1::PROTOCOL_ANY),
      ElementsAre(
          "world > aws default app=db 0-65535 denied", "unmanaged > aws default app=db 0-65535 denied",
          "health > aws default app=db 0-65535 denied", "init > aws default app=db 0-65535 denied",
          "remote-node > aws default app=db 0-65535 denied",
          "kube-apiserver > aws default app=db 0-65535 denied", "ingress > aws default app=db 0-65535 denied",
          "aws default app=db > aws default app=db 0-65535 denied",
          "gcp default app=web > aws default app=db 0-65535 denied"));
  const v1::PolicyDiffFlow& flow = reply.policy_diff().flows(0);
  EXPECT_EQ(flow.direction(), v1::Rule::INGRESS);
  EXPECT_EQ(flow.endpoints(), 2u);
  EXPECT_EQ(flow.to_identity(), 257u);
  EXPECT_EQ(flow.before(), "allowed");
  EXPECT_EQ(flow.before_rule(), "");
  EXPECT_EQ(reply.policy_diff().apply().items(0).action(), "created");
  ASSERT_EQ(reply.policy_diff().at_size(), 2);
  EXPECT_EQ(reply.policy_diff().at(0).revision(), Rows().head.revision);
  EXPECT_EQ(Get("netpol").get().items_size(), 0) << "nothing is written";
}

TEST_F(PolicyDiffTest, NamesTheRuleThatDecides) {
  ASSERT_EQ(Apply(kDb).code(), 0u);
  std::string wider = kDb;
  wider.replace(wider.find("5432"), 4, "5432}, {port: 6000, endPort: 6010");
  const v1::Reply reply = Diff(wider);
  ASSERT_EQ(reply.policy_diff().flows_size(), 1) << reply.ShortDebugString();
  const v1::PolicyDiffFlow& flow = reply.policy_diff().flows(0);
  EXPECT_EQ(flow.from(), "aws default app=web");
  EXPECT_EQ(flow.first_port(), 6000u);
  EXPECT_EQ(flow.last_port(), 6010u);
  EXPECT_EQ(flow.after(), "allowed");
  EXPECT_EQ(flow.after_rule(), "NetworkPolicy default/db spec.ingress[0]");
  EXPECT_THAT(Diff(kDb).policy_diff().flows(), IsEmpty()) << "applied again, it changes nothing";
  EXPECT_EQ(Diff(kDb).policy_diff().apply().items(0).action(), "unchanged");
}

TEST_F(PolicyDiffTest, OfADeletionAndOfPrefixesAndGroups) {
  ASSERT_EQ(Apply(kDb).code(), 0u);
  const v1::Reply gone = Diff(kDb, true);
  ASSERT_EQ(gone.code(), 0u) << gone.message();
  EXPECT_EQ(gone.policy_diff().apply().items(0).action(), "deleted");
  EXPECT_EQ(Texts(gone, v1::PROTOCOL_ANY).size(), 9u);
  EXPECT_EQ(Get("netpol").get().items_size(), 1) << "nothing is deleted";
  EXPECT_EQ(Diff(std::string(kDb).replace(std::string(kDb).find("name: db"), 8, "name: xx"), true).code(),
            static_cast<uint32_t>(StatusCode::kNotFound));

  const std::string group =
      "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: partners}\nspec: {externalCIDRs: [";
  ASSERT_EQ(
      Apply(
          group +
          "192.0.2.0/24]}\n---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: web}\n"
          "spec: {endpointSelector: {matchLabels: {app: web}}, egress: [{toCIDRSet: [{cidrGroupRef: "
          "partners}]}]}\n")
          .code(),
      0u);
  const v1::Reply reply = Diff(group + "198.51.100.0/24]}\n");
  EXPECT_THAT(Texts(reply, v1::PROTOCOL_ANY),
              ElementsAre("aws default app=web > 192.0.2.0/24 0-65535 denied",
                          "aws default app=web > 198.51.100.0/24 0-65535 allowed"));
  EXPECT_EQ(reply.policy_diff().flows(0).to_identity(), 0u);
  EXPECT_EQ(reply.policy_diff().flows(0).direction(), v1::Rule::EGRESS);
}

TEST_F(PolicyDiffTest, WhatAnApplyRefusesIsRefused) {
  const v1::Reply bad =
      Diff("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: x}\nspec: {no: 1}\n");
  EXPECT_EQ(bad.code(), static_cast<uint32_t>(StatusCode::kInvalidArgument));
  EXPECT_THAT(bad.message(), HasSubstr("f.yaml:4: spec.no"));
  EXPECT_EQ(Diff(PolicyYaml("nowhere", "x")).code(), static_cast<uint32_t>(StatusCode::kFailedPrecondition));
  for (const char* principal : {"aws:node:n1", "aws:cp:aws-cp2"}) {
    const v1::Reply reply = Call(Request(kDb), "policy-diff", principal);
    EXPECT_EQ(reply.code(), static_cast<uint32_t>(StatusCode::kPermissionDenied)) << principal;
  }
}

TEST_F(PolicyDiffTest, TheAnswerIsBounded) {
  const v1::Reply all = Diff(kDb);
  const v1::Reply some = Diff(kDb, false, 3);
  EXPECT_EQ(some.policy_diff().flows_size(), 3);
  EXPECT_EQ(some.policy_diff().more(), static_cast<uint64_t>(all.policy_diff().flows_size() - 3));
  EXPECT_EQ(all.policy_diff().more(), 0u);
}

// ---- It disturbs nobody

class PolicyDiffStepsTest : public PolicyDiffTest {
 protected:
  PolicyDiffStepsTest()
      : steps_(&clock_),
        planner_(PlannerConfig{"aws", 1, 1, {}}, &aws_->app->mirrors()->mesh()->mirror(), &random_) {
    caller_.principal = Principal{"aws", "ctl", "alice"};
    options_.comparisons = 8;
  }
  std::unique_ptr<PolicyDiffer> Make() {
    return std::make_unique<PolicyDiffer>(aws_->app->mirrors(), aws_->app->cluster()->mirror(), &planner_,
                                          &steps_, &clock_, options_);
  }
  PolicyDiffer::Answer Into(v1::Reply* reply, int* answers) {
    return [=](const v1::Reply& said) {
      *reply = said;
      ++*answers;
    };
  }

  ManualExecutor steps_;
  Planner planner_;
  Caller caller_;
  PolicyDiffer::Options options_;
};

TEST_F(PolicyDiffStepsTest, OthersComeInBetween) {
  const auto differ = Make();
  v1::Reply reply;
  int answers = 0;
  const v1::Request request = Request(kDb);
  differ->Diff(request.policy_diff(), caller_, absl::Seconds(10), Into(&reply, &answers));
  EXPECT_EQ(answers, 0) << "it does a part, and lets others have their turn";
  EXPECT_EQ(differ->running(), 1u);
  bool between = false;
  steps_.Post([&] { between = answers == 0; });
  // The state is that of its beginning, whatever is written meanwhile.
  ASSERT_EQ(Apply(kDb).code(), 0u);
  steps_.RunUntilIdle();
  EXPECT_TRUE(between);
  ASSERT_EQ(answers, 1);
  EXPECT_EQ(Texts(reply, v1::PROTOCOL_ANY).size(), 9u);
  EXPECT_EQ(differ->running(), 0u);
}

TEST_F(PolicyDiffStepsTest, IsGivenUpAtTheDeadline) {
  const auto differ = Make();
  v1::Reply reply;
  int answers = 0;
  differ->Diff(Request(kDb).policy_diff(), caller_, absl::Seconds(1), Into(&reply, &answers));
  clock_.Advance(absl::Seconds(2));
  steps_.RunUntilIdle();
  ASSERT_EQ(answers, 1);
  EXPECT_EQ(reply.code(), static_cast<uint32_t>(StatusCode::kFailedPrecondition));
  EXPECT_THAT(reply.message(), HasSubstr("not done in time: "));
  EXPECT_EQ(differ->running(), 0u);
}

TEST_F(PolicyDiffStepsTest, OnlySoManyAtOnceAndNoneOutlivesItsOwner) {
  auto differ = Make();
  v1::Reply reply;
  int answers = 0;
  for (int i = 0; i < 3; ++i) {
    differ->Diff(Request(kDb).policy_diff(), caller_, absl::Seconds(10), Into(&reply, &answers));
  }
  ASSERT_EQ(answers, 1);
  EXPECT_EQ(reply.code(), static_cast<uint32_t>(StatusCode::kResourceExhausted));
  differ.reset();
  steps_.RunUntilIdle();
  EXPECT_EQ(answers, 1);
}

}  // namespace
}  // namespace trivium
