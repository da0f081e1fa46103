// trivium-agent: the process on each node that brings the cluster's state into the node's eBPF maps. It may
// die, be restarted or upgraded at any moment: maps and programs are pinned or attached, and stay.

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <memory>
#include <string>

#include "absl/strings/strip.h"
#include "base/clock.h"
#include "base/daemon.h"
#include "base/executor.h"
#include "base/exit_process.h"
#include "base/files.h"
#include "base/log.h"
#include "base/random.h"
#include "base/status.h"
#include "bus/nats_bus.h"
#include "metrics/exporter.h"
#include "metrics/nats_metrics.h"
#include "nodeagent/app.h"
#include "nodeagent/config.h"
#include "nodeagent/endpoint/socket_server.h"
#include "nodeagent/housekeeping.h"
#include "nodeagent/kernel/cleanup.h"
#include "nodeagent/kernel/datapath.h"
#include "nodeagent/kernel/kernel_device_io.h"
#include "nodeagent/kernel/kernel_map_io.h"
#include "nodeagent/kernel/overlay_device.h"
#include "nodeagent/report/agent_metrics.h"

namespace trivium {
namespace {

constexpr char kVersion[] = "0.1";

absl::StatusOr<AgentConfig> ReadConfig(const std::string& path) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string text, RealFiles()->Read(path));
  return AgentConfig::Parse(text, path);
}

bool HasFamily(const std::vector<std::string>& ips, size_t size) {
  return std::any_of(ips.begin(), ips.end(), [size](const std::string& ip) { return ip.size() == size; });
}

OverlayOptions OverlayOf(const AgentConfig& config) {
  OverlayOptions overlay;
  overlay.device = config.overlay_device;
  overlay.port = static_cast<uint16_t>(config.overlay_port);
  return overlay;
}

absl::StatusOr<std::unique_ptr<Datapath>> LoadDatapath(const AgentConfig& config) {
  DatapathOptions options;
  options.pin_root = config.pin_root;
  options.address_space = config.address_space;
  TRIVIUM_ASSIGN_OR_RETURN(options.overlay_ifindex, EnsureOverlayDevice(OverlayOf(config)));
  options.underlay_ipv4 = HasFamily(config.underlay_addresses, 4);
  options.underlay_ipv6 = HasFamily(config.underlay_addresses, 16);
  options.sizes.ipcache = config.maps.ipcache;
  options.sizes.policy_class = config.maps.policy;
  options.sizes.policy_verdict = config.maps.policy;
  options.sizes.conntrack = config.maps.conntrack;
  return Datapath::Load(options);
}

absl::StatusOr<std::unique_ptr<KernelDeviceIo>> OpenDevices(const AgentConfig& config,
                                                            const Datapath* datapath) {
  KernelDeviceOptions options;
  options.overlay = OverlayOf(config);
  options.uplink = config.underlay_device;
  options.inner_addresses = config.inner_addresses;
  options.underlay_ipv6 = HasFamily(config.underlay_addresses, 16);
  return KernelDeviceIo::Create(datapath, options);
}

absl::StatusOr<std::unique_ptr<NatsBus>> Connect(const AgentConfig& config) {
  NatsOptions options;
  options.servers = config.nats.servers;
  options.ca = config.nats.ca;
  options.cert = config.nats.cert;
  options.key = config.nats.key;
  options.principal = config.Principal();
  return NatsBus::Create(std::move(options));
}

absl::StatusOr<std::string> BootId() {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string text, RealFiles()->Read("/proc/sys/kernel/random/boot_id"));
  return std::string(absl::StripTrailingAsciiWhitespace(text));
}

// Everything of one run. Members live on `executor` apart from the drivers, and die in reverse order there.
struct Agent {
  std::unique_ptr<Datapath> datapath;
  std::unique_ptr<KernelMapIo> maps;
  std::unique_ptr<KernelDeviceIo> devices;
  std::unique_ptr<AgentApp> app;
  std::unique_ptr<Housekeeping> housekeeping;
  std::unique_ptr<MetricsExporter> metrics;
};

void ShowMetrics(const AgentConfig& config, Executor* executor, const NatsBus* bus, Agent* agent) {
  MetricsExporter::Options options;
  options.listen = config.metrics;
  options.component = "agent";
  options.version = kVersion;
  agent->metrics = std::make_unique<MetricsExporter>(
      options, executor, RealClock(), RealFiles(), [agent, bus](MetricsPage* page, NotReady* not_ready) {
        *not_ready = agent->app->NotReady();
        CollectAgent(*agent->app, agent->housekeeping->EventsLost(), page);
        CollectNats(bus->counters(), agent->app->inbox().connected(), page);
      });
}

