// What the driver and the servers' configuration do about peers that die, freeze or do not read.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "cli/mesh/pki.h"
#include "schema/subjects.h"
#include "tests/nats/mesh_nats.h"
#include "tests/nats/raw_client.h"

namespace trivium {
namespace {

class TwoServers : public testing::Test {
 protected:
  // A client of both that is on the first.
  std::unique_ptr<NatsBus> ConnectToFirst() {
    second_.server().Stop();
    NatsOptions options;
    options.servers = {first_.url(), second_.url()};
    options.principal = "a:node:n1";
    std::unique_ptr<NatsBus> bus = Connect(options, &states_);
    EXPECT_TRUE(
        bus->Subscribe("t", "", &executor_, [this](const Message& m) { heard_.Add(m.payload); }).ok());
    EXPECT_TRUE(bus->Flush(absl::Seconds(20)).ok());
    second_.server().Start();
    return bus;
  }
  std::unique_ptr<NatsBus> Connect(const NatsOptions& options, Recorder* states) {
    auto bus = NatsBus::Create(options);
    EXPECT_TRUE(bus.ok()) << bus.status();
    (*bus)->WatchState(&executor_, [states](Bus::State state) {
      states->Add(state == Bus::State::kConnected ? "up" : "down");
    });
    EXPECT_TRUE(states->WaitFor("up"));
    return *std::move(bus);
  }
  bool WaitUps(size_t count) {
    return states_.Wait([=](const std::vector<std::string>& states) {
      return static_cast<size_t>(std::count(states.begin(), states.end(), "up")) >= count;
    });
  }
  // Heard over the second server.
  void ExpectOnSecond(NatsBus* bus, const std::string& value) {
    NatsOptions options;
    options.servers = {second_.url()};
    options.principal = "a:cp:cp1";
    Recorder states;
    auto other = Connect(options, &states);
    EXPECT_TRUE(bus->Flush(absl::Seconds(20)).ok());
    EXPECT_TRUE(other->Publish("t", value).ok());
    EXPECT_TRUE(heard_.WaitFor(value));
  }

