// The NATS servers of a small mesh, configured by `triviumctl mesh init`: clusters "aws" and "gcp", each with
// a hub and an edge, joined by gateways; two nodes, one control plane and one operator per cluster.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bus/nats_bus.h"
#include "tests/support/nats_fixture.h"

namespace trivium {

// Values that handlers record and tests wait for. Thread-safe; outlives the buses that record into it.
class Recorder {
 public:
  void Add(const std::string& value);
  // False after a long time.
  bool Wait(const std::function<bool(const std::vector<std::string>&)>& condition);
  bool WaitFor(const std::string& value);
  std::vector<std::string> values() const;
  size_t Count(const std::string& value) const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> values_;
};

class MeshNats {
 public:
  MeshNats();  // starts all four and waits until the gateways stand

  NatsServer& server(const std::string& name) { return *servers_.at(name); }
  std::string folder() const { return folder_.path() + "/out"; }
  int port(const std::string& server) const { return ports_.at(server)[0]; }
  int cluster_port(const std::string& server) const { return ports_.at(server)[1]; }
  int gateway_port(const std::string& server) const { return ports_.at(server)[2]; }

  // For a principal: its certificate, and where it belongs (control planes on hubs, others on edges).
  NatsOptions Options(const std::string& principal) const;
  // Connected.
  std::unique_ptr<NatsBus> Connect(const std::string& principal);
  std::unique_ptr<NatsBus> Connect(const NatsOptions& options);
  // Subscribes, recording payloads, and waits until the server knows.
  void Listen(NatsBus* bus, const std::string& subject, Recorder* into, const std::string& queue = "");
  // Publishes again and again until `value` arrives: interest crosses routes and gateways in its own time.
  bool PublishUntilHeard(NatsBus* bus, const std::string& subject, const std::string& value, Recorder* heard);
  // Asks, again while nobody serves it yet.
  absl::StatusOr<std::string> Ask(NatsBus* bus, const std::string& subject, const std::string& payload,
                                  absl::Duration timeout = absl::Seconds(20));
  // Waits until the servers have refused that much of what the client sent.
  bool WaitRefused(const NatsBus& bus, uint64_t times);
  Executor* executor() { return &executor_; }

 private:
  TempFolder folder_;
  std::map<std::string, std::vector<int>> ports_;
  std::map<std::string, std::unique_ptr<NatsServer>> servers_;
  LoopExecutor executor_{"test"};
};

}  // namespace trivium
