// Promise 4: who may say and hear what, tried with the certificates and the configuration that `mesh init`
// makes. Every "cannot" stands beside a "can" over the same path, so that silence proves something.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "cli/mesh/pki.h"
#include "schema/subjects.h"
#include "tests/nats/mesh_nats.h"
#include "tests/nats/raw_client.h"

namespace trivium {
namespace {

constexpr char kNode[] = "aws:node:n1";
constexpr char kOtherNode[] = "aws:node:n2";
constexpr char kControlPlane[] = "aws:cp:aws-cp1";
constexpr char kForeignControlPlane[] = "gcp:cp:gcp-cp1";
constexpr char kForeignNode[] = "gcp:node:n1";
constexpr char kOperator[] = "aws:ctl:admin";

class Permissions : public testing::Test {
 protected:
  static void SetUpTestSuite() { mesh_ = new MeshNats; }
  static void TearDownTestSuite() {
    delete mesh_;
    mesh_ = nullptr;
  }

  // Publishing `subject` as `principal` is refused: by the server's word, and nothing reaches `heard`, which
  // listens at the right place, as `allowed` (published by `other`) shows.
  void ExpectRefused(NatsBus* bus, const std::string& subject) {
    const uint64_t before = bus->counters().refused;
    EXPECT_TRUE(bus->Publish(subject, "forged").ok());  // the server's answer is asynchronous
    EXPECT_TRUE(mesh_->WaitRefused(*bus, before + 1)) << subject;
  }
  void ExpectDeaf(NatsBus* bus, const std::string& subject, const std::string& queue = "") {
    const uint64_t before = bus->counters().refused;
    EXPECT_TRUE(bus->Subscribe(subject, queue, mesh_->executor(),
                               [this](const Message& m) { overheard_.Add(m.payload); })
                    .ok());
    EXPECT_TRUE(mesh_->WaitRefused(*bus, before + 1)) << subject;
  }

