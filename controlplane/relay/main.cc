// trivium-relay: publishes the changes of clusters as events for third parties (docs/events.md). A process of
// its own, with servers of its own: whatever becomes of it or of them, no agent and no control plane notices.

#include <spdlog/spdlog.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/executor.h"
#include "base/exit_process.h"
#include "base/files.h"
#include "base/log.h"
#include "base/random.h"
#include "base/status.h"
#include "bus/nats_bus.h"
#include "bus/nats_event_stream.h"
#include "controlplane/migrate/migrations.h"
#include "controlplane/migrate/migrator.h"
#include "controlplane/relay/cluster_relay.h"
#include "controlplane/relay/config.h"
#include "controlplane/relay/metrics.h"
#include "controlplane/store/sql_store.h"
#include "controlplane/version.h"
#include "metrics/exporter.h"
#include "metrics/nats_metrics.h"

namespace trivium {
namespace {

// How long a leaving process waits for what is under way.
constexpr absl::Duration kDrainTime = absl::Seconds(10);

// Everything between the drivers; belongs to the executor.
class Relay {
 public:
  Relay(const RelayConfig& config, const SqlServerOptions& server, NatsBus* bus, Executor* executor)
      : store_(StoreOptions(config, server), RealRandom()), stream_(bus, executor) {
    for (const ClusterRef& cluster : config.clusters) {
      ClusterRelay::Options options;
      options.stream = config.Stream();
      options.consumers = config.ConsumersOf(cluster.name);
      options.poll_every = absl::Milliseconds(config.poll_ms);
      clusters_.push_back(std::make_unique<ClusterRelay>(
          cluster, ClusterRelay::Drivers{&store_, &store_, &stream_, executor, RealClock(), RealRandom()},
          std::move(options)));
      clusters_.back()->Start();
    }
    bus->WatchState(executor, [this, alive = alive_.Watch()](Bus::State state) {
      if (!alive.expired()) connected_ = state == Bus::State::kConnected;
    });
    MetricsExporter::Options options;
    options.listen = config.metrics;
    options.component = "relay";
    options.version = kVersion;
    exporter_ = std::make_unique<MetricsExporter>(
        options, executor, RealClock(), RealFiles(),
        [this, bus](MetricsPage* page, NotReady* not_ready) { Show(*bus, page, not_ready); });
  }

  void Drain(absl::Notification* drained) {
    auto open = std::make_shared<size_t>(clusters_.size());
    for (const auto& cluster : clusters_) {
      cluster->Drain([open, drained] {
        if (--*open == 0) drained->Notify();
      });
    }
  }

 private:
  static SqlStore::Options StoreOptions(const RelayConfig& config, const SqlServerOptions& server) {
    SqlStore::Options options;
    options.pool.server = server;
    options.pool.threads = 2;
    // The control planes migrate; until they have, this waits.
    options.pool.on_connect = [regions = config.sql.regions](Connection& connection) {
      return CheckSchema(connection, MigrationFiles(), regions);
    };
    options.deadline = absl::Seconds(5);
    return options;
  }

  void Show(const NatsBus& bus, MetricsPage* page, NotReady* not_ready) {
    if (!connected_) not_ready->push_back("NATS: not connected");
    for (const auto& cluster : clusters_) {
      if (!cluster->problem().empty()) {
        not_ready->push_back(absl::StrCat("cluster ", cluster->cluster(), ": ", cluster->problem()));
      }
      CollectRelay(*cluster, page);
    }
    CollectNats(bus.counters(), connected_, page);
  }

  SqlStore store_;
  NatsEventStream stream_;
  std::vector<std::unique_ptr<ClusterRelay>> clusters_;
  bool connected_ = false;
  std::unique_ptr<MetricsExporter> exporter_;
  Alive alive_;
};

absl::StatusOr<SqlServerOptions> SqlOptions(const RelayConfig& config) {
  return SqlOptionsOf(config.sql, "trivium-relay/" + config.instance);
}

absl::StatusOr<RelayConfig> ReadConfig(const std::string& path) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string text, RealFiles()->Read(path));
  TRIVIUM_ASSIGN_OR_RETURN(RelayConfig config, RelayConfig::Parse(text, path));
  TRIVIUM_RETURN_IF_ERROR(Annotate(SqlOptions(config).status(), path + ": sql.hosts"));
  return config;
}

absl::Status Serve(const RelayConfig& config, const sigset_t& signals) {
  TRIVIUM_ASSIGN_OR_RETURN(const SqlServerOptions server, SqlOptions(config));
  NatsOptions nats;
  nats.servers = config.nats.servers;
  nats.ca = config.nats.ca;
  nats.cert = config.nats.cert;
  nats.key = config.nats.key;
  nats.principal = config.Principal();
  // From here on SIGTERM drains; threads made below inherit that.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  LoopExecutor executor("relay");
  TRIVIUM_ASSIGN_OR_RETURN(std::unique_ptr<NatsBus> bus, NatsBus::Create(std::move(nats)));
  std::unique_ptr<Relay> relay;
  executor.RunAndWait([&] { relay = std::make_unique<Relay>(config, server, bus.get(), &executor); });
  spdlog::info("relaying instance={} clusters={}", config.instance, config.clusters.size());
  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("leaving signal={}", signal);
  absl::Notification drained;
  executor.RunAndWait([&] { relay->Drain(&drained); });
  if (!drained.WaitForNotificationWithTimeout(kDrainTime)) {
    spdlog::warn("leaving before all that was under way was acknowledged");
  }
  executor.RunAndWait([&] { relay.reset(); });
  bus.reset();
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  RelayConfig config;
  Daemon daemon;
  daemon.name = "trivium-relay";
  daemon.does = "publishes the changes of clusters as events for third parties";
  daemon.page = "docs/events.md";
  daemon.version = kVersion;
  daemon.configure = [&config](const std::string& path) -> absl::Status {
    TRIVIUM_ASSIGN_OR_RETURN(config, ReadConfig(path));
    return InitLogging(config.instance, config.log_level, config.log_format);
  };
  daemon.serve = [&config](const sigset_t& signals) { return Serve(config, signals); };
  return RunDaemon(daemon, argc, argv);
}

}  // namespace
}  // namespace trivium

int main(int argc, char** argv) { trivium::ExitProcess(trivium::Main(argc, argv)); }
