// trivium-bench-mesh: the product's control plane (controlplane/app.h) over real NATS, on a store in memory
// that was filled with a made-up mesh. Driven by lines on standard input, each answered by one line:
//   heads               every cluster's id, epoch and revision
//   churn CHANGES N B   that many endpoint changes, spread over the first N clusters after its own, in
//                       batches of B; committed, mirrored and published
//   counters            what the sync server has answered
#include <pthread.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/log.h"
#include "base/status.h"
#include "bench/bulk/synthetic.h"
#include "bus/nats_bus.h"
#include "controlplane/app.h"
#include "schema/subjects.h"

namespace trivium::bench {
namespace {

struct Server {
  SyntheticOptions options;
  LoopExecutor executor{"controlplane"};
  std::unique_ptr<NatsBus> bus;
  std::unique_ptr<FakeStore> store;
  std::unique_ptr<App> app;
  uint32_t next_change = 0;

  absl::Status Start(const std::string& nats) {
    ControlPlaneConfig config;
    config.instance = "bench-cp";
    config.clusters = {{ClusterName(1), 1, kRegion, kHome, 0, {PodCidr(options, 1)}}};
    NatsOptions nats_options;
    nats_options.servers = {nats};
    nats_options.principal = config.Principal();
    TRIVIUM_ASSIGN_OR_RETURN(bus, NatsBus::Create(nats_options));
    auto database = std::make_shared<FakeDatabase>();
    database->Restore(MakeRows(options));
    absl::Notification started;
    absl::Status status;
    executor.RunAndWait([&] {
      store = std::make_unique<FakeStore>(database, RealClock());
      app = std::make_unique<App>(config,
                                  App::Drivers{store.get(), bus.get(), &executor, RealClock(), RealRandom()});
      app->Start([&](const absl::Status& s) {
        status = s;
        started.Notify();
      });
    });
    started.WaitForNotification();
    return status;
  }

  bool Loaded() {
    bool loaded = true;
    executor.RunAndWait([&] {
      for (const auto& [name, entry] : app->mirrors()->all()) loaded &= entry->mirror->loaded();
      loaded &= app->mirrors()->all().size() == options.clusters + 1;
    });
    return loaded;
  }

  std::string Heads() {
    std::string line;
    executor.RunAndWait([&] {
      for (const auto& [name, entry] : app->mirrors()->all()) {
        const Position& at = entry->mirror->position();
        absl::StrAppend(&line, entry->mirror->ref().name, " ", at.epoch, " ", at.revision, " ");
      }
    });
    return line;
  }

  std::string Counters() {
    std::string line;
    executor.RunAndWait([&] {
      const SyncServer::Counters& counters = app->sync()->counters();
      line = absl::StrCat("deltas ", counters.deltas, " deltas_from_sql ", counters.deltas_from_sql,
                          " snapshots ", counters.snapshots, " chunks ", counters.chunks);
    });
    return line;
  }

  // One batch of endpoint changes into one cluster, as another region's control plane would commit it.
  absl::Status Commit(uint32_t cluster, uint32_t changes) {
    Mirrors::Entry* entry = app->mirrors()->Find(ClusterName(cluster));
    const Mirror& mirror = entry->mirror->mirror();
    const Position& at = entry->mirror->position();
    Digest digest(mirror.digest());
    v1::Changes encoded;
    for (uint32_t i = 0; i < changes; ++i) {
      const uint32_t index = next_change++ % options.endpoints;
      v1::Object object = SyntheticEndpoint(options, cluster, index);
      object.mutable_endpoint()->set_node(1 + next_change % options.nodes);
      const ObjectKey key = KeyOf(object);
      const Id128 hash = KeyHash(key.kind, key.key);
      if (const Mirror::Stored* stored = mirror.FindStored(key.kind, key.key)) {
        digest.Remove(hash, stored->revision);
      }
      digest.Add(hash, at.revision + 1);
      v1::Change* change = encoded.add_changes();
      *change->mutable_object() = std::move(object);
      change->set_actor(absl::StrCat(ClusterName(cluster), ":node:ip-10-0-0-1"));
      change->set_source("trivium-agent/0.1");
      change->set_request_id(RealRandom()->NewId().ToBytes());
      change->set_time_us(absl::ToUnixMicros(RealClock()->Now()));
    }
    CommitRequest request;
    request.cluster = entry->mirror->ref();
    request.expected = {at.epoch, at.revision, {}, at.batch, mirror.digest(), 0};
    TRIVIUM_ASSIGN_OR_RETURN(request.batch, EncodeBatch(request.cluster.name, at.epoch, at.revision + 1,
                                                        at.batch, digest.value(), std::move(encoded)));
    const Batch batch = request.batch;
    store->Commit(std::make_shared<const CommitRequest>(std::move(request)), &executor,
                  [](const absl::Status& status) {
                    if (!status.ok()) std::cerr << "commit: " << status << "\n";
                  });
    entry->follower->OnBatch(batch);
    return bus->Publish(subjects::Feed(batch.cluster), batch.envelope);
  }

  std::string Churn(uint32_t changes, uint32_t clusters, uint32_t per_batch) {
    absl::Status status;
    for (uint32_t done = 0, c = 0; done < changes && status.ok(); done += per_batch, c = (c + 1) % clusters) {
      executor.RunAndWait([&] { status = Commit(2 + c, per_batch); });
    }
    executor.RunAndWait([] {});
    return status.ok() ? "done" : std::string(status.message());
  }
};

int Main(int argc, char** argv) {
  CLI::App cli("trivium-bench-mesh: a control plane on a made-up mesh in memory", "trivium-bench-mesh");
  Server server;
  std::string nats, level = "warn";
  cli.add_option("--nats", nats, "URL of the NATS server")->required();
  cli.add_option("--clusters", server.options.clusters, "how many");
  cli.add_option("--endpoints", server.options.endpoints, "of each cluster");
  cli.add_option("--identities", server.options.identities, "of each cluster");
  cli.add_option("--nodes", server.options.nodes, "of each cluster");
  cli.add_option("--log-level", level, "of the control plane");
  CLI11_PARSE(cli, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  absl::Status status = InitLogging("bench-mesh", level);
  if (status.ok()) status = server.Start(nats);
  if (!status.ok()) {
    std::cerr << "trivium-bench-mesh: " << status << "\n";
    return 1;
  }
  while (!server.Loaded()) absl::SleepFor(absl::Milliseconds(20));
  std::cout << "ready" << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string verb;
    uint32_t changes = 0, clusters = 0, per_batch = 0;
    words >> verb >> changes >> clusters >> per_batch;
    if (verb == "heads") {
      std::cout << server.Heads() << std::endl;
    } else if (verb == "counters") {
      std::cout << server.Counters() << std::endl;
    } else if (verb == "churn" && changes > 0 && clusters > 0 && clusters < server.options.clusters &&
               per_batch > 0) {
      std::cout << server.Churn(changes, clusters, per_batch) << std::endl;
    } else {
      std::cout << "unknown: " << line << std::endl;
    }
  }
  server.executor.RunAndWait([&] {
    server.app.reset();
    server.store.reset();
  });
  return 0;
}

}  // namespace
}  // namespace trivium::bench

int main(int argc, char** argv) { return trivium::bench::Main(argc, argv); }
