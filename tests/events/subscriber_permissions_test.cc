// A subscriber reads the clusters and kinds that it is granted, and nothing else: tried at a real server with
// the certificates and the configuration that `mesh init` makes. Every "cannot" stands beside a "can".
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "schema/event_grants.h"
#include "schema/subjects.h"
#include "tests/events/events_world.h"
#include "tests/nats/raw_client.h"

namespace trivium {
namespace {

using testing::HasSubstr;

constexpr char kStream[] = "TRIVIUM-EV-aws";
constexpr char kMeshStream[] = "TRIVIUM-EV-_mesh";
constexpr char kNext[] = "$JS.API.CONSUMER.MSG.NEXT.";
constexpr char kRelay[] = "aws:relay:aws-relay1";
constexpr char kHello[] =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"headers\":true,"
    "\"no_responders\":true,\"protocol\":1}\r\nPING\r\n";

class SubscriberTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    world_ = new EventsWorld;
    world_->server().Start();
    relay_ = new EventsClient(world_, kRelay);
    for (const auto& [cluster, stream] : {std::pair("aws", kStream), {"_mesh", kMeshStream}}) {
      StreamConfig config;
      config.name = stream;
      config.subjects = subjects::EveryEvent(cluster);
      const auto state = relay_->Ensure(config);
      ASSERT_TRUE(state.ok()) << state.status();
    }
    Consumers("audit", "aws", {});
    Consumers("dns", "aws", {"endpoint", "service"});
    Consumers("fleet", "_mesh", {});
    Publish("endpoint.shop.upsert", "cart");
    Publish("policy.shop.upsert", "secret-policy");
    Publish("_log._.epoch", "marker");
    ASSERT_TRUE(relay_->Publish(kMeshStream, "trivium.v1.ev._mesh.region._.upsert", "secret-region").ok());
  }
  static void TearDownTestSuite() {
    delete relay_;
    delete world_;
  }
  static void Consumers(const std::string& name, const std::string& cluster,
                        const std::vector<std::string>& kinds) {
    for (const auto& [consumer, filter] : EventConsumers(name, cluster, kinds)) {
      const absl::Status made = relay_->EnsureConsumer(EventStreamName(cluster), {consumer, filter});
      ASSERT_TRUE(made.ok()) << made;
    }
  }
  static void Publish(const std::string& rest, const std::string& payload) {
    const auto stored = relay_->Publish(kStream, absl::StrCat("trivium.v1.ev.aws.", rest), payload);
    ASSERT_TRUE(stored.ok()) << stored.status();
  }
  static uint64_t Stored() { return (*relay_->Last(kStream, "trivium.v1.ev.aws.>"))->sequence; }

  // A connection of the subscriber that minds no library's manners.
  std::unique_ptr<RawClient> Connect(const std::string& file) {
    auto client =
        std::make_unique<RawClient>(RawClient::Port::kClient, world_->port(), world_->folder() + "/ca.crt",
                                    absl::StrCat(world_->folder(), "/", file));
    client->Send(kHello);
    return client;
  }
  std::unique_ptr<RawClient> Dns() {
    auto client = Connect("aws-sub-dns");
    EXPECT_TRUE(client->ReadUntil("PONG")) << client->seen();
    EXPECT_TRUE(client->Send("SUB _INBOX.aws:sub:dns.> 1\r\n"));
    return client;
  }
  static std::string Pub(const std::string& subject, const std::string& reply, const std::string& payload) {
    return absl::StrCat("PUB ", subject, reply.empty() ? "" : " ", reply, " ", payload.size(), "\r\n",
                        payload, "\r\n");
  }
  static std::string Pull(const std::string& consumer, const std::string& reply, bool wait = true) {
    return Pub(absl::StrCat(kNext, kStream, ".", consumer), reply,
               wait ? R"({"batch":10,"expires":200000000})" : R"({"batch":1,"no_wait":true})");
  }

  // The server has done everything that the client sent before.
  static bool Barrier(RawClient* dns, const std::string& tag) {
    dns->Send(Pull("dns:service", absl::StrCat("_INBOX.aws:sub:dns.", tag), false));
    return dns->ReadUntil(absl::StrCat("_INBOX.aws:sub:dns.", tag));
  }

  static EventsWorld* world_;
  static EventsClient* relay_;
};

EventsWorld* SubscriberTest::world_ = nullptr;
EventsClient* SubscriberTest::relay_ = nullptr;

