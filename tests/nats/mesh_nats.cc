#include "tests/nats/mesh_nats.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/clock.h"
#include "base/files.h"
#include "cli/mesh/mesh_init.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

constexpr auto kLong = std::chrono::seconds(30);

}  // namespace

void Recorder::Add(const std::string& value) {
  const std::lock_guard<std::mutex> lock(mutex_);
  values_.push_back(value);
  changed_.notify_all();
}

bool Recorder::Wait(const std::function<bool(const std::vector<std::string>&)>& condition) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, kLong, [&] { return condition(values_); });
}

bool Recorder::WaitFor(const std::string& value) {
  return Wait([&](const auto& values) { return std::count(values.begin(), values.end(), value) > 0; });
}

std::vector<std::string> Recorder::values() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return values_;
}

size_t Recorder::Count(const std::string& value) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<size_t>(std::count(values_.begin(), values_.end(), value));
}

MeshNats::MeshNats() {
  const std::vector<int> ports = FreePorts(12);
  std::string clusters;
  size_t next = 0;
  int id = 0;
  for (const std::string name : {"aws", "gcp"}) {
    std::map<std::string, std::string> lines;
    for (const std::string role : {"hub", "edge"}) {
      const std::vector<int> mine(ports.begin() + static_cast<long>(next),
                                  ports.begin() + static_cast<long>(next) + 3);
      next += 3;
      ports_[absl::StrCat(name, "-", role, "1")] = mine;
      lines[role] = absl::StrCat("[{host: 127.0.0.1, port: ", mine[0], ", cluster_port: ", mine[1],
                                 ", gateway_port: ", mine[2], "}]");
    }
    ++id;
    absl::StrAppend(&clusters, "- name: ", name, "\n  id: ", id, "\n  region: eu-", name,
                    "\n  pod_cidrs: [10.", id, ".0.0/16]\n  nats: {hubs: ", lines["hub"],
                    ", edges: ", lines["edge"], "}\n  control_planes: [", name, "-cp1]\n  nodes:\n");
    for (const int node : {1, 2}) {
      absl::StrAppend(&clusters, "  - {name: n", node, ", underlay: {device: eth0, addresses: [192.168.60.",
                      id, node, "]}, pod_cidrs: [10.", id, ".", node, ".0/24]}\n");
    }
    absl::StrAppend(&clusters, "  operators: [admin]\n");
  }
  const std::string spec = folder_.Write(
      "mesh.yaml", absl::StrCat("mesh: test\nregions: [{name: eu-aws, home: 1}, {name: eu-gcp, home: 2}]\n"
                                "sql: {hosts: [\"127.0.0.1:5432\"]}\nclusters:\n",
                                clusters));
  const auto made = cli::MeshInit({spec, folder(), RealFiles(), RealClock()});
  EXPECT_TRUE(made.ok()) << made.status();
  for (const auto& [name, unused] : ports_) {
    servers_[name] = std::make_unique<NatsServer>(absl::StrCat(folder(), "/nats/", name, ".conf"));
    servers_[name]->Start();
  }
  for (const auto& [name, server] : servers_) {
    EXPECT_TRUE(server->WaitForLog("Outbound gateway connection to"));
    EXPECT_TRUE(server->WaitForLog("Route connection created"));
  }
}

NatsOptions MeshNats::Options(const std::string& principal) const {
  const Principal who = *Principal::Parse(principal);
  const std::string file = absl::StrCat(folder(), "/", absl::StrReplaceAll(principal, {{":", "-"}}));
  NatsOptions options;
  options.servers = {
      absl::StrCat("tls://127.0.0.1:", port(who.cluster + (who.role == "cp" ? "-hub1" : "-edge1")))};
  options.ca = folder() + "/ca.crt";
  options.cert = file + ".crt";
  options.key = file + ".key";
  options.principal = principal;
  return options;
}

std::unique_ptr<NatsBus> MeshNats::Connect(const std::string& principal) {
  return Connect(Options(principal));
}

std::unique_ptr<NatsBus> MeshNats::Connect(const NatsOptions& options) {
  auto bus = NatsBus::Create(options);
  EXPECT_TRUE(bus.ok()) << bus.status();
  auto states = std::make_shared<Recorder>();
  (*bus)->WatchState(&executor_, [states](Bus::State state) {
    states->Add(state == Bus::State::kConnected ? "up" : "down");
  });
  EXPECT_TRUE(states->WaitFor("up")) << options.principal << " does not get connected";
  return *std::move(bus);
}

void MeshNats::Listen(NatsBus* bus, const std::string& subject, Recorder* into, const std::string& queue) {
  EXPECT_TRUE(
      bus->Subscribe(subject, queue, &executor_, [into](const Message& m) { into->Add(m.payload); }).ok());
  EXPECT_TRUE(bus->Flush(absl::Seconds(20)).ok());
}

bool MeshNats::PublishUntilHeard(NatsBus* bus, const std::string& subject, const std::string& value,
                                 Recorder* heard) {
  auto stop = std::make_shared<bool>(false);
  auto again = std::make_shared<std::function<void()>>();
  *again = [this, bus, subject, value, stop, weak = std::weak_ptr<std::function<void()>>(again)] {
    if (*stop) return;
    EXPECT_TRUE(bus->Publish(subject, value).ok());
    if (const auto self = weak.lock()) executor_.PostAfter(absl::Milliseconds(20), [self] { (*self)(); });
  };
  executor_.Post([again] { (*again)(); });
  const bool done = heard->WaitFor(value);
  executor_.RunAndWait([stop] { *stop = true; });
  return done;
}

absl::StatusOr<std::string> MeshNats::Ask(NatsBus* bus, const std::string& subject,
                                          const std::string& payload, absl::Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + kLong;
  for (;;) {
    auto outcomes = std::make_shared<Recorder>();
    auto outcome = std::make_shared<absl::StatusOr<std::string>>();
    bus->Request(subject, payload, timeout, &executor_, [=](absl::StatusOr<std::string> reply) {
      *outcome = std::move(reply);
      outcomes->Add("done");
    });
    if (!outcomes->WaitFor("done")) return absl::UnknownError("no callback");
    if (!absl::IsUnavailable(outcome->status()) || std::chrono::steady_clock::now() > deadline)
      return *outcome;
  }
}

bool MeshNats::WaitRefused(const NatsBus& bus, uint64_t times) {
  auto seen = std::make_shared<Recorder>();
  auto stop = std::make_shared<bool>(false);
  auto again = std::make_shared<std::function<void()>>();
  *again = [this, &bus, times, seen, stop, weak = std::weak_ptr<std::function<void()>>(again)] {
    if (*stop) return;
    if (bus.counters().refused >= times) seen->Add("enough");
    if (const auto self = weak.lock()) executor_.PostAfter(absl::Milliseconds(5), [self] { (*self)(); });
  };
  executor_.Post([again] { (*again)(); });
  const bool done = seen->WaitFor("enough");
  executor_.RunAndWait([stop] { *stop = true; });
  return done;
}

}  // namespace trivium
