#include "controlplane/writer/planner_fixture.h"

namespace trivium {
namespace {

using absl::StatusCode;

class PlanNodeTest : public PlannerTest {};

TEST_F(PlanNodeTest, RegisteringIsIdempotentUntilSomethingChanges) {
  v1::Request request = Register("n1", "192.168.0.1", {"10.1.1.0/24"});
  request.mutable_register_node()->mutable_node()->add_inner_addresses(MakeIp("10.1.1.1"));
  absl::StatusOr<Planned> planned = Do(request, NodeCaller("n1"));
  ASSERT_TRUE(planned.ok()) << planned.status();
  const uint32_t number = planned->reply.register_node().number();
  EXPECT_GT(number, 0u);
  EXPECT_EQ(planned->audit.at(0).verb, "register-node");
  EXPECT_EQ(planned->audit.at(0).actor, "aws:node:n1");

  planned = Do(request, NodeCaller("n1"));
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->reply.register_node().number(), number);
  EXPECT_EQ(changes_.changes_size(), 0);

  request.mutable_register_node()->mutable_node()->set_boot_id("boot-2");
  planned = Do(request, NodeCaller("n1"));
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->reply.register_node().number(), number);
  const v1::Node& node = cluster_.mirror().Find(v1::KIND_NODE, "n1")->node();
  EXPECT_EQ(node.meta().generation(), 2u);
  EXPECT_EQ(node.boot_id(), "boot-2");
}

TEST_F(PlanNodeTest, NumbersAreNeverGivenTwice) {
  const auto number_of = [&](const std::string& name, const std::string& ip) {
    return Do(Register(name, ip), NodeCaller(name))->reply.register_node().number();
  };
  const uint32_t first = number_of("n1", "192.168.0.1");
  const uint32_t second = number_of("n2", "192.168.0.2");
  EXPECT_NE(first, second);
  ASSERT_TRUE(Do(Delete("node", "", "n2")).ok());
  const uint32_t third = number_of("n3", "192.168.0.3");
  EXPECT_NE(third, second);
  ASSERT_TRUE(Do(Delete("node", "", "n1")).ok());
  ASSERT_TRUE(Do(Delete("node", "", "n3")).ok());
  const uint32_t fourth = number_of("n2", "192.168.0.2");
  EXPECT_NE(fourth, first);
  EXPECT_NE(fourth, second);
  EXPECT_NE(fourth, third);
}

TEST_F(PlanNodeTest, ARevisionCreatesOneNode) {
  CommitPlan(&cluster_, [&](Draft* draft) {
    ASSERT_TRUE(planner_.Plan(Register("n1", "192.168.0.1"), NodeCaller("n1"), draft).ok());
    const absl::StatusOr<Planned> second =
        planner_.Plan(Register("n2", "192.168.0.2"), NodeCaller("n2"), draft);
    ASSERT_TRUE(second.ok()) << second.status();
    EXPECT_TRUE(second->deferred);
    EXPECT_EQ(draft->size(), 1u);
  });
  EXPECT_TRUE(Do(Register("n2", "192.168.0.2"), NodeCaller("n2")).ok());
}

TEST_F(PlanNodeTest, OnlyTheNodeItself) {
  EXPECT_THAT(Do(Register("n1", "192.168.0.1"), NodeCaller("n2")),
              Refuses(StatusCode::kPermissionDenied, "only the node itself"));
  EXPECT_THAT(Do(Register("n1", "192.168.0.1"), Ctl()),
              Refuses(StatusCode::kPermissionDenied, "aws:ctl:alice"));
}

