#include "controlplane/writer/identity_allocator.h"
#include "controlplane/writer/planner_fixture.h"

namespace trivium {
namespace {

using absl::StatusCode;

class PlanEndpointTest : public PlannerTest {
 protected:
  PlanEndpointTest() { MakeShop(); }
  absl::StatusOr<Planned> AddOn1(const v1::Request& request) { return Do(request, NodeCaller("n1")); }
};

TEST_F(PlanEndpointTest, AddAllocatesAnIdentityAndSharesIt) {
  absl::StatusOr<Planned> planned = AddOn1(Add(1, "shop", "web-1", "n1", "10.1.1.5"));
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->reply.add_endpoint().identity().id(), kFirstIdentity);
  EXPECT_EQ(changes_.changes_size(), 2);
  const v1::Endpoint* ep = FindEndpoint(1);
  ASSERT_NE(ep, nullptr);
  EXPECT_EQ(ep->node(), cluster_.mirror().Find(v1::KIND_NODE, "n1")->node().number());
  EXPECT_EQ(ep->addresses(0).space(), 3u);
  EXPECT_EQ(ep->meta().generation(), 1u);

  planned = Do(Add(2, "shop", "web-2", "n2", "10.1.2.5"), NodeCaller("n2"));
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->reply.add_endpoint().identity().id(), kFirstIdentity);
  EXPECT_EQ(changes_.changes_size(), 1);
  EXPECT_EQ(cluster_.index()->References(kFirstIdentity), 2u);

  planned = AddOn1(Add(3, "shop", "db-1", "n1", "10.1.1.6", "db"));
  ASSERT_TRUE(planned.ok());
  EXPECT_EQ(planned->reply.add_endpoint().identity().id(), kFirstIdentity + 1);
}

TEST_F(PlanEndpointTest, NamedPortsBelongToTheIdentityInAnyOrder) {
  const auto with_ports = [&](uint64_t uid, const std::string& ip,
                              std::vector<std::pair<std::string, int>> ports) {
    v1::Request request = Add(uid, "shop", "p" + std::to_string(uid), "n1", ip);
    for (const auto& [name, number] : ports) {
      v1::NamedPort* port = request.mutable_add_endpoint()->add_named_ports();
      port->set_name(name);
      port->set_protocol(v1::PROTOCOL_TCP);
      port->set_port(static_cast<uint32_t>(number));
    }
    return AddOn1(request)->reply.add_endpoint().identity().id();
  };
  const uint32_t both = with_ports(1, "10.1.1.11", {{"http", 80}, {"admin", 8080}});
  EXPECT_EQ(with_ports(2, "10.1.1.12", {{"admin", 8080}, {"http", 80}}), both);
  EXPECT_NE(with_ports(3, "10.1.1.13", {{"admin", 8081}, {"http", 80}}), both);
  EXPECT_NE(with_ports(4, "10.1.1.14", {}), both);
}

TEST_F(PlanEndpointTest, TheSameOnceMoreChangesNothing) {
  ASSERT_TRUE(AddOn1(Add(1, "shop", "web-1", "n1", "10.1.1.5")).ok());
  const absl::StatusOr<Planned> again = AddOn1(Add(1, "shop", "web-1", "n1", "10.1.1.5"));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->reply.add_endpoint().identity().id(), kFirstIdentity);
  EXPECT_EQ(changes_.changes_size(), 0);
}

TEST_F(PlanEndpointTest, OtherLabelsMakeAnotherIdentityOfTheSameEndpoint) {
  ASSERT_TRUE(AddOn1(Add(1, "shop", "web-1", "n1", "10.1.1.5")).ok());
  ASSERT_TRUE(AddOn1(Add(1, "shop", "web-1", "n1", "10.1.1.5", "cache")).ok());
  EXPECT_EQ(FindEndpoint(1)->identity(), kFirstIdentity + 1);
  EXPECT_EQ(FindEndpoint(1)->meta().generation(), 2u);
  EXPECT_EQ(cluster_.index()->References(kFirstIdentity), 0u);
}