  static MeshNats* mesh_;
  Recorder overheard_;
};

MeshNats* Permissions::mesh_ = nullptr;

TEST_F(Permissions, AFeedCrossesGatewaysToEveryAgent) {
  Recorder own, far, cp;
  auto publisher = mesh_->Connect(kControlPlane);
  auto node = mesh_->Connect(kNode), foreign = mesh_->Connect(kForeignNode);
  auto foreign_cp = mesh_->Connect(kForeignControlPlane);
  mesh_->Listen(node.get(), subjects::kFeedAndHeads, &own);
  mesh_->Listen(foreign.get(), subjects::kFeedAndHeads, &far);
  mesh_->Listen(foreign_cp.get(), subjects::kFeedAndHeads, &cp);
  EXPECT_TRUE(mesh_->PublishUntilHeard(publisher.get(), subjects::Feed("aws"), "batch", &own));
  EXPECT_TRUE(mesh_->PublishUntilHeard(publisher.get(), subjects::Feed("aws"), "batch", &far));
  EXPECT_TRUE(mesh_->PublishUntilHeard(publisher.get(), subjects::Feed("_mesh"), "mesh", &cp));
  EXPECT_TRUE(mesh_->PublishUntilHeard(publisher.get(), subjects::kHeads, "head", &far));
}

TEST_F(Permissions, OnlyItsControlPlanePublishesAClustersFeed) {
  Recorder heard;
  auto listener = mesh_->Connect(kForeignControlPlane);
  auto cp = mesh_->Connect(kControlPlane);
  auto node = mesh_->Connect(kNode), other = mesh_->Connect(kOtherNode);
  auto admin = mesh_->Connect(kOperator);
  mesh_->Listen(listener.get(), subjects::kFeedAndHeads, &heard);
  mesh_->Listen(other.get(), subjects::kFeedAndHeads, &heard);
  ASSERT_TRUE(mesh_->PublishUntilHeard(cp.get(), subjects::Feed("aws"), "first", &heard));
  for (NatsBus* forger : {node.get(), admin.get()}) {
    for (const char* cluster : {"aws", "gcp", "_mesh", "_head"})
      ExpectRefused(forger, subjects::Feed(cluster));
  }
  ExpectRefused(cp.get(), subjects::Feed("gcp"));
  // And what is allowed still arrives, after all of those.
  EXPECT_TRUE(mesh_->PublishUntilHeard(cp.get(), subjects::Feed("aws"), "last", &heard));
  EXPECT_EQ(heard.Count("forged"), 0u);
}

TEST_F(Permissions, NobodyAsksInAnothersName) {
  Recorder asked;
  auto cp = mesh_->Connect(kControlPlane), foreign_cp = mesh_->Connect(kForeignControlPlane);
  auto node = mesh_->Connect(kNode);
  auto admin = mesh_->Connect(kOperator);
  for (const auto& [bus, instance] : {std::make_pair(cp.get(), "aws-cp1"), {foreign_cp.get(), "gcp-cp1"}}) {
    const std::string cluster = bus == cp.get() ? "aws" : "gcp";
    for (const std::string& subject :
         {subjects::EveryApi(cluster), std::string(subjects::kEverySync), subjects::EveryChunk(instance)}) {
      EXPECT_TRUE(bus->Subscribe(subject, "cp", mesh_->executor(),
                                 [&asked, bus = bus](const Message& m) {
                                   asked.Add(m.subject);
                                   EXPECT_TRUE(bus->Publish(m.reply_to, "yes").ok());
                                 })
                      .ok());
    }
    EXPECT_TRUE(bus->Flush(absl::Seconds(20)).ok());
  }
  // In one's own name, to one's own cluster (api) and to everybody (sync, chunks).
  for (const std::string& subject :
       {subjects::Api("aws", kNode, "add_endpoint"), subjects::Sync("aws", kNode),
        subjects::Sync("gcp", kNode), subjects::Chunk("aws-cp1", kNode), subjects::Chunk("gcp-cp1", kNode)}) {
    EXPECT_EQ(mesh_->Ask(node.get(), subject, "x").value_or("no"), "yes") << subject;
  }
  EXPECT_EQ(mesh_->Ask(admin.get(), subjects::Api("aws", kOperator, "apply"), "x").value_or("no"), "yes");
  const size_t legitimate = asked.values().size();
  for (const char* other : {kOtherNode, kOperator, kForeignNode, kControlPlane}) {
    ExpectRefused(node.get(), subjects::Api("aws", other, "apply"));
    ExpectRefused(node.get(), subjects::Sync("aws", other));
    ExpectRefused(node.get(), subjects::Chunk("aws-cp1", other));
  }
  ExpectRefused(node.get(), subjects::Api("gcp", kNode, "add_endpoint"));
  ExpectRefused(admin.get(), subjects::Api("gcp", kOperator, "apply"));
  ExpectRefused(admin.get(), subjects::Api("aws", kNode, "add_endpoint"));
  EXPECT_EQ(mesh_->Ask(node.get(), subjects::Sync("aws", kNode), "x").value_or("no"), "yes");
  EXPECT_EQ(asked.values().size(), legitimate + 1);
}

TEST_F(Permissions, OnlyControlPlanesOfTheClusterHandOnWhatOthersAsk) {
  Recorder asked;
  auto cp = mesh_->Connect(kControlPlane), foreign_cp = mesh_->Connect(kForeignControlPlane);
  auto node = mesh_->Connect(kNode);
  auto admin = mesh_->Connect(kOperator);
  EXPECT_TRUE(
      cp->Subscribe(subjects::EveryForward("aws", "aws-cp1"), "", mesh_->executor(), [&](const Message& m) {
          asked.Add(m.subject);
          EXPECT_TRUE(cp->Publish(m.reply_to, "yes").ok());
        }).ok());
  EXPECT_TRUE(cp->Flush(absl::Seconds(20)).ok());
  const std::string own = subjects::Forward("aws", kControlPlane, "aws-cp1");
  EXPECT_EQ(mesh_->Ask(cp.get(), own, "x").value_or("no"), "yes");
  for (const auto& [bus, principal] : {std::pair(node.get(), kNode), std::pair(admin.get(), kOperator),
                                       std::pair(foreign_cp.get(), kForeignControlPlane)}) {
    ExpectRefused(bus, own);
    ExpectRefused(bus, subjects::Forward("aws", principal, "aws-cp1"));
  }
  ExpectRefused(cp.get(), subjects::Forward("gcp", kControlPlane, "gcp-cp1"));
  ExpectDeaf(node.get(), subjects::EveryForward("aws", "aws-cp1"));
  ExpectDeaf(foreign_cp.get(), subjects::EveryForward("aws", "aws-cp1"));
  ExpectDeaf(cp.get(), subjects::EveryForward("aws", "aws-cp2"));
  EXPECT_EQ(mesh_->Ask(cp.get(), own, "x").value_or("no"), "yes");
  EXPECT_EQ(asked.values().size(), 2u);
}

TEST_F(Permissions, NobodyReadsAnothersRepliesOrRequests) {
  auto cp = mesh_->Connect(kControlPlane);
  auto victim = mesh_->Connect(kNode);
  auto spy = mesh_->Connect(kOtherNode);
  auto admin = mesh_->Connect(kOperator);
  EXPECT_TRUE(cp->Subscribe(subjects::EveryApi("aws"), "cp", mesh_->executor(), [&](const Message& m) {
                  EXPECT_TRUE(cp->Publish(m.reply_to, "secret").ok());
                }).ok());
  EXPECT_TRUE(cp->Flush(absl::Seconds(20)).ok());
  for (NatsBus* bus : {spy.get(), admin.get()}) {
    for (const std::string& subject :
         {std::string("_INBOX.>"), std::string("_INBOX.*.>"), std::string("_INBOX.aws:node:n1.>"),
          std::string(">"), std::string("trivium.>"), subjects::EveryApi("aws"),
          std::string(subjects::kEverySync), subjects::EveryChunk("aws-cp1"), std::string("$SYS.>"),
          std::string("_GR_.>")}) {
      ExpectDeaf(bus, subject);
      ExpectDeaf(bus, subject, "cp");
    }
  }
  ExpectDeaf(spy.get(), subjects::AgentStatus("aws", "n1"));
  EXPECT_EQ(mesh_->Ask(victim.get(), subjects::Api("aws", kNode, "get"), "x").value_or("no"), "secret");
  EXPECT_THAT(overheard_.values(), testing::IsEmpty());
}

TEST_F(Permissions, ANodeReportsForItselfAlone) {
  Recorder heard;
  auto cp = mesh_->Connect(kControlPlane);
  auto node = mesh_->Connect(kNode);
  mesh_->Listen(cp.get(), subjects::EveryAgentStatus("aws"), &heard);
  ASSERT_TRUE(mesh_->PublishUntilHeard(node.get(), subjects::AgentStatus("aws", "n1"), "mine", &heard));
  ExpectRefused(node.get(), subjects::AgentStatus("aws", "n2"));
  ExpectRefused(node.get(), subjects::AgentStatus("gcp", "n1"));
  ExpectRefused(node.get(), "_INBOX.aws:node:n2.x");
  ExpectRefused(node.get(), "$JS.API.INFO");
  EXPECT_TRUE(mesh_->PublishUntilHeard(node.get(), subjects::AgentStatus("aws", "n1"), "again", &heard));
  EXPECT_EQ(heard.Count("forged"), 0u);
}

TEST_F(Permissions, FlowsAreANodesOwnAndItsClustersOperatorsHearThem) {
  Recorder heard;
  auto admin = mesh_->Connect(kOperator);
  auto node = mesh_->Connect(kNode), other = mesh_->Connect(kOtherNode);
  auto cp = mesh_->Connect(kControlPlane);
  mesh_->Listen(admin.get(), subjects::EveryFlows("aws"), &heard);
  ASSERT_TRUE(mesh_->PublishUntilHeard(node.get(), subjects::Flows("aws", "n1"), "mine", &heard));
  ASSERT_TRUE(mesh_->PublishUntilHeard(other.get(), subjects::Flows("aws", "n2"), "others", &heard));
  ExpectRefused(node.get(), subjects::Flows("aws", "n2"));
  ExpectRefused(node.get(), subjects::Flows("gcp", "n1"));
  ExpectRefused(admin.get(), subjects::Flows("aws", "n1"));
  ExpectRefused(cp.get(), subjects::Flows("aws", "n1"));
  // Nobody but the cluster's own operators, not even the nodes themselves.
  ExpectDeaf(admin.get(), subjects::EveryFlows("gcp"));
  ExpectDeaf(admin.get(), "trivium.v1.flow.>");
  ExpectDeaf(other.get(), subjects::Flows("aws", "n1"));
  ExpectDeaf(node.get(), subjects::EveryFlows("aws"));
  ExpectDeaf(cp.get(), subjects::EveryFlows("aws"));
  EXPECT_TRUE(mesh_->PublishUntilHeard(node.get(), subjects::Flows("aws", "n1"), "again", &heard));
  EXPECT_EQ(heard.Count("forged"), 0u);
  EXPECT_THAT(overheard_.values(), testing::IsEmpty());
}

TEST_F(Permissions, AControlPlaneHearsItsOwnClusterOnly) {
  auto cp = mesh_->Connect(kControlPlane);
  ExpectDeaf(cp.get(), subjects::EveryApi("gcp"));
  ExpectDeaf(cp.get(), subjects::EveryAgentStatus("gcp"));
  ExpectDeaf(cp.get(), subjects::EveryChunk("gcp-cp1"));
  ExpectDeaf(cp.get(), "_INBOX.>");
}

// ---- Who may connect at all
// -----------------------------------------------------------------------------------

constexpr char kUnknownAuthority[] = "certificate signed by unknown authority";
constexpr char kNoUser[] = "authentication error";

class Doors : public Permissions {
 protected:
  // The client tries, `server` says why not, and the client is not connected.
  void ExpectShut(const NatsOptions& options, const std::string& server, const std::string& why) {
    const int before = mesh_->server(server).CountLog(why);
    auto bus = NatsBus::Create(options);
    ASSERT_TRUE(bus.ok()) << bus.status();
    auto states = std::make_shared<Recorder>();
    (*bus)->WatchState(mesh_->executor(), [states](Bus::State state) {
      states->Add(state == Bus::State::kConnected ? "up" : "down");
    });
    // Twice: the first attempt is over then.
    EXPECT_TRUE(mesh_->server(server).WaitForLog(why, before + 2));
    bus->reset();
    EXPECT_EQ(states->Count("up"), 0u);
  }
  std::string Write(const std::string& name, const std::string& text) { return folder_.Write(name, text); }