TEST_F(PlanNodeTest, WhatANodeSaysOfItselfIsChecked) {
  const auto with = [&](const std::function<void(v1::Node*)>& change) {
    v1::Request request = Register("n1", "192.168.0.1", {"10.1.1.0/24"});
    v1::Node* node = request.mutable_register_node()->mutable_node();
    change(node);
    return Do(request, NodeCaller(node->name()));
  };
  EXPECT_THAT(with([](v1::Node* n) { n->set_name("a.b"); }), Refuses(StatusCode::kInvalidArgument, "a.b"));
  EXPECT_THAT(with([](v1::Node* n) { n->clear_addresses(); }),
              Refuses(StatusCode::kInvalidArgument, "0 underlay addresses"));
  EXPECT_THAT(with([](v1::Node* n) { n->set_addresses(0, MakeIp("127.0.0.1")); }),
              Refuses(StatusCode::kInvalidArgument, "loopback"));
  EXPECT_THAT(with([](v1::Node* n) { n->add_addresses(n->addresses(0)); }),
              Refuses(StatusCode::kInvalidArgument, "given twice"));
  EXPECT_THAT(with([](v1::Node* n) { n->clear_boot_id(); }),
              Refuses(StatusCode::kInvalidArgument, "boot id"));
  EXPECT_THAT(with([](v1::Node* n) { n->mutable_pod_cidrs(0)->set_address(MakeIp("10.1.1.1")); }),
              Refuses(StatusCode::kInvalidArgument, "bits set behind its length"));
  EXPECT_THAT(with([](v1::Node* n) { n->mutable_pod_cidrs(0)->set_length(40); }),
              Refuses(StatusCode::kInvalidArgument, "at most 32"));
  EXPECT_THAT(with([](v1::Node* n) { *n->add_pod_cidrs() = MakeCidr("10.1.1.128/25"); }),
              Refuses(StatusCode::kInvalidArgument, "overlap"));
  EXPECT_THAT(with([](v1::Node* n) { *n->mutable_pod_cidrs(0) = MakeCidr("10.2.0.0/24"); }),
              Refuses(StatusCode::kInvalidArgument, "outside of those of cluster aws"));
  EXPECT_THAT(with([](v1::Node* n) { *n->mutable_pod_cidrs(0) = MakeCidr("10.0.0.0/8"); }),
              Refuses(StatusCode::kInvalidArgument, "outside of those of cluster aws"));
  EXPECT_THAT(with([](v1::Node* n) { n->add_inner_addresses(MakeIp("10.1.2.1")); }),
              Refuses(StatusCode::kInvalidArgument, "inner address 10.1.2.1"));
}

TEST_F(PlanNodeTest, NothingOfANodeIsAnothers) {
  MakeShop();
  EXPECT_THAT(Do(Register("n3", "192.168.0.1"), NodeCaller("n3")),
              Refuses(StatusCode::kAlreadyExists, "underlay address 192.168.0.1 belongs to node n1"));
  EXPECT_THAT(Do(Register("n3", "192.168.0.3", {"10.1.0.0/22"}), NodeCaller("n3")),
              Refuses(StatusCode::kAlreadyExists, "pod CIDR 10.1.0.0/22 overlaps 10.1."));
  EXPECT_THAT(
      Do(Register("n3", "10.1.1.9"), NodeCaller("n3")),
      Refuses(StatusCode::kInvalidArgument, "of node n1 holds the underlay address 10.1.1.9 of node n3"));
  EXPECT_THAT(
      Do(Register("n3", "10.1.3.9", {"10.1.3.0/24"}), NodeCaller("n3")),
      Refuses(StatusCode::kInvalidArgument, "of node n3 holds the underlay address 10.1.3.9 of node n3"));
  ASSERT_TRUE(Do(Register("n4", "10.1.4.9"), NodeCaller("n4")).ok());
  EXPECT_THAT(
      Do(Register("n3", "192.168.0.3", {"10.1.4.0/24"}), NodeCaller("n3")),
      Refuses(StatusCode::kInvalidArgument, "of node n3 holds the underlay address 10.1.4.9 of node n4"));
  ASSERT_TRUE(Do(Add(1, "shop", "a", "n1", "10.1.1.5"), NodeCaller("n1")).ok());
  v1::Request request = Register("n1", "192.168.0.1", {"10.1.1.0/24"});
  request.mutable_register_node()->mutable_node()->add_inner_addresses(MakeIp("10.1.1.5"));
  EXPECT_THAT(Do(request, NodeCaller("n1")),
              Refuses(StatusCode::kAlreadyExists, "10.1.1.5 belongs to the endpoint"));
}

TEST_F(PlanNodeTest, DeletingANodeTakesItsEndpoints) {
  MakeShop();
  ASSERT_TRUE(Do(Add(1, "shop", "a", "n1", "10.1.1.5"), NodeCaller("n1")).ok());
  ASSERT_TRUE(Do(Add(2, "shop", "b", "n2", "10.1.2.5"), NodeCaller("n2")).ok());
  const absl::StatusOr<Planned> planned = Do(Delete("node", "", "n1"));
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->audit.at(0).kind, v1::KIND_NODE);
  EXPECT_EQ(FindEndpoint(1), nullptr);
  EXPECT_NE(FindEndpoint(2), nullptr);
  EXPECT_THAT(Do(Delete("node", "", "n1")), Refuses(StatusCode::kNotFound, "Node n1 does not exist"));
}

// ---- The mesh's own log
// ------------------------------------------------------------------------------------