TEST_F(PlanEndpointTest, APodMadeAnewReplacesItsOldSelf) {
  ASSERT_TRUE(AddOn1(Add(1, "shop", "db-0", "n1", "10.1.1.5")).ok());
  ASSERT_TRUE(AddOn1(Add(2, "shop", "db-0", "n1", "10.1.1.5")).ok());
  EXPECT_EQ(FindEndpoint(1), nullptr);
  EXPECT_NE(FindEndpoint(2), nullptr);
  EXPECT_EQ(cluster_.index()->EndpointByAddress(3, MakeIp("10.1.1.5")), EndpointKey(Id128{0xe0, 2}));
  // The late removal of the old one takes nothing from the new.
  ASSERT_TRUE(Do(Remove(1, "n1"), NodeCaller("n1")).ok());
  EXPECT_EQ(cluster_.index()->EndpointByAddress(3, MakeIp("10.1.1.5")), EndpointKey(Id128{0xe0, 2}));
}

TEST_F(PlanEndpointTest, AnAddressHasOneOwner) {
  ASSERT_TRUE(AddOn1(Add(1, "shop", "web-1", "n1", "10.1.1.5")).ok());
  EXPECT_THAT(Do(Add(2, "shop", "web-2", "n1", "10.1.1.5"), Ctl()),
              Refuses(StatusCode::kAlreadyExists, "address 10.1.1.5 belongs to endpoint shop/web-1"));
  // Its own node is told to come again: it has not told of a removal yet.
  EXPECT_THAT(AddOn1(Add(2, "shop", "web-2", "n1", "10.1.1.5")),
              Refuses(StatusCode::kAborted, "on node n1, which has to remove it first"));
  ASSERT_TRUE(Do(Remove(1, "n1"), NodeCaller("n1")).ok());
  EXPECT_TRUE(AddOn1(Add(2, "shop", "web-2", "n1", "10.1.1.5")).ok());
}

TEST_F(PlanEndpointTest, ANodeTakesNothingFromAnother) {
  ASSERT_TRUE(Do(Add(1, "shop", "db-0", "n2", "10.1.2.5"), NodeCaller("n2")).ok());
  EXPECT_THAT(AddOn1(Add(2, "shop", "db-0", "n1", "10.1.1.5")),
              Refuses(StatusCode::kAlreadyExists, "exists on node n2"));
  EXPECT_THAT(AddOn1(Add(1, "shop", "db-0", "n1", "10.1.1.5")),
              Refuses(StatusCode::kAlreadyExists, "is that of endpoint shop/db-0 on node n2"));
  EXPECT_THAT(AddOn1(Add(3, "shop", "x", "n2", "10.1.2.6")),
              Refuses(StatusCode::kPermissionDenied, "node n1 may not act for node \"n2\""));
  EXPECT_THAT(Do(Remove(1, "n1"), NodeCaller("n1")),
              Refuses(StatusCode::kPermissionDenied, "stands on node n2"));
  EXPECT_THAT(Do(Remove(1, "n2"), NodeCaller("n1")), Refuses(StatusCode::kPermissionDenied, "may not act"));
  // An operator may move it.
  ASSERT_TRUE(Do(Add(2, "shop", "db-0", "n1", "10.1.1.5"), Ctl()).ok());
  EXPECT_EQ(FindEndpoint(1), nullptr);
}

TEST_F(PlanEndpointTest, ManyAtOnceAreAllOrNothing) {
  ASSERT_TRUE(AddOn1(Add(1, "shop", "web-1", "n1", "10.1.1.5")).ok());
  v1::Request many;
  *many.mutable_change_endpoints()->add_remove() = Remove(1, "n1").remove_endpoint();
  *many.mutable_change_endpoints()->add_add() = Add(2, "shop", "web-2", "n1", "10.1.1.5").add_endpoint();
  *many.mutable_change_endpoints()->add_add() = Add(3, "shop", "db", "n1", "10.1.1.6", "db").add_endpoint();
  // Removals come first, so that an address may pass on; each addition has its answer.
  const absl::StatusOr<Planned> planned = Do(many, NodeCaller("n1"));
  ASSERT_TRUE(planned.ok()) << planned.status();
  ASSERT_EQ(planned->reply.change_endpoints().added_size(), 2);
  EXPECT_EQ(planned->reply.change_endpoints().added(0).identity().id(), FindEndpoint(2)->identity());
  EXPECT_EQ(planned->reply.change_endpoints().added(1).identity().id(), FindEndpoint(3)->identity());
  EXPECT_EQ(FindEndpoint(1), nullptr);

  v1::Request wrong;
  *wrong.mutable_change_endpoints()->add_remove() = Remove(2, "n1").remove_endpoint();
  *wrong.mutable_change_endpoints()->add_add() = Add(4, "shop", "x", "n1", "10.1.2.5").add_endpoint();
  EXPECT_THAT(Do(wrong, NodeCaller("n1")), Refuses(StatusCode::kInvalidArgument, "add[0]: "));
  EXPECT_NE(FindEndpoint(2), nullptr) << "nothing of a refused request is done";
  wrong.mutable_change_endpoints()->clear_add();
  EXPECT_THAT(Do(wrong, NodeCaller("n2")), Refuses(StatusCode::kPermissionDenied, "remove[0]: "));
  wrong.mutable_change_endpoints()->clear_remove();
  EXPECT_THAT(Do(wrong, NodeCaller("n1")), Refuses(StatusCode::kInvalidArgument, "want at least one"));
}

