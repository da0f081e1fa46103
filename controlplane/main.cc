// trivium-controlplane: the process that commits, publishes and answers for one cluster.

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <string>

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
#include "controlplane/app.h"
#include "controlplane/config.h"
#include "controlplane/config_parts.h"
#include "controlplane/db/server_options.h"
#include "controlplane/metrics.h"
#include "controlplane/migrate/migrations.h"
#include "controlplane/migrate/migrator.h"
#include "controlplane/store/sql_store.h"
#include "controlplane/version.h"
#include "metrics/exporter.h"
#include "metrics/nats_metrics.h"

namespace trivium {
namespace {

// How long a leaving process finishes what it has taken.
constexpr absl::Duration kDrainTime = absl::Seconds(15);

absl::StatusOr<SqlServerOptions> SqlOptions(const ControlPlaneConfig& config) {
  return SqlOptionsOf(
      {config.sql, config.sql_far_hosts, config.sql_regions, config.sql_database, config.sql_user},
      "trivium-controlplane/" + config.instance);
}

NatsOptions BusOptions(const ControlPlaneConfig& config) {
  NatsOptions options;
  options.servers = config.nats.servers;
  options.ca = config.nats.ca;
  options.cert = config.nats.cert;
  options.key = config.nats.key;
  options.principal = config.Principal();
  return options;
}

absl::StatusOr<ControlPlaneConfig> ReadConfig(const std::string& path) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string text, RealFiles()->Read(path));
  TRIVIUM_ASSIGN_OR_RETURN(ControlPlaneConfig config, ControlPlaneConfig::Parse(text, path));
  TRIVIUM_RETURN_IF_ERROR(Annotate(SqlOptions(config).status(), path + ": sql.hosts"));
  return config;
}

// Waits for SIGTERM or SIGINT, which every thread has blocked.
void AwaitEnd(const sigset_t& signals) {
  int signal = 0;
  sigwait(&signals, &signal);
  spdlog::info("leaving signal={}", signal);
}

std::unique_ptr<MetricsExporter> ShowMetrics(const ControlPlaneConfig& config, Executor* executor, App* app,
                                             const SqlStore* store, const NatsBus* bus) {
  MetricsExporter::Options options;
  options.listen = config.metrics;
  options.component = "controlplane";
  options.version = kVersion;
  return std::make_unique<MetricsExporter>(
      options, executor, RealClock(), RealFiles(), [app, store, bus](MetricsPage* page, NotReady* not_ready) {
        *not_ready = app->NotReady();
        CollectControlPlane(app, absl::ToUnixMillis(RealClock()->Now()), page);
        CollectSql(store->counters(), page);
        CollectNats(bus->counters(), app->connected(), page);
      });
}

absl::Status Serve(const ControlPlaneConfig& config, const sigset_t& signals) {
  TRIVIUM_ASSIGN_OR_RETURN(const SqlServerOptions server, SqlOptions(config));
  MigrateOptions migrate;
  migrate.server = server;
  migrate.holder = config.instance;
  migrate.regions = config.sql_regions;
  TRIVIUM_RETURN_IF_ERROR(
      Annotate(Migrate(migrate, MigrationFiles(), RealRandom()), "migrating the database"));

  SqlStore::Options store_options;
  store_options.pool.server = server;
  store_options.pool.on_connect = [regions = config.sql_regions](Connection& connection) {
    return CheckSchema(connection, MigrationFiles(), regions);
  };
  // The writer repeats what found no server, and its callers wait for seconds, not for half a minute.
  store_options.deadline = absl::Seconds(2);
  store_options.heads_deadline = absl::Milliseconds(config.beacon_ms);

  // From here on SIGTERM drains; threads made below inherit that.
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  LoopExecutor executor("controlplane");
  TRIVIUM_ASSIGN_OR_RETURN(std::unique_ptr<NatsBus> bus, NatsBus::Create(BusOptions(config)));
  std::unique_ptr<SqlStore> store;
  std::unique_ptr<App> app;
  std::unique_ptr<MetricsExporter> metrics;
  absl::Status failure;
  std::atomic<bool> failed = false;
  executor.RunAndWait([&] {
    store = std::make_unique<SqlStore>(store_options, RealRandom());
    app = std::make_unique<App>(config,
                                App::Drivers{store.get(), bus.get(), &executor, RealClock(), RealRandom()});
    metrics = ShowMetrics(config, &executor, app.get(), store.get(), bus.get());
    app->Start([&](const absl::Status& status) {
      if (status.ok()) return;
      failure = status;
      failed = true;
      kill(getpid(), SIGTERM);  // wakes the main thread
    });
  });
  AwaitEnd(signals);
  if (!failed) {
    absl::Notification drained;
    executor.RunAndWait([&] { app->Drain([&drained] { drained.Notify(); }); });
    if (!drained.WaitForNotificationWithTimeout(kDrainTime)) {
      spdlog::warn("leaving with unfinished requests, the database does not answer");
    }
  }
  executor.RunAndWait([&] {
    metrics.reset();
    app.reset();
    store.reset();
  });
  bus.reset();
  return failed ? failure : absl::OkStatus();
}

int Main(int argc, char** argv) {
  ControlPlaneConfig config;
  Daemon daemon;
  daemon.name = "trivium-controlplane";
  daemon.does = "commits, publishes and answers for one cluster of a Trivium mesh";
  daemon.page = "docs/configuration.md";
  daemon.version = kVersion;
  daemon.configure = [&config](const std::string& path) -> absl::Status {
    TRIVIUM_ASSIGN_OR_RETURN(config, ReadConfig(path));
    return InitLogging(config.instance, config.log_level, config.log_format);
  };
  // While the database is migrated a signal ends the process at once: every step of it may be repeated.
  daemon.serve = [&config](const sigset_t& signals) { return Serve(config, signals); };
  return RunDaemon(daemon, argc, argv);
}

}  // namespace
}  // namespace trivium

int main(int argc, char** argv) { trivium::ExitProcess(trivium::Main(argc, argv)); }
