// trivium-bulk: what a node's agent needs to hold a large mesh, in time (bootstrap) and memory (memory). The
// product's agent process, with real kernel maps, is served by the product's control plane over a real NATS
// server; only the database behind that is made up (bench/bulk/synthetic.h). Needs root. Prints a line a
// measurement, and with --json writes them to a file.
#include <signal.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/log.h"
#include "base/status.h"
#include "bench/bulk/herd.h"
#include "bench/bulk/world.h"

namespace trivium::bench {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(120);
constexpr double kMiB = 1024.0 * 1024.0;

class Report {
 public:
  void Row(nlohmann::json row) {
    std::cout << row.dump() << std::endl;
    rows_.push_back(std::move(row));
  }
  absl::Status Write(const std::string& path) const {
    if (path.empty()) return absl::OkStatus();
    std::ofstream file(path);
    file << rows_.dump(1) << "\n";
    return file.good() ? absl::OkStatus() : absl::UnavailableError("cannot write " + path);
  }

 private:
  nlohmann::json rows_ = nlohmann::json::array();
};

nlohmann::json TimeRow(const std::string& name, const BulkWorld& world, absl::Duration took, double cpu_agent,
                       double cpu_server) {
  return {{"name", name},
          {"seconds", absl::ToDoubleSeconds(took)},
          {"cpu_s_agent", CpuSeconds(world.agent().pid()) - cpu_agent},
          {"cpu_s_server", CpuSeconds(world.server().pid()) - cpu_server},
          {"rss_mib_agent", ResidentBytes(world.agent().pid()) / kMiB},
          {"peak_mib_agent", ResidentBytes(world.agent().pid(), true) / kMiB}};
}

absl::Status CheckMaps(BulkWorld* world) {
  TRIVIUM_ASSIGN_OR_RETURN(const v1::AgentStatusResult status, world->AgentStatus(true));
  if (status.audit_size() == 0) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the maps are not what they should be: ", status.audit(0)));
}

// From the start of the agent's process.
absl::Status MeasureStart(BulkWorld* world, const std::string& name, Report* report) {
  const double server = CpuSeconds(world->server().pid());
  const absl::Time start = absl::Now();
  TRIVIUM_RETURN_IF_ERROR(world->StartAgent());
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration took, world->WaitUntilCurrent(start, kLimit));
  report->Row(TimeRow(name, *world, took, 0, server));
  return CheckMaps(world);
}

absl::Status MeasureCut(BulkWorld* world, const std::string& name, const std::string& churn, Report* report) {
  world->CutOff(true);
  TRIVIUM_ASSIGN_OR_RETURN(const std::string done, world->Ask(churn));
  if (done != "done") return absl::InternalError(done);
  const double agent = CpuSeconds(world->agent().pid()), server = CpuSeconds(world->server().pid());
  const absl::Time start = absl::Now();
  world->CutOff(false);
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration took, world->WaitUntilCurrent(start, kLimit));
  report->Row(TimeRow(name, *world, took, agent, server));
  return CheckMaps(world);
}

struct BootstrapOptions {
  SyntheticOptions mesh;
  int rounds = 3;
  HerdOptions herd;
};

absl::Status Bootstrap(const std::string& build, const std::string& program, BootstrapOptions options,
                       Report* report) {
  options.herd.clusters = options.mesh.clusters;
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<BulkWorld> world, BulkWorld::Start(build, options.mesh));
  for (int round = 0; round < options.rounds; ++round) {
    TRIVIUM_RETURN_IF_ERROR(MeasureStart(world.get(), "cold start", report));
    world->KillAgent();
    TRIVIUM_RETURN_IF_ERROR(MeasureStart(world.get(), "restart with its copy", report));
    TRIVIUM_RETURN_IF_ERROR(MeasureCut(world.get(), "cut off: 60,000 changes over all clusters",
                                       absl::StrCat("churn 60000 ", options.mesh.clusters - 1, " 1"),
                                       report));
    TRIVIUM_RETURN_IF_ERROR(
        MeasureCut(world.get(), "cut off: 60,000 changes in one cluster", "churn 60000 1 1", report));
    TRIVIUM_RETURN_IF_ERROR(world->RemoveAgent());
  }
  if (options.herd.agents > 0) {
    TRIVIUM_ASSIGN_OR_RETURN(const nlohmann::json herd, RunHerd(world.get(), program, options.herd));
    for (const nlohmann::json& row : herd) report->Row(row);
  }
  TRIVIUM_ASSIGN_OR_RETURN(const std::string counters, world->Ask("counters"));
  std::cout << counters << std::endl;
  return absl::OkStatus();
}

struct Memory {
  uint64_t resident = 0;  // of the process
  MemoryGroup::Usage group;
  uint64_t total() const { return group.resident + group.kernel; }
};

absl::StatusOr<Memory> MeasureMemory(const std::string& build, const SyntheticOptions& mesh) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<BulkWorld> world, BulkWorld::Start(build, mesh));
  TRIVIUM_RETURN_IF_ERROR(world->StartAgent());
  TRIVIUM_RETURN_IF_ERROR(world->WaitUntilCurrent(absl::Now(), kLimit).status());
  absl::SleepFor(absl::Seconds(3));
  Memory memory;
  memory.resident = ResidentBytes(world->agent().pid());
  TRIVIUM_ASSIGN_OR_RETURN(memory.group, world->memory().Read());
  return memory;
}