  TempFolder folder_;
};

TEST_F(Doors, OnlyTheMeshsCertificatesOpenThem) {
  const NatsOptions good = mesh_->Options(kNode);
  EXPECT_TRUE(mesh_->Connect(good)->Flush(absl::Seconds(20)).ok());

  // A certificate with the right names, from another authority.
  const auto foreign =
      cli::CertificateAuthority::Create("Trivium mesh test", RealClock()->Now(), absl::Hours(1));
  ASSERT_TRUE(foreign.ok());
  const auto leaf = foreign->Issue({kNode, "trivium:aws:node:n1", {}, RealClock()->Now(), absl::Hours(1)});
  ASSERT_TRUE(leaf.ok());
  NatsOptions bad = good;
  bad.cert = Write("foreign.crt", leaf->certificate);
  bad.key = Write("foreign.key", leaf->key);
  ExpectShut(bad, "aws-edge1", kUnknownAuthority);

  // From the mesh's authority, for a role or a server that is no principal.
  for (const char* file : {"sql/trivium_writer", "nats/aws-edge1", "gcp-node-n1"}) {
    bad = good;
    bad.cert = absl::StrCat(mesh_->folder(), "/", file, ".crt");
    bad.key = absl::StrCat(mesh_->folder(), "/", file, ".key");
    ExpectShut(bad, "aws-edge1", kNoUser);
  }

  // None at all.
  {
    RawClient nobody(RawClient::Port::kClient, mesh_->port("aws-edge1"), good.ca, "");
    nobody.Send("CONNECT {\"verbose\":false,\"tls_required\":true}\r\nPING\r\n");
    EXPECT_FALSE(nobody.ReadUntil("PONG")) << nobody.seen();
    EXPECT_TRUE(mesh_->server("aws-edge1").WaitForLog("client didn't provide a certificate"));
  }

  // Agents have no business on a publisher's server.
  bad = good;
  bad.servers = {absl::StrCat("tls://127.0.0.1:", mesh_->port("aws-hub1"))};
  ExpectShut(bad, "aws-hub1", kNoUser);
}

TEST_F(Doors, TheCertificateSaysWhoNotTheClient) {
  const std::string hello =
      "CONNECT {\"verbose\":false,\"tls_required\":true,\"user\":\"trivium:aws:node:n1\",\"pass\":\"\"}\r\n";
  const std::string ca = mesh_->folder() + "/ca.crt";
  {
    RawClient other(RawClient::Port::kClient, mesh_->port("aws-edge1"), ca, mesh_->folder() + "/aws-node-n2");
    other.Send(hello + "PUB " + subjects::AgentStatus("aws", "n1") + " 1\r\nx\r\n");
    EXPECT_TRUE(other.ReadUntil("Permissions Violation for Publish to \"trivium.v1.agent.aws.n1.status\""))
        << other.seen();
  }
  RawClient none(RawClient::Port::kClient, mesh_->port("aws-edge1"), ca,
                 mesh_->folder() + "/sql/trivium_reader");
  none.Send(hello + "PING\r\n");
  EXPECT_FALSE(none.ReadUntil("PONG")) << none.seen();
  EXPECT_THAT(none.seen(), testing::HasSubstr("Authorization Violation"));
}

TEST_F(Doors, TheServerMustBeWhoItShouldBe) {
  NatsOptions options = mesh_->Options(kNode);
  // The certificate is for 127.0.0.1; the address is right, the name is not.
  options.servers = {absl::StrCat("tls://localhost:", mesh_->port("aws-edge1"))};
  ExpectShut(options, "aws-edge1", "TLS handshake error");
  // The right name, by an authority that this client does not trust.
  const auto foreign = cli::CertificateAuthority::Create("x", RealClock()->Now(), absl::Hours(1));
  options = mesh_->Options(kNode);
  options.ca = Write("foreign-ca.crt", foreign->pem().certificate);
  ExpectShut(options, "aws-edge1", "TLS handshake error");
}

TEST_F(Doors, NoClientCanPoseAsAServer) {
  const std::string ca = mesh_->folder() + "/fabric-ca.crt";
  const std::string gateway =
      R"(CONNECT {"verbose":false,"pedantic":false,"tls_required":true,"name":"x","gateway":"gcp"})"
      "\r\nPING\r\n";
  const std::string route =
      R"(CONNECT {"verbose":false,"pedantic":false,"tls_required":true,"name":"x","cluster":"aws"})"
      "\r\nPING\r\n";
  for (const auto& [port, hello] :
       {std::make_pair(mesh_->cluster_port("aws-hub1"), route), {mesh_->gateway_port("aws-hub1"), gateway}}) {
    // What a server shows to other servers opens the port ...
    {
      RawClient server(RawClient::Port::kFabric, port, ca, mesh_->folder() + "/nats/gcp-hub1-fabric");
      server.Send(hello);
      EXPECT_TRUE(server.ReadUntil("PONG")) << server.seen();
    }
    // ... what a node or an operator has, or a server shows to clients, does not.
    for (const char* file : {"/aws-node-n1", "/aws-ctl-admin", "/aws-cp-aws-cp1", "/nats/aws-hub1"}) {
      RawClient client(RawClient::Port::kFabric, port, ca, mesh_->folder() + file);
      client.Send(hello);
      EXPECT_FALSE(client.ReadUntil("PONG")) << file << " on " << port;
    }
  }
}

}  // namespace
}  // namespace trivium
