// `policy trace` over whole control planes: who the ends are, and what the policies of their clusters say.
#include "policy/labels.h"
#include "tests/flow/controlplane_fixture.h"

namespace trivium {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::SizeIs;

class ControlPlaneTraceTest : public ControlPlaneTest {
 protected:
  ControlPlaneTraceTest() {
    aws_ = Start("aws", "aws-cp1");
    gcp_ = Start("gcp", "gcp-cp1");
    EXPECT_EQ(RegisterNode("n1", "192.168.0.1").code(), 0u);
    EXPECT_EQ(RegisterNode("n2", "192.168.0.2").code(), 0u);
    EXPECT_EQ(RegisterNode("g1", "192.168.1.1", "gcp").code(), 0u);
    EXPECT_EQ(AddEndpoint(1, "n1", "10.1.0.5", "web").code(), 0u);
    EXPECT_EQ(AddEndpoint(2, "n1", "10.1.0.6", "db").code(), 0u);
    EXPECT_EQ(AddEndpoint(3, "g1", "10.2.0.5", "web", "gcp").code(), 0u);
    EXPECT_EQ(Apply("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: db}\n"
                    "spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: "
                    "{matchLabels: {app: web}}}], ports: [{port: 5432}]}]}\n")
                  .code(),
              0u);
    Run(absl::Seconds(2));  // each mirrors the other
  }

  static v1::TraceEnd Pod(const std::string& name, const std::string& cluster = "") {
    v1::TraceEnd end;
    end.mutable_pod()->set_namespace_("default");
    end.mutable_pod()->set_name(name);
    end.mutable_pod()->set_cluster(cluster);
    return end;
  }
  static v1::TraceEnd Address(const std::string& ip) {
    v1::TraceEnd end;
    end.set_ip(*ParseAddress(ip));
    return end;
  }
  static v1::TraceEnd EntityEnd(v1::Entity entity) {
    v1::TraceEnd end;
    end.set_entity(entity);
    return end;
  }
  v1::Reply Trace(const v1::TraceEnd& from, const v1::TraceEnd& to, uint32_t port,
                  const std::string& principal = "aws:ctl:alice") {
    v1::Request request;
    *request.mutable_trace()->mutable_from() = from;
    *request.mutable_trace()->mutable_to() = to;
    request.mutable_trace()->set_port(port);
    return Call(request, "trace", principal);
  }