class PlanMeshTest : public PlannerTest {
 protected:
  static ClusterRegistration Aws() { return {"eu-west-2", 1, "aws", 7, 0, {MakeCidr("10.1.0.0/16")}}; }
  absl::Status Register(const ClusterRegistration& wanted) {
    absl::Status status;
    changes_ = CommitPlan(&mesh_, [&](Draft* draft) {
      status = PlanRegisterCluster(wanted, CallerOf("cp", "cp1"), &random_, draft).status();
    });
    return status;
  }
};

TEST_F(PlanMeshTest, RegistersOnceAndTakesOverNewCidrs) {
  ASSERT_TRUE(Register(Aws()).ok());
  EXPECT_EQ(changes_.changes_size(), 2);
  ASSERT_TRUE(Register(Aws()).ok());
  EXPECT_EQ(changes_.changes_size(), 0);
  ClusterRegistration more = Aws();
  more.pod_cidrs.push_back(MakeCidr("fd00:1::/48"));
  ASSERT_TRUE(Register(more).ok());
  EXPECT_EQ(mesh_.mirror().Find(v1::KIND_CLUSTER, "aws")->cluster().pod_cidrs_size(), 2);
}

TEST_F(PlanMeshTest, ConflictsAreRefusedNamingBothSides) {
  ASSERT_TRUE(Register(Aws()).ok());
  const auto with = [&](const std::function<void(ClusterRegistration*)>& change) {
    ClusterRegistration other{"eu-west-2", 1, "gcp", 8, 0, {MakeCidr("10.2.0.0/16")}};
    change(&other);
    return absl::StatusOr<Planned>(Register(other).ok() ? absl::StatusOr<Planned>(Planned())
                                                        : absl::StatusOr<Planned>(Register(other)));
  };
  EXPECT_THAT(
      with([](ClusterRegistration* r) { r->cluster_id = 7; }),
      Refuses(StatusCode::kFailedPrecondition, "cluster gcp (id 7): the mesh knows cluster aws (id 7)"));
  EXPECT_THAT(
      with([](ClusterRegistration* r) { r->cluster = "aws"; }),
      Refuses(StatusCode::kFailedPrecondition, "cluster aws (id 8): the mesh knows cluster aws (id 7)"));
  EXPECT_THAT(with([](ClusterRegistration* r) { r->home = 2; }),
              Refuses(StatusCode::kFailedPrecondition, "region eu-west-2 with home 1"));
  EXPECT_THAT(with([](ClusterRegistration* r) { r->region = "us"; }),
              Refuses(StatusCode::kFailedPrecondition, "region us with home 1"));
  EXPECT_THAT(with([](ClusterRegistration* r) { r->pod_cidrs = {MakeCidr("10.0.0.0/8")}; }),
              Refuses(StatusCode::kFailedPrecondition, "pod CIDR 10.0.0.0/8 overlaps 10.1.0.0/16"));
  EXPECT_THAT(with([](ClusterRegistration* r) { r->cluster = "_mesh"; }),
              Refuses(StatusCode::kInvalidArgument, "_mesh"));
  EXPECT_THAT(with([](ClusterRegistration* r) { r->cluster_id = 0; }),
              Refuses(StatusCode::kInvalidArgument, "begin at 1"));
  // The same CIDR in another address space is fine.
  EXPECT_TRUE(with([](ClusterRegistration* r) {
                r->pod_cidrs = {MakeCidr("10.1.0.0/16")};
                r->address_space = 1;
              }).ok());
  ClusterRegistration moved = Aws();
  moved.address_space = 5;
  EXPECT_THAT(absl::StatusOr<Planned>(Register(moved)),
              Refuses(StatusCode::kFailedPrecondition, "neither can change"));
}

TEST_F(PlanMeshTest, BlocksAreDisjointAndALostRaceLeasesNoneTwice) {
  const size_t before = mesh_.mirror().All(v1::KIND_IDENTITY_BLOCK).size();
  for (int i = 0; i < 2; ++i) {
    CommitPlan(&mesh_, [&](Draft* draft) {
      ASSERT_TRUE(PlanLeaseBlock(9, 1, CallerOf("cp", "cp1"), &random_, draft).ok());
    });
  }
  EXPECT_EQ(mesh_.mirror().All(v1::KIND_IDENTITY_BLOCK).size(), before + 1);
  EXPECT_NE(mesh_.mirror().Find(v1::KIND_IDENTITY_BLOCK, "512"), nullptr);
}

}  // namespace
}  // namespace trivium