absl::Status StartAgent(const AgentConfig& config, Executor* executor, FileSync* file_sync, NatsBus* bus,
                        Agent* agent) {
  TRIVIUM_ASSIGN_OR_RETURN(agent->datapath, LoadDatapath(config));
  agent->maps = std::make_unique<KernelMapIo>(agent->datapath.get());
  TRIVIUM_ASSIGN_OR_RETURN(agent->devices, OpenDevices(config, agent->datapath.get()));
  AgentApp::Deps deps;
  deps.executor = executor;
  deps.clock = RealClock();
  deps.random = RealRandom();
  deps.files = RealFiles();
  deps.file_sync = file_sync;
  deps.bus = bus;
  deps.maps = agent->maps.get();
  deps.devices = agent->devices.get();
  TRIVIUM_ASSIGN_OR_RETURN(deps.boot_id, BootId());
  deps.drops = [agent] {
    return agent->housekeeping == nullptr ? std::vector<v1::DropCount>() : agent->housekeeping->Drops();
  };
  deps.audited = [agent] { return agent->housekeeping == nullptr ? 0 : agent->housekeeping->Audited(); };
  deps.events_lost = [agent] {
    return agent->housekeeping == nullptr ? 0 : agent->housekeeping->EventsLost();
  };
  agent->app = std::make_unique<AgentApp>(config, std::move(deps));
  TRIVIUM_RETURN_IF_ERROR(agent->app->Start());
  TRIVIUM_ASSIGN_OR_RETURN(
      agent->housekeeping,
      Housekeeping::Start(agent->datapath.get(), executor, RealClock(),
                          [agent](const flow_event& event) { agent->app->OnFlow(event); }));
  ShowMetrics(config, executor, bus, agent);
  return absl::OkStatus();
}

void StopAgent(Agent* agent) {
  agent->metrics.reset();
  agent->housekeeping.reset();
  agent->app.reset();
  agent->devices.reset();
  agent->maps.reset();
  agent->datapath.reset();
}

absl::Status Serve(const AgentConfig& config, const sigset_t& signals) {
  LoopExecutor executor("agent");
  ThreadFileSync file_sync(RealFiles());
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<NatsBus> bus, Connect(config));
  Agent agent;
  // The socket first: it tells whether another agent runs here.
  TRIVIUM_ASSIGN_OR_RETURN(
      std::unique_ptr<SocketServer> server,
      SocketServer::Listen(config.socket, &executor,
                           [&agent](v1::AgentRequest request, SocketServer::Reply reply) {
                             if (agent.app == nullptr) {
                               v1::AgentReply starting;
                               starting.set_code(static_cast<uint32_t>(absl::StatusCode::kUnavailable));
                               starting.set_message("the agent is starting: ask again");
                               return reply(std::move(starting));
                             }
                             agent.app->Handle(request, std::move(reply));
                           }));
  absl::Status status;
  executor.RunAndWait([&] { status = StartAgent(config, &executor, &file_sync, bus.get(), &agent); });
  if (status.ok()) {
    spdlog::info("ready cluster={} node={} socket={}", config.cluster, config.node, config.socket);
    int signal = 0;
    sigwait(&signals, &signal);
    spdlog::info("leaving, maps and programs stay signal={}", signal);
  }
  server.reset();
  executor.RunAndWait([&] { StopAgent(&agent); });
  return status;
}

// Nothing of this agent is left afterwards: neither in the kernel nor on the disk.
absl::Status Cleanup(const AgentConfig& config) {
  CleanupOptions options;
  options.pin_root = config.pin_root;
  options.overlay_device = config.overlay_device;
  absl::Status status = RemoveFromKernel(options);
  Files* const files = RealFiles();
  status.Update(files->Remove(config.state_dir + "/endpoints"));
  const std::string copies = config.state_dir + "/mirror";
  const absl::StatusOr<std::vector<std::string>> names = files->List(copies);
  status.Update(names.status());
  if (names.ok()) {
    for (const std::string& name : *names) status.Update(files->Remove(copies + "/" + name));
  }
  return status;
}

// What the agent holds comes and goes in large pieces (a snapshot, a table that doubles): given back to the
// machine at once, and not kept in an arena for each thread that once handed some of it on.
void KeepMemorySmall() {
  mallopt(M_ARENA_MAX, 2);
  mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
}

int Main(int argc, char** argv) {
  KeepMemorySmall();
  AgentConfig config;
  bool cleanup = false;
  Daemon daemon;
  daemon.name = "trivium-agent";
  daemon.does = "brings the state of a Trivium mesh into this node's eBPF maps";
  daemon.page = "docs/configuration.md";
  daemon.version = kVersion;
  daemon.add_options = [&cleanup](CLI::App* cli) {
    cli->add_flag("--cleanup", cleanup,
                  "removes all that an agent with this configuration left on the node, and ends: pods lose "
                  "their network");
  };
  daemon.configure = [&config](const std::string& path) -> absl::Status {
    TRIVIUM_ASSIGN_OR_RETURN(config, ReadConfig(path));
    return InitLogging(config.cluster + "/" + config.node, config.log_level, config.log_format);
  };
  daemon.serve = [&config, &cleanup](const sigset_t& signals) {
    // Blocked before any thread is made, so that sigwait alone sees them.
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return cleanup ? Cleanup(config) : Serve(config, signals);
  };
  return RunDaemon(daemon, argc, argv);
}

}  // namespace
}  // namespace trivium

int main(int argc, char** argv) { trivium::ExitProcess(trivium::Main(argc, argv)); }