TEST_F(PlanEndpointTest, AddressesLieWhereTheyBelong) {
  EXPECT_THAT(AddOn1(Add(1, "shop", "a", "n1", "10.1.2.5")),
              Refuses(StatusCode::kInvalidArgument, "none of the pod CIDRs that node n1 registered"));
  EXPECT_THAT(AddOn1(Add(1, "shop", "a", "n1", "fd00:2::1")),
              Refuses(StatusCode::kInvalidArgument, "none of the pod CIDRs of cluster aws"));
  EXPECT_THAT(AddOn1(Add(1, "shop", "a", "n1", "127.0.0.1")),
              Refuses(StatusCode::kInvalidArgument, "loopback"));
  EXPECT_THAT(AddOn1(Add(1, "shop", "a", "n1", "0.0.0.0")),
              Refuses(StatusCode::kInvalidArgument, "unspecified"));
  EXPECT_THAT(AddOn1(Add(1, "shop", "a", "n1", "ff02::1")),
              Refuses(StatusCode::kInvalidArgument, "multicast"));
  v1::Request odd = Add(1, "shop", "a", "n1", "10.1.1.5");
  odd.mutable_add_endpoint()->set_ips(0, "abc");
  EXPECT_THAT(AddOn1(odd), Refuses(StatusCode::kInvalidArgument, "3 bytes"));
  odd.mutable_add_endpoint()->clear_ips();
  EXPECT_THAT(AddOn1(odd), Refuses(StatusCode::kInvalidArgument, "0 addresses"));
  odd.mutable_add_endpoint()->add_ips(MakeIp("10.1.1.5"));
  odd.mutable_add_endpoint()->add_ips(MakeIp("10.1.1.5"));
  EXPECT_THAT(AddOn1(odd), Refuses(StatusCode::kInvalidArgument, "given twice"));

  ASSERT_TRUE(Do(Register("bare", "10.1.9.9"), NodeCaller("bare")).ok());
  EXPECT_THAT(Do(Add(1, "shop", "a", "bare", "10.1.1.5"), NodeCaller("bare")),
              Refuses(StatusCode::kInvalidArgument, "is in a pod CIDR of node n1"));
  EXPECT_THAT(Do(Add(1, "shop", "a", "bare", "10.1.9.9"), NodeCaller("bare")),
              Refuses(StatusCode::kAlreadyExists, "belongs to node bare itself"));
  EXPECT_TRUE(Do(Add(1, "shop", "a", "bare", "10.1.8.8"), NodeCaller("bare")).ok());

  v1::Request inner = Register("n5", "192.168.0.5", {"10.1.5.0/24"});
  inner.mutable_register_node()->mutable_node()->add_inner_addresses(MakeIp("10.1.5.1"));
  ASSERT_TRUE(Do(inner, NodeCaller("n5")).ok());
  EXPECT_THAT(Do(Add(2, "shop", "b", "n5", "10.1.5.1"), NodeCaller("n5")),
              Refuses(StatusCode::kAlreadyExists, "is node n5's own address in the overlay"));
}

TEST_F(PlanEndpointTest, ItsSurroundingsExist) {
  EXPECT_THAT(AddOn1(Add(1, "stock", "a", "n1", "10.1.1.5")),
              Refuses(StatusCode::kFailedPrecondition, "namespace \"stock\" does not exist"));
  EXPECT_THAT(Do(Add(1, "shop", "a", "n9", "10.1.1.5"), NodeCaller("n9")),
              Refuses(StatusCode::kFailedPrecondition, "node \"n9\" is not registered"));
}

