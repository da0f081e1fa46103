#include "tests/events/events_world.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/clock.h"
#include "base/files.h"
#include "cli/mesh/mesh_init.h"
#include "tests/support/await.h"

namespace trivium {

std::string EventsWorld::Make(const TempFolder& folder, int port) {
  const std::string spec =
      folder.Write("mesh.yaml", absl::StrCat(R"(mesh: test
regions: [{name: eu, home: 1}]
sql: {hosts: ["127.0.0.1:5432"]}
clusters:
- name: aws
  id: 1
  region: eu
  pod_cidrs: [10.1.0.0/16]
  nats:
    hubs: [{host: 127.0.0.1, port: 4222, cluster_port: 4223, gateway_port: 4224}]
    edges: [{host: 127.0.0.1, port: 4232, cluster_port: 4233, gateway_port: 4234}]
  control_planes: [aws-cp1]
  nodes:
  - {name: n1, underlay: {device: eth0, addresses: [192.168.60.11]}, pod_cidrs: [10.1.1.0/24]}
  operators: [admin]
  events:
    host: 127.0.0.1
    port: )",
                                             port, "\n    store_dir: ", folder.path(), "/jetstream", R"(
    mesh: true
    relays: [aws-relay1]
    subscribers:
    - {name: audit}
    - {name: dns, kinds: [endpoint, service]}
    - {name: fleet, cluster: _mesh}
)"));
  const auto made = cli::MeshInit({spec, folder.path() + "/out", RealFiles(), RealClock()});
  EXPECT_TRUE(made.ok()) << made.status();
  return folder.path() + "/out/nats/aws-events.conf";
}

EventsWorld::EventsWorld() : port_(FreePorts(1)[0]), server_(Make(folder_, port_)) {}

NatsOptions EventsWorld::Options(const std::string& principal) const {
  const std::string file = absl::StrCat(folder(), "/", absl::StrReplaceAll(principal, {{":", "-"}}));
  NatsOptions options;
  options.servers = {absl::StrCat("tls://127.0.0.1:", port_)};
  options.ca = folder() + "/ca.crt";
  options.cert = file + ".crt";
  options.key = file + ".key";
  options.principal = principal;
  return options;
}

bool EventsWorld::Await(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < deadline) {
    bool holds = false;
    executor_.RunAndWait([&] { holds = condition(); });
    if (holds) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

EventsClient::EventsClient(EventsWorld* world, const std::string& principal) : world_(world) {
  auto bus = NatsBus::Create(world->Options(principal));
  EXPECT_TRUE(bus.ok()) << bus.status();
  bus_ = *std::move(bus);
  auto up = std::make_shared<bool>(false);
  bus_->WatchState(world->executor(), [up](Bus::State state) { *up = state == Bus::State::kConnected; });
  EXPECT_TRUE(world->Await([up] { return *up; })) << principal << " does not get connected";
  world->executor()->RunAndWait(
      [this] { stream_ = std::make_unique<NatsEventStream>(bus_.get(), world_->executor()); });
}

EventsClient::~EventsClient() {
  world_->executor()->RunAndWait([this] { stream_.reset(); });
}

absl::StatusOr<StreamState> EventsClient::Ensure(const StreamConfig& config) {
  return Await<StreamState>(
      [&](auto done) { world_->executor()->RunAndWait([&] { stream_->Ensure(config, done); }); });
}

absl::Status EventsClient::EnsureConsumer(const std::string& stream, const ConsumerConfig& config) {
  return AwaitDone([&](auto done) {
    world_->executor()->RunAndWait([&] { stream_->EnsureConsumer(stream, config, done); });
  });
}

absl::StatusOr<std::optional<StoredEvent>> EventsClient::Last(const std::string& stream,
                                                              const std::string& subjects) {
  return Await<std::optional<StoredEvent>>(
      [&](auto done) { world_->executor()->RunAndWait([&] { stream_->Last(stream, subjects, done); }); });
}

absl::StatusOr<uint64_t> EventsClient::Publish(const std::string& stream, const std::string& subject,
                                               const std::string& payload) {
  const auto last = Last(stream, "trivium.v1.ev.>");
  if (!last.ok()) return last.status();
  const Fence fence = last->has_value() ? Fence{(*last)->sequence, (*last)->id} : Fence{};
  const std::string id = absl::StrCat("id-", stream, "-", ++published_);
  return Await<uint64_t>([&](auto done) {
    world_->executor()->RunAndWait([&] {
      stream_->Publish(stream, {subject, id, {}, payload}, fence, absl::Seconds(20), done);
    });
  });
}

}  // namespace trivium