  Recorder states_, heard_;
  LoopExecutor executor_{"test"};
  PlainNats first_, second_;
};

TEST_F(TwoServers, AKilledServerIsLeftForTheOther) {
  auto bus = ConnectToFirst();
  first_.server().Kill();
  ASSERT_TRUE(WaitUps(2));
  ExpectOnSecond(bus.get(), "hello");
  EXPECT_EQ(bus->counters().disconnects, 1u);
}

TEST_F(TwoServers, AFrozenServerIsLeftForTheOther) {
  auto bus = ConnectToFirst();
  first_.server().Freeze();  // its sockets stay open; only pings tell
  ASSERT_TRUE(WaitUps(2));
  ExpectOnSecond(bus.get(), "hello");
  EXPECT_EQ(bus->counters().rebuilds, 0u);
  first_.server().Thaw();
}

TEST_F(TwoServers, RebuildLeavesAFrozenServerAtOnce) {
  NatsOptions options;
  options.servers = {first_.url()};
  options.principal = "a:node:n1";
  options.ping_interval = absl::Hours(1);  // nobody notices by himself
  auto bus = Connect(options, &states_);
  first_.server().Freeze();
  bus->Rebuild();
  executor_.RunAndWait([] {});  // told already
  EXPECT_EQ(states_.values().back(), "down");
  EXPECT_EQ(bus->Publish("t", "x").code(), absl::StatusCode::kUnavailable);
  first_.server().Thaw();
  ASSERT_TRUE(WaitUps(2));
  EXPECT_TRUE(bus->Flush(absl::Seconds(20)).ok());
}

TEST_F(TwoServers, StartsBeforeTheServersDo) {
  first_.server().Stop();
  second_.server().Stop();
  NatsOptions options;
  options.servers = {first_.url(), second_.url()};
  options.principal = "a:node:n1";
  auto bus = NatsBus::Create(options);
  ASSERT_TRUE(bus.ok());
  (*bus)->WatchState(
      &executor_, [this](Bus::State state) { states_.Add(state == Bus::State::kConnected ? "up" : "down"); });
  ASSERT_TRUE(
      (*bus)->Subscribe("t", "", &executor_, [this](const Message& m) { heard_.Add(m.payload); }).ok());
  ASSERT_TRUE(states_.WaitFor("down"));
  EXPECT_EQ((*bus)->Publish("t", "x").code(), absl::StatusCode::kUnavailable);
  second_.server().Start();
  ASSERT_TRUE(states_.WaitFor("up"));
  ExpectOnSecond(bus->get(), "hello");
}

TEST_F(TwoServers, ASlowHandlerLosesMessagesAndIsCounted) {
  NatsOptions options;
  options.servers = {first_.url()};
  options.principal = "a:node:n1";
  options.max_pending_messages = 10;
  auto bus = Connect(options, &states_);
  LoopExecutor slow("slow");
  std::mutex gate;
  ASSERT_TRUE(bus->Subscribe("t", "", &slow,
                             [&](const Message& m) {
                               const std::lock_guard<std::mutex> wait(gate);
                               heard_.Add(m.payload);
                             })
                  .ok());
  Recorder quick;
  ASSERT_TRUE(bus->Subscribe("t", "", &executor_, [&](const Message& m) { quick.Add(m.payload); }).ok());
  ASSERT_TRUE(bus->Flush(absl::Seconds(20)).ok());
  {
    const std::lock_guard<std::mutex> closed(gate);
    // One in its hands, ten waiting: the rest is lost. The other subscription has room because it keeps up.
    for (int i = 0; i < 30; ++i) {
      ASSERT_TRUE(bus->Publish("t", std::to_string(i)).ok());
      ASSERT_TRUE(quick.WaitFor(std::to_string(i)));
    }
  }
  // Once one of these is heard, everything before it has been heard or dropped.
  size_t sent = 30;
  do {
    ASSERT_TRUE(bus->Publish("t", "end " + std::to_string(sent)).ok());
    ASSERT_TRUE(quick.WaitFor("end " + std::to_string(sent)));
    slow.RunAndWait([] {});
    ++sent;
  } while (heard_.Count("end " + std::to_string(sent - 1)) == 0 && sent < 100'000);
  EXPECT_EQ(heard_.values().size() + bus->counters().dropped, sent);
  EXPECT_GT(bus->counters().dropped, 0u);
  bus.reset();
}

// A server that greets and then never says another word: within the TLS handshake nats.c waits for it without
// a deadline, holding the connection's lock.
TEST(HangingServer, DoesNotHoldARebuild) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(listen(listener, 5), 0);
  const timeval patience{20, 0};
  ASSERT_EQ(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);

  TempFolder folder;
  const auto authority = cli::CertificateAuthority::Create("x", RealClock()->Now(), absl::Hours(1));
  ASSERT_TRUE(authority.ok());
  const auto leaf = authority->Issue({"x", "", {}, RealClock()->Now(), absl::Hours(1)});
  ASSERT_TRUE(leaf.ok());
  NatsOptions options;
  options.servers = {absl::StrCat("tls://127.0.0.1:", ntohs(address.sin_port))};
  options.ca = folder.Write("ca.crt", authority->pem().certificate);
  options.cert = folder.Write("x.crt", leaf->certificate);
  options.key = folder.Write("x.key", leaf->key);
  options.principal = "a:node:n1";
  auto bus = NatsBus::Create(options);
  ASSERT_TRUE(bus.ok()) << bus.status();

  std::vector<int> accepted;
  for (int i = 0; i < 3; ++i) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    ASSERT_GE(fd, 0) << "attempt " << i << " does not come";
    accepted.push_back(fd);
    const std::string info = "INFO {\"server_id\":\"x\",\"tls_required\":true,\"max_payload\":1048576}\r\n";
    ASSERT_EQ(write(fd, info.data(), info.size()), static_cast<ssize_t>(info.size()));
    char hello = 0;
    ASSERT_EQ(read(fd, &hello, 1), 1);  // it is in the handshake now
    (*bus)->Rebuild();
    EXPECT_EQ((*bus)->Publish("t", "x").code(), absl::StatusCode::kUnavailable);
  }
  for (const int fd : accepted) close(fd);
  close(listener);
  bus->reset();
}

TEST(NatsBusOptions, WhatCannotWorkIsRefused) {
  NatsOptions good;
  good.servers = {"nats://127.0.0.1:1"};
  good.principal = "a:node:n1";
  const auto error = [](const NatsOptions& options) {
    const absl::Status status = NatsBus::Create(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  NatsOptions bad = good;
  bad.servers.clear();
  EXPECT_THAT(error(bad), testing::HasSubstr("no servers"));
  bad = good;
  bad.servers = {"127.0.0.1:4222"};
  EXPECT_THAT(error(bad), testing::HasSubstr("want nats://host:port"));
  bad = good;
  bad.principal = "a.b";
  EXPECT_THAT(error(bad), testing::HasSubstr("principal"));
  bad = good;
  bad.servers = {"tls://127.0.0.1:4222"};
  bad.ca = "/nonexistent/ca.crt";
  EXPECT_THAT(error(bad), testing::HasSubstr("all three or none"));
  bad.cert = bad.key = bad.ca;
  EXPECT_THAT(error(bad), testing::HasSubstr("/nonexistent/ca.crt"));
}

// Promise 5: an agent that does not read costs itself its connection, and nobody else anything.
TEST(SlowAgent, IsCutOffWhileOthersHearEverything) {
  MeshNats mesh;
  Recorder heard;
  auto publisher = mesh.Connect("aws:cp:aws-cp1");
  auto healthy = mesh.Connect("aws:node:n1");
  mesh.Listen(healthy.get(), subjects::kFeedAndHeads, &heard);
  ASSERT_TRUE(mesh.PublishUntilHeard(publisher.get(), subjects::Feed("aws"), "ready", &heard));

  RawClient slow(RawClient::Port::kClient, mesh.port("aws-edge1"), mesh.folder() + "/ca.crt",
                 mesh.folder() + "/aws-node-n2");
  slow.Send(
      "CONNECT {\"verbose\":false,\"tls_required\":true,\"name\":\"slow\"}\r\nSUB trivium.v1.feed.* "
      "1\r\nPING\r\n");
  ASSERT_TRUE(slow.ReadUntil("PONG")) << slow.seen();
  // From here on it reads nothing.
  constexpr int kMessages = 800;
  const std::string filler(64 * 1024, 'x');  // 50 MiB in all, three times max_pending
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(publisher->Publish(subjects::Feed("aws"), absl::StrCat(i, filler)).ok());
    // At the pace of the healthy one, so that only the slow one can be too slow.
    if (i % 16 == 0) {
      ASSERT_TRUE(heard.WaitFor(absl::StrCat(i, filler)));
    }
  }
  ASSERT_TRUE(heard.WaitFor(absl::StrCat(kMessages - 1, filler)));
  size_t in_order = 0;
  for (const std::string& value : heard.values()) {
    if (value == absl::StrCat(in_order, filler)) ++in_order;
  }
  EXPECT_EQ(in_order, static_cast<size_t>(kMessages));
  EXPECT_TRUE(mesh.server("aws-edge1").WaitForLog("Slow Consumer"));
  EXPECT_EQ(healthy->counters().disconnects, 0u);
  EXPECT_EQ(publisher->counters().disconnects, 0u);
}

}  // namespace
}  // namespace trivium