TEST_F(PlanEndpointTest, WordsAreChecked) {
  EXPECT_THAT(AddOn1(Add(1, "shop", "UPPER", "n1", "10.1.1.5")),
              Refuses(StatusCode::kInvalidArgument, "UPPER"));
  v1::Request bad = Add(1, "shop", "a", "n1", "10.1.1.5");
  (*bad.mutable_add_endpoint()->mutable_labels())["sp ace"] = "x";
  EXPECT_THAT(AddOn1(bad), Refuses(StatusCode::kInvalidArgument, "sp ace"));
  bad = Add(1, "shop", "a", "n1", "10.1.1.5");
  bad.mutable_add_endpoint()->set_uid("short");
  EXPECT_THAT(AddOn1(bad), Refuses(StatusCode::kInvalidArgument, "uid: 5 bytes"));
  bad = Add(1, "shop", "a", "n1", "10.1.1.5");
  bad.mutable_add_endpoint()->set_service_account("No Way");
  EXPECT_THAT(AddOn1(bad), Refuses(StatusCode::kInvalidArgument, "No Way"));

  const auto port = [&](const std::string& name, v1::Protocol protocol, uint32_t number) {
    v1::Request request = Add(1, "shop", "a", "n1", "10.1.1.5");
    for (int i = 0; i < (name == "twice" ? 2 : 1); ++i) {
      v1::NamedPort* p = request.mutable_add_endpoint()->add_named_ports();
      p->set_name(name);
      p->set_protocol(protocol);
      p->set_port(number);
    }
    return AddOn1(request);
  };
  EXPECT_THAT(port("", v1::PROTOCOL_TCP, 80), Refuses(StatusCode::kInvalidArgument, "1 to 63"));
  EXPECT_THAT(port("http", v1::PROTOCOL_ICMP, 80), Refuses(StatusCode::kInvalidArgument, "TCP, UDP or SCTP"));
  EXPECT_THAT(port("http", v1::PROTOCOL_TCP, 0), Refuses(StatusCode::kInvalidArgument, "0 is not a port"));
  EXPECT_THAT(port("http", v1::PROTOCOL_TCP, 70000), Refuses(StatusCode::kInvalidArgument, "70000"));
  EXPECT_THAT(port("twice", v1::PROTOCOL_TCP, 80), Refuses(StatusCode::kInvalidArgument, "given twice"));
}

TEST_F(PlanEndpointTest, RemovingTwiceIsFine) {
  ASSERT_TRUE(AddOn1(Add(1, "shop", "a", "n1", "10.1.1.5")).ok());
  ASSERT_TRUE(Do(Remove(1, "n1"), NodeCaller("n1")).ok());
  EXPECT_EQ(changes_.changes_size(), 1);
  ASSERT_TRUE(Do(Remove(1, "n1"), NodeCaller("n1")).ok());
  EXPECT_EQ(changes_.changes_size(), 0);
  EXPECT_EQ(cluster_.index()->References(kFirstIdentity), 0u);
  EXPECT_NE(cluster_.mirror().Find(v1::KIND_IDENTITY, "256"), nullptr) << "identities are kept";
}

TEST_F(PlanEndpointTest, IdentityNumbersAscendThroughTheBlocksAndRunOut) {
  for (uint32_t i = 0; i < kIdentityBlockSize; ++i) {
    const absl::StatusOr<Planned> planned =
        AddOn1(Add(1, "shop", "a", "n1", "10.1.1.5", "v" + std::to_string(i)));
    ASSERT_TRUE(planned.ok()) << planned.status();
    ASSERT_EQ(planned->reply.add_endpoint().identity().id(), kFirstIdentity + i);
  }
  EXPECT_EQ(FreeIdentities(mesh_.mirror(), 7, *cluster_.index()), 0u);
  EXPECT_THAT(AddOn1(Add(1, "shop", "a", "n1", "10.1.1.5", "more")),
              Refuses(StatusCode::kResourceExhausted, "no identity number is left"));
  // Another cluster takes the block after ours; ours continues behind it.
  LeaseBlock(8);
  LeaseBlock(7);
  EXPECT_EQ(FreeIdentities(mesh_.mirror(), 7, *cluster_.index()), kIdentityBlockSize);
  const absl::StatusOr<Planned> planned = AddOn1(Add(1, "shop", "a", "n1", "10.1.1.5", "more"));
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->reply.add_endpoint().identity().id(), kFirstIdentity + 2 * kIdentityBlockSize);
}

}  // namespace
}  // namespace trivium
