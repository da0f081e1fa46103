#include "tests/flow/controlplane_fixture.h"

namespace trivium {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

StatusCode CodeOf(const v1::Reply& reply) { return static_cast<StatusCode>(reply.code()); }

class ControlPlaneApiTest : public ControlPlaneTest {
 protected:
  ControlPlaneApiTest() { aws_ = Start("aws", "aws-cp1"); }
  std::unique_ptr<Process> aws_;
};

TEST_F(ControlPlaneApiTest, StartsWithWhatEveryClusterHas) {
  EXPECT_EQ(Get("regions").get().items_size(), 1);
  const v1::Reply clusters = Get("Cluster");
  ASSERT_EQ(clusters.get().items_size(), 1);
  EXPECT_EQ(clusters.get().items(0).object().object().cluster().id(), 1u);
  EXPECT_EQ(Get("ns", "default").get().items_size(), 1);
  EXPECT_EQ(aws_->app->mirrors()->mesh()->mirror().All(v1::KIND_IDENTITY_BLOCK).size(), 4u);
}

TEST_F(ControlPlaneApiTest, AppliedIsCommittedPublishedAndReadable) {
  std::vector<Batch> feed;
  std::unique_ptr<FakeBus> agent = broker_.Connect("agent");
  ASSERT_TRUE(
      agent
          ->Subscribe(subjects::Feed("aws"), "", &executor_,
                      [&](const Message& message) { feed.push_back(DecodeBatch(message.payload).value()); })
          .ok());
  const v1::Reply reply = Apply(NamespaceYaml("shop") + "---\n" + PolicyYaml("shop", "db"));
  ASSERT_EQ(reply.code(), 0u) << reply.message();
  EXPECT_EQ(reply.apply().items(1).action(), "created");
  EXPECT_EQ(reply.revision(), Rows().head.revision);
  ASSERT_EQ(feed.size(), 1u);
  EXPECT_EQ(feed[0].envelope, Rows().log.at(reply.revision()).envelope);

  const v1::Reply one = Get("netpol", "db", "shop");
  ASSERT_EQ(one.get().items_size(), 1);
  EXPECT_EQ(one.get().items(0).object().revision(), reply.revision());
  EXPECT_THAT(one.get().items(0).manifest(), HasSubstr("kind: NetworkPolicy"));
  EXPECT_EQ(one.get().at().revision(), reply.revision());
  ASSERT_EQ(Apply(PolicyYaml("shop", "app")).code(), 0u);
  const v1::Reply all = Get("netpol", "", "shop");
  ASSERT_EQ(all.get().items_size(), 2);
  EXPECT_EQ(all.get().items(0).object().object().policy().name(), "app");
  EXPECT_EQ(all.get().items(0).manifest(), "");
  EXPECT_EQ(Get("netpol", "", "other").get().items_size(), 0);
  EXPECT_EQ(CodeOf(Get("netpol", "none", "shop")), StatusCode::kNotFound);
  EXPECT_EQ(CodeOf(Get("pod")), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Get("ns", "", "", "mars")), StatusCode::kNotFound);
}

TEST_F(ControlPlaneApiTest, NodesAndEndpoints) {
  ASSERT_EQ(RegisterNode("n1", "192.168.0.1").code(), 0u);
  const v1::Reply added = AddEndpoint(1, "n1", "10.1.0.5", "web");
  ASSERT_EQ(added.code(), 0u) << added.message();
  EXPECT_EQ(added.add_endpoint().identity().id(), 256u);
  EXPECT_EQ(Get("ep", "pod-1").get().items_size(), 1);
  EXPECT_EQ(Get("id", "256").get().items_size(), 1);
  EXPECT_EQ(Get("node").get().items_size(), 1);
  v1::Request request;
  request.mutable_remove_endpoint()->set_uid(Id128{9, 1}.ToBytes());
  request.mutable_remove_endpoint()->set_node("n1");
  ASSERT_EQ(Call(request, "remove-endpoint", "aws:node:n1").code(), 0u);
  EXPECT_EQ(Get("ep").get().items_size(), 0);
  EXPECT_EQ(database_->References(ClusterRef{"", 1, 1}, 256), 0u);
}