  std::unique_ptr<Process> aws_, gcp_;
};

TEST_F(ControlPlaneTraceTest, NamesTheRuleThatDecidesAndWhatWouldHaveAllowed) {
  const v1::Reply reply = Trace(Pod("pod-1"), Pod("pod-2"), 5432);
  ASSERT_EQ(reply.code(), 0u) << reply.message();
  EXPECT_EQ(reply.trace().verdict(), "allowed");
  EXPECT_EQ(reply.trace().from(), "aws/default/pod-1");
  EXPECT_EQ(reply.trace().from_identity(), 256u);
  EXPECT_EQ(reply.trace().to_identity(), 257u);
  EXPECT_FALSE(reply.trace().egress().selected());
  ASSERT_THAT(reply.trace().ingress().decided_by(), SizeIs(1));
  const v1::TraceDirection::Rule& rule = reply.trace().ingress().decided_by(0);
  EXPECT_EQ(rule.policy_cluster(), "aws");
  EXPECT_EQ(rule.kind(), "NetworkPolicy");
  EXPECT_EQ(rule.namespace_(), "default");
  EXPECT_EQ(rule.name(), "db");
  EXPECT_EQ(rule.origin(), "spec.ingress[0]");
  ASSERT_EQ(reply.trace().at_size(), 1);
  EXPECT_EQ(reply.trace().at(0).revision(), Rows().head.revision);

  const v1::Reply denied = Trace(Pod("pod-1"), Pod("pod-2"), 80);
  EXPECT_EQ(denied.trace().verdict(), "denied");
  ASSERT_THAT(denied.trace().ingress().would_allow(), SizeIs(1));
  EXPECT_THAT(denied.trace().ingress().would_allow(0).reason(), HasSubstr("TCP/5432"));
}

TEST_F(ControlPlaneTraceTest, AcrossClustersFromEitherSide) {
  for (const auto& [asker, cluster] : {std::make_pair("aws:ctl:alice", "gcp"), {"gcp:ctl:bob", ""}}) {
    const v1::Reply reply = Trace(Pod("pod-3", cluster), Pod("pod-2", "aws"), 5432, asker);
    ASSERT_EQ(reply.code(), 0u) << reply.message();
    EXPECT_EQ(reply.trace().verdict(), "denied") << "the policy means its own cluster's pods";
    EXPECT_EQ(reply.trace().from(), "gcp/default/pod-3");
    ASSERT_THAT(reply.trace().ingress().would_allow(), SizeIs(1));
    EXPECT_THAT(reply.trace().ingress().would_allow(0).reason(), HasSubstr("cluster=aws (it has gcp)"));
    EXPECT_THAT(reply.trace().at(), SizeIs(2));
  }
}

TEST_F(ControlPlaneTraceTest, AddressesAreWhoeverHasThem) {
  EXPECT_EQ(Trace(Address("10.1.0.5"), Address("10.1.0.6"), 5432).trace().verdict(), "allowed");
  EXPECT_EQ(Trace(Address("10.2.0.5"), Address("10.1.0.6"), 5432).trace().from(), "gcp/default/pod-3");
  // A pod's own node is its host, which reaches it; another is a remote node.
  const v1::Reply host = Trace(Address("192.168.0.1"), Pod("pod-2"), 80);
  EXPECT_EQ(host.trace().from(), "node aws/n1 (host)");
  EXPECT_EQ(host.trace().verdict(), "allowed");
  EXPECT_EQ(host.trace().ingress().decided_by(0).origin(), "built-in: node reaches its pods");
  EXPECT_THAT(host.trace().egress().reason(), HasSubstr("no pod"));
  const v1::Reply other = Trace(Address("192.168.0.2"), Pod("pod-2"), 80);
  EXPECT_EQ(other.trace().from_identity(), 6u);
  EXPECT_EQ(other.trace().verdict(), "denied");
  EXPECT_EQ(Trace(Address("203.0.113.9"), Pod("pod-1"), 80).trace().from(), "203.0.113.9 (world)");
  // In a pod network without a pod: never the world.
  const v1::Reply unknown = Trace(Pod("pod-1"), Address("10.2.7.7"), 80);
  EXPECT_EQ(unknown.trace().verdict(), "denied");
  EXPECT_THAT(unknown.trace().egress().reason(), HasSubstr("no such pod known"));
}

TEST_F(ControlPlaneTraceTest, LabelsThatNoPodHasYet) {
  v1::TraceEnd end;
  end.mutable_labels()->set_namespace_("default");
  (*end.mutable_labels()->mutable_labels())["app"] = "web";
  (*end.mutable_labels()->mutable_labels())["version"] = "2";
  const v1::Reply reply = Trace(end, Pod("pod-2"), 5432);
  EXPECT_EQ(reply.trace().verdict(), "allowed") << reply.message();
  EXPECT_EQ(reply.trace().from_identity(), 0u);
  end.mutable_labels()->mutable_labels()->erase("version");
  EXPECT_EQ(Trace(end, Pod("pod-2"), 5432).trace().from_identity(), 256u) << "pods with these have a number";
  end.mutable_labels()->set_namespace_("none");
  EXPECT_THAT(Trace(end, Pod("pod-2"), 5432).message(), HasSubstr("from: namespace \"none\" does not exist"));
}

TEST_F(ControlPlaneTraceTest, NamedPortsAreTheDestinations) {
  v1::Request add;
  add.mutable_add_endpoint()->set_uid(Id128{9, 7}.ToBytes());
  add.mutable_add_endpoint()->set_namespace_("default");
  add.mutable_add_endpoint()->set_name("named");
  add.mutable_add_endpoint()->set_node("n1");
  add.mutable_add_endpoint()->add_ips(*ParseAddress("10.1.0.7"));
  v1::NamedPort* port = add.mutable_add_endpoint()->add_named_ports();
  port->set_name("pg");
  port->set_protocol(v1::PROTOCOL_TCP);
  port->set_port(5432);
  (*add.mutable_add_endpoint()->mutable_labels())["app"] = "db";
  ASSERT_EQ(Call(add, "add-endpoint", "aws:node:n1").code(), 0u);
  v1::Request request;
  *request.mutable_trace()->mutable_from() = Pod("pod-1");
  *request.mutable_trace()->mutable_to() = Pod("named");
  request.mutable_trace()->set_port_name("pg");
  EXPECT_EQ(Call(request, "trace").trace().verdict(), "allowed");
  request.mutable_trace()->set_port_name("mysql");
  EXPECT_THAT(Call(request, "trace").message(), HasSubstr("no port named \"mysql\"; it has pg"));
}

TEST_F(ControlPlaneTraceTest, SaysWhatIsInAuditMode) {
  const auto report = [&](uint32_t audited) {
    v1::AgentStatus status;
    status.set_cluster("aws");
    status.set_node("n1");
    status.set_start_ms(1);
    status.set_sequence(audited + 1);
    status.set_endpoints(2);
    status.set_audited_endpoints(audited);
    EXPECT_TRUE(aws_->bus->Publish(subjects::AgentStatus("aws", "n1"), status.SerializeAsString()).ok());
    Run();
  };
  report(1);
  v1::Reply reply = Trace(Pod("pod-1"), Pod("pod-2"), 80);
  EXPECT_FALSE(reply.trace().ingress().audit());
  EXPECT_THAT(reply.trace().ingress().reason(), HasSubstr("one of the 1 endpoints in audit mode on node n1"));
  report(2);
  EXPECT_TRUE(Trace(Pod("pod-1"), Pod("pod-2"), 80).trace().ingress().audit());
}

TEST_F(ControlPlaneTraceTest, BadQuestionsAreRefusedWithTheirFault) {
  EXPECT_THAT(Trace(Pod("none"), Pod("pod-2"), 80).message(),
              HasSubstr("from: endpoint default/none does not exist in cluster aws"));
  EXPECT_THAT(Trace(Pod("pod-1"), Pod("pod-3", "mars"), 80).message(),
              HasSubstr("to: cluster \"mars\" does not exist"));
  EXPECT_THAT(Trace(Pod("pod-1"), Pod("pod-2"), 0).message(), HasSubstr("port: 0 is no port"));
  EXPECT_THAT(Trace(Pod("pod-1"), EntityEnd(v1::ENTITY_ALL), 80).message(),
              HasSubstr("no end of a connection"));
  EXPECT_THAT(Trace(Pod("pod-1"), v1::TraceEnd(), 80).message(), HasSubstr("to: want a pod"));
  EXPECT_EQ(Trace(Pod("pod-1"), Pod("pod-2"), 80, "aws:node:n1").code(),
            static_cast<uint32_t>(StatusCode::kPermissionDenied));
}

}  // namespace
}  // namespace trivium
