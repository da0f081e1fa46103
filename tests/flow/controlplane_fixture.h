// Whole control planes (controlplane/app.h) on fake drivers: one network, one database, one clock. For flow
// tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/app.h"
#include "controlplane/config.h"
#include "controlplane/writer/addresses.h"
#include "replica/replica.h"
#include "schema/subjects.h"
#include "tests/support/fake_bus.h"
#include "tests/support/fake_store.h"
#include "tests/support/manual_executor.h"

namespace trivium {

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override {  // splitmix64
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

class ControlPlaneTest : public testing::Test {
 protected:
  // One process. Destroying it is what SIGKILL is to a real one.
  struct Process {
    std::unique_ptr<FakeStore> store;
    std::unique_ptr<FakeBus> bus;
    std::unique_ptr<App> app;
    absl::Status started = absl::UnknownError("not yet");
  };

  static ControlPlaneConfig Config(const std::string& cluster, const std::string& instance) {
    ControlPlaneConfig config;
    config.instance = instance;
    config.clusters = {Cluster(cluster)};
    return config;
  }
  static ServedCluster Cluster(const std::string& name) {
    if (name == "aws") return ServedCluster{name, 1, "eu-west-2", 1, 0, {*ParseCidr("10.1.0.0/16")}};
    return ServedCluster{name, 2, "europe-west2", 2, 0, {*ParseCidr("10.2.0.0/16")}};
  }

  ControlPlaneTest()
      : executor_(&clock_),
        random_(42),
        broker_(&executor_, &random_),
        database_(std::make_shared<FakeDatabase>()) {}

  std::unique_ptr<Process> Launch(const ControlPlaneConfig& config) {
    auto process = std::make_unique<Process>();
    process->store = std::make_unique<FakeStore>(database_, &clock_);
    process->store->SetDelay(absl::Milliseconds(1));
    process->bus = broker_.Connect(config.Principal() + "#" + std::to_string(++launched_),
                                   config.clusters.front().region);
    process->app = std::make_unique<App>(
        config, App::Drivers{process->store.get(), process->bus.get(), &executor_, &clock_, &random_});
    process->app->Start([p = process.get()](const absl::Status& status) { p->started = status; });
    return process;
  }
  std::unique_ptr<Process> Start(const std::string& cluster, const std::string& instance) {
    std::unique_ptr<Process> process = Launch(Config(cluster, instance));
    Run(absl::Seconds(1));
    EXPECT_TRUE(process->started.ok()) << process->started;
    return process;
  }
  static void Kill(std::unique_ptr<Process>* process) {
    (*process)->app.reset();
    (*process)->bus.reset();
    (*process)->store.reset();
    process->reset();
  }

  void Run(absl::Duration d = absl::Milliseconds(100)) { executor_.RunFor(d); }

  // One question to whoever serves the subject; what came back, after letting time pass for it.
  absl::StatusOr<std::string> Ask(const std::string& subject, const std::string& payload,
                                  absl::Duration patience = absl::Seconds(1)) {
    if (client_ == nullptr) client_ = broker_.Connect("client");
    auto answer = std::make_shared<absl::StatusOr<std::string>>(absl::UnknownError("no answer"));
    client_->Request(subject, payload, patience, &executor_,
                     [answer](absl::StatusOr<std::string> reply) { *answer = std::move(reply); });
    Run(patience + absl::Milliseconds(10));
    return *answer;
  }
  v1::Reply Call(v1::Request request, const std::string& verb, const std::string& principal = "aws:ctl:alice",
                 absl::Duration patience = absl::Seconds(1)) {
    if (request.request_id().empty()) request.set_request_id(random_.NewId().ToBytes());
    request.set_source("test/1");
    const std::string cluster = principal.substr(0, principal.find(':'));
    const absl::StatusOr<std::string> answer =
        Ask(subjects::Api(cluster, principal, verb), request.SerializeAsString(), patience);
    v1::Reply reply;
    if (!answer.ok() || !reply.ParseFromString(*answer)) {
      ADD_FAILURE() << "no reply: " << answer.status();
      reply.set_code(2);
    }
    return reply;
  }

  v1::Reply Apply(const std::string& yaml, const std::string& principal = "aws:ctl:alice") {
    v1::Request request;
    request.mutable_apply()->add_manifests()->set_text(yaml);
    return Call(std::move(request), "apply", principal);
  }
  static std::string NamespaceYaml(const std::string& name) {
    return "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n";
  }
  static std::string PolicyYaml(const std::string& ns, const std::string& name) {
    return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: " + name +
           ", namespace: " + ns + "}\nspec: {podSelector: {}}\n";
  }
  v1::Reply RegisterNode(const std::string& node, const std::string& address,
                         const std::string& cluster = "aws") {
    v1::Request request;
    v1::Node* n = request.mutable_register_node()->mutable_node();
    n->set_name(node);
    n->set_boot_id("boot");
    n->add_addresses(*ParseAddress(address));
    return Call(std::move(request), "register-node", cluster + ":node:" + node);
  }
  v1::Reply AddEndpoint(uint64_t uid, const std::string& node, const std::string& ip, const std::string& app,
                        const std::string& cluster = "aws") {
    v1::Request request;
    v1::AddEndpointRequest* add = request.mutable_add_endpoint();
    add->set_uid(Id128{9, uid}.ToBytes());
    add->set_namespace_("default");
    add->set_name("pod-" + std::to_string(uid));
    add->set_node(node);
    (*add->mutable_labels())["app"] = app;
    add->add_ips(*ParseAddress(ip));
    return Call(std::move(request), "add-endpoint", cluster + ":node:" + node);
  }
  v1::Reply Get(const std::string& kind, const std::string& name = "", const std::string& ns = "",
                const std::string& cluster = "") {
    v1::Request request;
    request.mutable_get()->set_kind(kind);
    request.mutable_get()->set_name(name);
    request.mutable_get()->set_namespace_(ns);
    request.mutable_get()->set_cluster(cluster);
    return Call(std::move(request), "get");
  }

  v1::SyncReply Sync(const std::string& cluster, const v1::Head& have, uint32_t max_bytes = 0) {
    v1::SyncRequest request;
    request.set_reader_version(kWireVersion);
    *request.mutable_have() = have;
    request.set_max_bytes(max_bytes);
    const absl::StatusOr<std::string> answer =
        Ask(subjects::Sync(cluster, "aws:node:n1"), request.SerializeAsString(), absl::Milliseconds(100));
    v1::SyncReply reply;
    EXPECT_TRUE(answer.ok() && reply.ParseFromString(*answer)) << answer.status();
    return reply;
  }
  v1::ChunkReply Chunk(const v1::SnapshotOpen& open, uint32_t index) {
    v1::ChunkRequest request;
    request.set_snapshot_id(open.snapshot_id());
    request.set_index(index);
    const absl::StatusOr<std::string> answer = Ask(subjects::Chunk(open.builder(), "aws:node:n1"),
                                                   request.SerializeAsString(), absl::Milliseconds(100));
    v1::ChunkReply reply;
    EXPECT_TRUE(answer.ok() && reply.ParseFromString(*answer)) << answer.status();
    return reply;
  }

  FakeDatabase::ClusterRows Rows(uint32_t id = 1) { return database_->Look(ClusterRef{"", id, id}); }

  ManualClock clock_;
  ManualExecutor executor_;
  SeededRandom random_;
  FakeBroker broker_;
  std::shared_ptr<FakeDatabase> database_;
  std::unique_ptr<FakeBus> client_;
  int launched_ = 0;
};

}  // namespace trivium