TEST_F(ControlPlaneApiTest, BadRequestsGetAnErrorAndChangeNothing) {
  const uint64_t before = Rows().head.revision;
  v1::Request get;
  get.mutable_get()->set_kind("ns");
  const auto ask = [&](const std::string& subject, const std::string& payload) {
    v1::Reply reply;
    const absl::StatusOr<std::string> answer = Ask(subject, payload);
    EXPECT_TRUE(answer.ok() && reply.ParseFromString(*answer)) << answer.status();
    return reply;
  };
  const std::string alice = "aws:ctl:alice";
  v1::Reply reply = ask(subjects::Api("aws", alice, "get"), "\xff\xff garbage");
  EXPECT_EQ(CodeOf(reply), StatusCode::kInvalidArgument);
  reply = ask(subjects::Api("aws", alice, "get"), "");
  EXPECT_THAT(reply.message(), HasSubstr("no verb"));
  reply = ask(subjects::Api("aws", alice, "apply"), get.SerializeAsString());
  EXPECT_THAT(reply.message(), HasSubstr("its subject says \"apply\""));
  reply = ask(subjects::Api("aws", "alice", "get"), get.SerializeAsString());
  EXPECT_THAT(reply.message(), HasSubstr("not a principal"));
  reply = ask(subjects::Api("aws", "gcp:ctl:eve", "get"), get.SerializeAsString());
  EXPECT_EQ(CodeOf(reply), StatusCode::kPermissionDenied);
  v1::Request no_id;
  no_id.mutable_apply()->add_manifests()->set_text(NamespaceYaml("x"));
  reply = ask(subjects::Api("aws", alice, "apply"), no_id.SerializeAsString());
  EXPECT_THAT(reply.message(), HasSubstr("request_id: want 16 bytes"));
  no_id.set_request_id("short");
  reply = ask(subjects::Api("aws", alice, "apply"), no_id.SerializeAsString());
  EXPECT_THAT(reply.message(), HasSubstr("request_id: want 16 bytes"));
  EXPECT_THAT(Apply("kind: [").message(), HasSubstr("manifest"));
  EXPECT_EQ(Rows().head.revision, before);
  EXPECT_EQ(Get("ns").code(), 0u) << "it still serves";
}

TEST_F(ControlPlaneApiTest, RolesHaveTheirLimits) {
  ASSERT_EQ(RegisterNode("n1", "192.168.0.1").code(), 0u);
  EXPECT_EQ(CodeOf(Apply(NamespaceYaml("x"), "aws:node:n1")), StatusCode::kPermissionDenied);
  v1::Request request;
  request.mutable_delete_()->set_kind("node");
  request.mutable_delete_()->set_name("n1");
  EXPECT_EQ(CodeOf(Call(request, "delete", "aws:node:n1")), StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOf(Call(request, "delete", "aws:cp:x")), StatusCode::kPermissionDenied);
  v1::Request node;
  node.mutable_register_node()->mutable_node()->set_name("n2");
  EXPECT_EQ(CodeOf(Call(node, "register-node", "aws:ctl:alice")), StatusCode::kPermissionDenied);
  EXPECT_EQ(CodeOf(Call(node, "register-node", "aws:node:n1")), StatusCode::kPermissionDenied);
  v1::Request get;
  get.mutable_get()->set_kind("ns");
  EXPECT_EQ(Call(get, "get", "aws:node:n1").code(), 0u);
  EXPECT_EQ(CodeOf(Call(get, "get", "aws:ev:relay")), StatusCode::kPermissionDenied);
}

TEST_F(ControlPlaneApiTest, StatusCountsAndNamesHeads) {
  ASSERT_EQ(RegisterNode("n1", "192.168.0.1").code(), 0u);
  ASSERT_EQ(AddEndpoint(1, "n1", "10.1.0.5", "web").code(), 0u);
  v1::Request request;
  request.mutable_status();
  const v1::Reply reply = Call(request, "status");
  EXPECT_EQ(reply.status().instance(), "aws-cp1");
  EXPECT_TRUE(reply.status().sql_up());
  ASSERT_EQ(reply.status().clusters_size(), 2);  // _mesh, aws
  const v1::ClusterStatus& aws = reply.status().clusters(1);
  EXPECT_EQ(aws.head().cluster(), "aws");
  EXPECT_EQ(aws.head().revision(), Rows().head.revision);
  EXPECT_EQ(aws.nodes(), 1u);
  EXPECT_EQ(aws.endpoints(), 1u);
  EXPECT_EQ(aws.identities(), 1u);
  EXPECT_EQ(aws.region(), "eu-west-2");
  EXPECT_TRUE(aws.mirrored());

  aws_->store->SetUnavailable(true);
  Run(absl::Seconds(2));
  EXPECT_FALSE(Call(request, "status").status().sql_up());
  EXPECT_EQ(Get("ep").get().items_size(), 1) << "reading needs no SQL";
}