TEST_F(SubscriberTest, ReadsItsKindsDurablyAcknowledgesAndSeesTheLogsMarkers) {
  auto dns = Dns();
  dns->Send(Pull("dns:endpoint", "_INBOX.aws:sub:dns.a"));
  ASSERT_TRUE(dns->ReadUntil("cart")) << dns->seen();
  // The reply subject is where to acknowledge; with a reply of its own the server says that it has heard.
  const std::string ack = "$JS.ACK.TRIVIUM-EV-aws.dns:endpoint.";
  const size_t at = dns->seen().find(ack);
  ASSERT_NE(at, std::string::npos) << dns->seen();
  const std::string subject = dns->seen().substr(at, dns->seen().find(' ', at) - at);
  dns->Send(Pub(subject, "_INBOX.aws:sub:dns.acked", "+ACK"));
  EXPECT_TRUE(dns->ReadUntil("_INBOX.aws:sub:dns.acked")) << dns->seen();
  dns->Send(Pull("dns:_log", "_INBOX.aws:sub:dns.b"));
  EXPECT_TRUE(dns->ReadUntil("marker")) << dns->seen();
  EXPECT_THAT(dns->seen(), testing::Not(HasSubstr("secret")));
}

TEST_F(SubscriberTest, HearsItsKindsLiveAndNoOthers) {
  auto dns = Dns();
  dns->Send("SUB trivium.v1.ev.aws.endpoint.> 2\r\nSUB trivium.v1.ev.aws.service.> 3\r\n");
  ASSERT_TRUE(Barrier(dns.get(), "listening")) << dns->seen();
  Publish("policy.shop.upsert", "secret-live");
  Publish("endpoint.shop.delete", "live-endpoint");
  EXPECT_TRUE(dns->ReadUntil("live-endpoint")) << dns->seen();
  EXPECT_THAT(dns->seen(), testing::Not(HasSubstr("secret")));
  EXPECT_THAT(dns->seen(), testing::Not(HasSubstr("-ERR")));
}

TEST_F(SubscriberTest, MaySayNothingElse) {
  const std::string own = absl::StrCat(kStream, ".dns:endpoint");
  std::vector<std::string> forbidden = {"trivium.v1.ev.aws.endpoint.shop.upsert",
                                        "trivium.v1.ev._mesh.region._.upsert",
                                        "trivium.v1.feed.aws",
                                        "trivium.v1.feed._head",
                                        "trivium.v1.rpc.aws.aws:sub:dns.api.apply",
                                        "trivium.v1.rpc.aws.aws:sub:dns.sync",
                                        "_INBOX.aws:sub:audit.x",
                                        "_INBOX.aws:relay:aws-relay1.x",
                                        "$SYS.REQ.SERVER.PING",
                                        "$JS.API.INFO",
                                        "$JS.API.STREAM.NAMES",
                                        "$JS.API.STREAM.LIST",
                                        "$JS.API.ACCOUNT.PURGE.EVENTS"};
  for (const char* stream : {kStream, kMeshStream}) {
    for (const char* call : {"STREAM.CREATE.", "STREAM.UPDATE.", "STREAM.DELETE.", "STREAM.PURGE.",
                             "STREAM.INFO.", "STREAM.MSG.GET.", "STREAM.MSG.DELETE.", "STREAM.SNAPSHOT.",
                             "DIRECT.GET.", "CONSUMER.CREATE.", "CONSUMER.NAMES.", "CONSUMER.LIST."}) {
      forbidden.push_back(absl::StrCat("$JS.API.", call, stream));
    }
  }
  for (const char* call : {"CREATE.", "DURABLE.CREATE.", "DELETE.", "INFO."}) {
    forbidden.push_back(absl::StrCat("$JS.API.CONSUMER.", call, own));
  }
  for (const std::string& other :
       {absl::StrCat(kStream, ".audit"), absl::StrCat(kStream, ".dns"), absl::StrCat(kStream, ".dns:policy"),
        absl::StrCat(kMeshStream, ".fleet"), absl::StrCat(kMeshStream, ".dns:endpoint")}) {
    forbidden.push_back(absl::StrCat(kNext, other));
    forbidden.push_back(absl::StrCat("$JS.ACK.", other, ".1.1.1.1.0"));
  }
  auto dns = Dns();
  const uint64_t before = Stored();
  for (const std::string& subject : forbidden) {
    dns->Send(Pub(subject, "_INBOX.aws:sub:dns.x", "{}"));
    EXPECT_TRUE(dns->ReadUntil(absl::StrCat("Permissions Violation for Publish to \"", subject, "\"")))
        << subject << "\n"
        << dns->seen();
  }
  EXPECT_EQ(Stored(), before);
}