// The same mesh with and without endpoints: the difference is theirs.
absl::Status MeasurePerEndpoint(const std::string& build, SyntheticOptions mesh, Report* report) {
  TRIVIUM_ASSIGN_OR_RETURN(const Memory with, MeasureMemory(build, mesh));
  const double endpoints = static_cast<double>(mesh.clusters) * mesh.endpoints;
  mesh.endpoints = 0;
  TRIVIUM_ASSIGN_OR_RETURN(const Memory without, MeasureMemory(build, mesh));
  const auto per = [endpoints](uint64_t a, uint64_t b) {
    return (static_cast<double>(a) - static_cast<double>(b)) / endpoints;
  };
  report->Row({{"name", "per endpoint"},
               {"endpoints", endpoints},
               {"bytes", per(with.total(), without.total())},
               {"bytes_process", per(with.group.resident, without.group.resident)},
               {"bytes_kernel", per(with.group.kernel, without.group.kernel)},
               {"rss_mib", with.resident / kMiB},
               {"group_mib", with.total() / kMiB},
               {"group_mib_without_endpoints", without.total() / kMiB}});
  return absl::OkStatus();
}

absl::Status MeasureSmall(const std::string& build, const SyntheticOptions& mesh, Report* report) {
  TRIVIUM_ASSIGN_OR_RETURN(const Memory memory, MeasureMemory(build, mesh));
  report->Row({{"name", "agent"},
               {"endpoints", mesh.clusters * mesh.endpoints},
               {"identities", mesh.clusters * mesh.identities},
               {"rss_mib", memory.resident / kMiB},
               {"group_resident_mib", memory.group.resident / kMiB},
               {"kernel_mib", memory.group.kernel / kMiB}});
  return absl::OkStatus();
}

void AddMeshOptions(CLI::App* command, SyntheticOptions* mesh) {
  command->add_option("--clusters", mesh->clusters, "how many")->capture_default_str();
  command->add_option("--endpoints", mesh->endpoints, "of each cluster")->capture_default_str();
  command->add_option("--identities", mesh->identities, "of each cluster")->capture_default_str();
  command->add_option("--nodes", mesh->nodes, "of each cluster")->capture_default_str();
}

int Main(int argc, char** argv) {
  CLI::App cli("trivium-bulk: what an agent needs to hold a large mesh", "trivium-bulk");
  cli.require_subcommand(1);
  std::string build = "build/dev", json;
  cli.add_option("--build", build, "folder of the built programs")->capture_default_str();
  cli.add_option("--json", json, "also writes the rows there");
  cli.fallthrough();  // they may stand behind the subcommand

  BootstrapOptions bootstrap;
  CLI::App* time = cli.add_subcommand("bootstrap", "time: cold, restarted, cut off, and many at once");
  AddMeshOptions(time, &bootstrap.mesh);
  time->add_option("--rounds", bootstrap.rounds, "of cold start, restart, cut")->capture_default_str();
  time->add_option("--agents", bootstrap.herd.agents, "that ask for everything at once; 0: none")
      ->capture_default_str();
  time->add_option("--connections", bootstrap.herd.connections, "that those share")->capture_default_str();

  HerdOptions herd;
  CLI::App* flock = cli.add_subcommand("herd", "");
  flock->group("");  // for `bootstrap` alone
  flock->add_option("--nats", herd.nats);
  flock->add_option("--agents", herd.agents);
  flock->add_option("--connections", herd.connections);
  flock->add_option("--clusters", herd.clusters);

  SyntheticOptions large{250, 4000, 40, 100}, small{50, 1000, 100, 10};
  bool skip_large = false, skip_small = false;
  CLI::App* memory = cli.add_subcommand("memory", "bytes per remote endpoint at 1,000,000; MiB at 50,000");
  memory->add_flag("--skip-large", skip_large, "leaves out 1,000,000 endpoints");
  memory->add_flag("--skip-small", skip_small, "leaves out 50,000 endpoints");
  memory->add_option("--large-endpoints", large.endpoints, "of each of 250 clusters")->capture_default_str();
  CLI11_PARSE(cli, argc, argv);

  signal(SIGPIPE, SIG_IGN);
  Report report;
  // To standard error: what is measured goes to standard output.
  absl::Status status = InitLogging("bulk", "warn");
  if (status.ok()) status = flock->parsed() ? BeHerd(herd) : EnterOwnNetwork("172.31.0.1/16");
  if (status.ok() && time->parsed()) status = Bootstrap(build, argv[0], bootstrap, &report);
  if (status.ok() && memory->parsed() && !skip_small) status = MeasureSmall(build, small, &report);
  if (status.ok() && memory->parsed() && !skip_large) status = MeasurePerEndpoint(build, large, &report);
  if (status.ok()) status = report.Write(json);
  if (status.ok()) return 0;
  std::cerr << "trivium-bulk: " << status << "\n";
  return 1;
}

}  // namespace
}  // namespace trivium::bench

int main(int argc, char** argv) { return trivium::bench::Main(argc, argv); }
