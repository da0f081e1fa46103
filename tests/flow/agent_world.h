// An agent between fakes: bus, control planes of a small mesh, maps, devices, files. Time moves only in Run.
// One thread.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "nodeagent/app.h"
#include "tests/flow/fake_control_plane.h"
#include "tests/support/fake_device_io.h"
#include "tests/support/fake_files.h"
#include "tests/support/fake_map_io.h"
#include "tests/support/manual_executor.h"

namespace trivium {

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : rng_(seed) {}
  uint64_t Next() override { return rng_(); }

 private:
  std::mt19937_64 rng_;
};

// ---- Objects, short
// --------------------------------------------------------------------------------------------

std::string Ip(absl::string_view text);  // 4 or 16 bytes
Id128 Uid(uint64_t n);
v1::Object ClusterObject(const std::string& name, uint32_t id, const std::vector<std::string>& pod_cidrs);
v1::Object NodeObject(const std::string& name, uint32_t number, const std::string& underlay,
                      const std::string& inner);
v1::Object NamespaceObject(const std::string& name);
// An identity of a pod with these labels in namespace "shop".
v1::Object IdentityObject(const std::string& cluster, uint32_t id,
                          const std::map<std::string, std::string>& labels);
v1::Object EndpointObject(uint64_t uid, uint32_t node, uint32_t identity, const std::string& ip);
// A NetworkPolicy of aws, from its manifest.
v1::Object PolicyObject(const std::string& manifest);
// Pods with app=`subject` in namespace shop are reached by nobody but app=`peer` of `cluster`, on that TCP
// port.
v1::Object AllowFrom(const std::string& name, const std::string& subject, const std::string& cluster,
                     const std::string& peer, int port);

struct WorldOptions {
  uint64_t seed = 1;
  size_t map_capacity = 1 << 20;
};

// The mesh: aws (1, the agent's own, node n1), gcp (2).
class AgentWorld {
 public:
  explicit AgentWorld(WorldOptions options = {});
  ~AgentWorld();

  // Starts an agent on the maps and files as they are.
  absl::Status Start();
  // As by SIGKILL: nothing is written any more.
  void Kill();
  // Takes every server away, or brings it back.
  void Disconnect(bool servers_too = true);
  void Connect();
  void Run(absl::Duration d) { executor.RunFor(d); }
  // Until the agent is in step with every control plane (at most a minute).
  void Settle();
  bool InStep() const;

  v1::AgentReply Call(v1::AgentRequest request, absl::Duration wait = absl::Seconds(12));
  // A veth, and the request that a CNI plugin would make.
  v1::AgentRequest AddRequest(uint64_t uid, const std::string& name, const std::string& app,
                              const std::string& ip);
  v1::AgentReply AddPod(uint64_t uid, const std::string& name, const std::string& app, const std::string& ip);
  v1::AgentReply DelPod(const std::string& name);
  v1::AgentStatusResult Status(bool audit = false);
  // Map differences found by the agent's own audit.
  std::vector<std::string> Audit();

  ManualClock clock;
  ManualExecutor executor{&clock};
  SeededRandom random;
  FakeBroker broker;
  FakeMapIo maps;
  FakeFiles files;
  FakeFileSync file_sync{&files};
  FakeDeviceIo devices;
  FakeControlPlane mesh;
  FakeControlPlane aws;
  FakeControlPlane gcp;
  AgentConfig config;
  std::unique_ptr<FakeBus> bus;
  std::unique_ptr<AgentApp> app;
};

}  // namespace trivium