TEST_F(SubscriberTest, MayHearNothingElse) {
  auto dns = Dns();
  int sid = 10;
  for (const char* subject :
       {">", "trivium.>", "trivium.v1.ev.>", "trivium.v1.ev.aws.>", "trivium.v1.ev.*.endpoint.>",
        "trivium.v1.ev.aws.policy.>", "trivium.v1.ev.aws.*.shop.*", "trivium.v1.ev._mesh.>",
        "trivium.v1.feed.*", "trivium.v1.rpc.>", "trivium.v1.agent.>", "_INBOX.>", "_INBOX.*.>",
        "_INBOX.aws:sub:audit.>", "$JS.>", "$JS.API.>", "$JS.EVENT.>", "$SYS.>", "_R_.>"}) {
    for (const char* queue : {"", " q"}) {
      dns->Send(absl::StrCat("SUB ", subject, queue, " ", ++sid, "\r\n"));
      EXPECT_TRUE(dns->ReadUntil(absl::StrCat("Permissions Violation for Subscription to \"", subject, "\"")))
          << subject << "\n"
          << dns->seen();
    }
  }
  Publish("policy.shop.upsert", "secret-again");
  EXPECT_TRUE(Barrier(dns.get(), "after")) << dns->seen();
  EXPECT_THAT(dns->seen(), testing::Not(HasSubstr("secret")));
}

// The server answers a pull at the subject that the request names, with rights of its own: neither an event
// nor a word of the server's may come back into a stream, or to the server as a command.
TEST_F(SubscriberTest, CannotHaveTheServerSpeakForIt) {
  auto dns = Dns();
  Publish("endpoint.shop.upsert", "one-more");
  const uint64_t before = Stored();
  for (const std::string& target :
       {std::string("trivium.v1.ev.aws.endpoint.forged.upsert"), std::string("trivium.v1.ev._mesh.x.y.z"),
        absl::StrCat("$JS.API.STREAM.DELETE.", kStream), absl::StrCat("$JS.API.STREAM.PURGE.", kStream),
        absl::StrCat("$JS.API.CONSUMER.DELETE.", kStream, ".audit"), std::string("_INBOX.aws:sub:audit.x")}) {
    dns->Send(Pull("dns:endpoint", target));
    for (int i = 0; i < 3; ++i) dns->Send(Pull("dns:service", target, false));  // "no messages"
  }
  // After all of those: its own pulls are answered still, and nothing was stored, deleted or taken.
  EXPECT_TRUE(Barrier(dns.get(), "end")) << dns->seen();
  EXPECT_EQ(Stored(), before);
  EXPECT_EQ((*relay_->Last(kMeshStream, "trivium.v1.ev._mesh.>"))->payload, "secret-region");
  const absl::Status consumer = relay_->EnsureConsumer(kStream, {"audit", subjects::EveryEvent("aws")});
  EXPECT_TRUE(consumer.ok()) << consumer;
  auto audit = Connect("aws-sub-audit");
  ASSERT_TRUE(audit->ReadUntil("PONG")) << audit->seen();
  audit->Send("SUB _INBOX.aws:sub:audit.> 1\r\n" + Pull("audit", "_INBOX.aws:sub:audit.a"));
  EXPECT_TRUE(audit->ReadUntil("one-more")) << audit->seen();
  EXPECT_THAT(audit->seen(), HasSubstr("secret-policy"));
  EXPECT_THAT(audit->seen(), testing::Not(HasSubstr("secret-region")));
  EXPECT_THAT(audit->seen(), testing::Not(HasSubstr("forged")));
}

TEST_F(SubscriberTest, NobodyElseOfTheMeshHasBusinessThere) {
  for (const char* file : {"aws-node-n1", "aws-ctl-admin", "aws-cp-aws-cp1", "sql/trivium_writer"}) {
    auto client = Connect(file);
    EXPECT_FALSE(client->ReadUntil("PONG")) << file;
    EXPECT_THAT(client->seen(), HasSubstr("Authorization Violation")) << file;
  }
}

TEST_F(SubscriberTest, ARelayDeletesNothing) {
  auto relay = Connect("aws-relay-aws-relay1");
  ASSERT_TRUE(relay->ReadUntil("PONG")) << relay->seen();
  for (const char* call : {"STREAM.DELETE.", "STREAM.PURGE.", "STREAM.MSG.DELETE."}) {
    const std::string subject = absl::StrCat("$JS.API.", call, kStream);
    relay->Send(Pub(subject, "", ""));
    EXPECT_TRUE(relay->ReadUntil(absl::StrCat("Permissions Violation for Publish to \"", subject, "\"")))
        << relay->seen();
  }
}

}  // namespace
}  // namespace trivium