class ControlPlaneWaitTest : public ControlPlaneApiTest {
 protected:
  ControlPlaneWaitTest() {
    EXPECT_EQ(RegisterNode("n1", "192.168.0.1").code(), 0u);
    EXPECT_EQ(RegisterNode("n2", "192.168.0.2").code(), 0u);
    agents_ = broker_.Connect("agents");
  }
  void Report(const std::string& node, uint64_t sequence, uint64_t received, uint64_t enforced,
              const std::string& problem = "", const std::string& as = "",
              const std::vector<std::string>& not_enforced = {}) {
    v1::AgentStatus status;
    status.set_cluster("aws");
    status.set_node(as.empty() ? node : as);
    status.set_sequence(sequence);
    status.set_start_ms(1);
    v1::AppliedCluster* applied = status.add_applied();
    applied->set_cluster("aws");
    applied->set_epoch(1);
    applied->set_received(received);
    applied->set_enforced(enforced);
    applied->set_batch(Id128().ToBytes());
    applied->set_problem(problem);
    for (const std::string& name : not_enforced) {
      v1::NotEnforcedPolicy* policy = status.add_not_enforced();
      policy->set_kind("NetworkPolicy");
      policy->set_namespace_("shop");
      policy->set_name(name);
      policy->set_reason("map policy_verdict is full");
    }
    status.set_not_enforced_total(static_cast<uint32_t>(not_enforced.size()));
    ASSERT_TRUE(agents_->Publish(subjects::AgentStatus("aws", node), status.SerializeAsString()).ok());
    Run(absl::Milliseconds(1));
  }
  std::shared_ptr<v1::Reply> Wait(uint64_t revision, uint32_t deadline_ms) {
    v1::Request request;
    request.set_deadline_ms(deadline_ms);
    request.mutable_wait()->set_epoch(1);
    request.mutable_wait()->set_revision(revision);
    auto reply = std::make_shared<v1::Reply>();
    agents_->Request(subjects::Api("aws", "aws:ctl:alice", "wait"), request.SerializeAsString(),
                     absl::Seconds(60), &executor_, [reply](const absl::StatusOr<std::string>& answer) {
                       ASSERT_TRUE(answer.ok()) << answer.status();
                       ASSERT_TRUE(reply->ParseFromString(*answer));
                     });
    Run(absl::Milliseconds(1));
    return reply;
  }
  std::unique_ptr<FakeBus> agents_;
};

TEST_F(ControlPlaneWaitTest, EndsWhenEveryNodeEnforces) {
  const uint64_t revision = Rows().head.revision;
  const auto reply = Wait(revision, 10'000);
  Report("n1", 1, revision, revision);
  EXPECT_FALSE(reply->has_wait());
  Report("n2", 1, revision, revision - 1);
  EXPECT_FALSE(reply->has_wait());
  Report("n2", 2, revision, revision);
  ASSERT_TRUE(reply->has_wait());
  EXPECT_TRUE(reply->wait().done());
  EXPECT_EQ(reply->wait().nodes(), 2u);
  EXPECT_TRUE(Wait(revision, 10'000)->wait().done()) << "at once, now that it is so";
}

TEST_F(ControlPlaneWaitTest, NamesTheLaggardsAtTheDeadline) {
  const uint64_t revision = Rows().head.revision;
  Report("n2", 1, revision, revision - 1, "map full");
  const auto reply = Wait(revision, 2'000);
  Run(absl::Seconds(3));
  ASSERT_TRUE(reply->has_wait());
  EXPECT_FALSE(reply->wait().done());
  ASSERT_EQ(reply->wait().laggards_size(), 2);
  for (const v1::Laggard& laggard : reply->wait().laggards()) {
    if (laggard.node() == "n1") {
      EXPECT_EQ(laggard.last_seen_ms(), 0);
    } else {
      EXPECT_EQ(laggard.reason(), "map full");
      EXPECT_EQ(laggard.revision(), revision - 1);
      EXPECT_GT(laggard.last_seen_ms(), 0);
    }
  }
}

TEST_F(ControlPlaneWaitTest, ALaggardsReasonNamesThePolicy) {
  const uint64_t revision = Rows().head.revision;
  Report("n1", 1, revision, revision);
  Report("n2", 1, revision, revision - 1, "map policy_verdict: 40 entries not written", "", {"db", "web"});
  const auto reply = Wait(revision, 2'000);
  Run(absl::Seconds(3));
  ASSERT_EQ(reply->wait().laggards_size(), 1);
  EXPECT_EQ(reply->wait().laggards(0).reason(),
            "NetworkPolicy shop/db: map policy_verdict is full (and 1 more)");
}

TEST_F(ControlPlaneWaitTest, ANodeThatGoesIsNotWaitedFor) {
  const uint64_t revision = Rows().head.revision;
  const auto reply = Wait(revision, 10'000);
  Report("n1", 1, revision + 1, revision + 1);
  v1::Request request;
  request.mutable_delete_()->set_kind("node");
  request.mutable_delete_()->set_name("n2");
  ASSERT_EQ(Call(request, "delete").code(), 0u);
  EXPECT_TRUE(reply->wait().done());
  EXPECT_EQ(reply->wait().nodes(), 1u);
}

TEST_F(ControlPlaneWaitTest, ReportsAreBelievedOnlyFromTheirSenderAndInOrder) {
  Report("n1", 5, 9, 9);
  Report("n1", 4, 3, 3);                   // late
  Report("n2", 1, 9, 9, "", /*as=*/"n1");  // in another's name
  const auto& entries = aws_->app->cluster()->agents()->all();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(entries.at("n1").status.applied(0).enforced(), 9u);
  EXPECT_EQ(aws_->app->cluster()->agents()->malformed(), 1u);
  Run(absl::Seconds(2));
  EXPECT_EQ(Rows().agents.size(), 1u);
  EXPECT_EQ(Rows().agents.at("n1").sequence(), 5u);
}

}  // namespace
}  // namespace trivium
