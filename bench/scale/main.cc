// trivium-scale: the parts of the scale harness (scripts/bench scale starts them and the servers).
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/exit_process.h"
#include "base/log.h"
#include "base/status.h"
#include "bench/floor.h"
#include "bench/scale/agents.h"
#include "bench/scale/load.h"
#include "bench/scale/relay.h"

namespace trivium::bench {
namespace {

struct FloorOptions {
  std::string mesh;
  size_t subscribers = 3;
  int rounds = 200;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

absl::Status RunFloor(const FloorOptions& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const MeshFiles mesh, ReadMeshFiles(options.mesh));
  TRIVIUM_ASSIGN_OR_RETURN(const auto floor, Floor::Open(mesh, mesh.control_planes.front(),
                                                         options.subscribers, std::string(400, 'x')));
  std::vector<double> sql, nats, map, all;
  constexpr int kWarmUp = 20;
  for (int i = 0; i < options.rounds + kWarmUp; ++i) {
    TRIVIUM_ASSIGN_OR_RETURN(const Floor::Times times, floor->Run(i));
    if (i < kWarmUp) continue;
    sql.push_back(times.sql);
    nats.push_back(times.nats);
    map.push_back(times.map);
    all.push_back(times.all);
  }
  TRIVIUM_RETURN_IF_ERROR(floor->CleanUp());
  const nlohmann::json out = {{"sql_p50_ms", Median(sql)},
                              {"nats_p50_ms", Median(nats)},
                              {"map_p50_ms", Median(map)},
                              {"floor_p50_ms", Median(all)}};
  std::cout << out.dump() << std::endl;
  return absl::OkStatus();
}

// "name:rate:seconds"
absl::StatusOr<LoadRow> ParseRow(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  LoadRow row;
  if (parts.size() != 3 || !absl::SimpleAtod(parts[1], &row.rate) ||
      !absl::SimpleAtod(parts[2], &row.seconds) || row.rate <= 0 || row.seconds <= 0) {
    return absl::InvalidArgumentError("row \"" + text + "\": want name:changes a second:seconds");
  }
  row.name = parts[0];
  return row;
}

// "port=port:milliseconds": from, to, one way.
absl::StatusOr<Route> ParseRoute(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, absl::ByAnyChar("=:"));
  Route route;
  if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &route.listen) ||
      !absl::SimpleAtoi(parts[1], &route.to) || !absl::SimpleAtod(parts[2], &route.delay_ms)) {
    return absl::InvalidArgumentError("route \"" + text + "\": want port=port:milliseconds");
  }
  return route;
}

int Main(int argc, char** argv) {
  CLI::App app("The parts of the scale harness; scripts/bench scale puts them together");
  app.require_subcommand(1);
  FloorOptions floor;
  CLI::App* floor_command =
      app.add_subcommand("floor", "What the servers themselves cost, before anything else runs on them");
  floor_command->add_option("--mesh", floor.mesh)->required();
  floor_command->add_option("--subscribers", floor.subscribers)->capture_default_str();
  floor_command->add_option("--rounds", floor.rounds)->capture_default_str()->check(CLI::Range(10, 10000));

  AgentsOptions agents;
  CLI::App* agents_command = app.add_subcommand("agents", "Many agents in one process");
  agents_command->add_option("--mesh", agents.mesh)->required();
  agents_command->add_option("--events", agents.events)->required();
  agents_command->add_option("--agent", agents.agents, "a file of the mesh's agent/, without .yaml")
      ->required();
  agents_command->add_flag("--kernel", agents.kernel);
  agents_command->add_option("--executors", agents.executors);
  agents_command->add_option("--pods", agents.pods);

  LoadOptions load;
  std::vector<std::string> rows;
  CLI::App* load_command =
      app.add_subcommand("load", "Changes at a steady rate, and when the last agent had each");
  load_command->add_option("--mesh", load.mesh)->required();
  load_command->add_option("--events", load.events)->required();
  load_command->add_option("--agent", load.agents, "a file of the mesh's agent/ that runs, without .yaml");
  load_command->add_option("--cluster", load.clusters)->required();
  load_command->add_option("--endpoints", load.endpoints)->capture_default_str();
  load_command->add_option("--identities", load.identities)->capture_default_str();
  load_command->add_option("--policies", load.policies)->capture_default_str();
  load_command->add_option("--together", load.together)->capture_default_str()->check(CLI::Range(1, 400));
  load_command->add_option("--seed", load.seed)->capture_default_str();
  load_command->add_option("--control-plane-pid", load.control_plane_pids);
  load_command->add_option("--row", rows, "name:changes a second:seconds")->required();

  std::vector<std::string> routes;
  CLI::App* relay_command = app.add_subcommand("relay", "Hands bytes on after a delay: distance");
  relay_command->add_option("--route", routes, "port=port:milliseconds one way, on loopback")->required();
  CLI11_PARSE(app, argc, argv);

  absl::Status status = InitLogging("scale", "warn");
  if (status.ok() && floor_command->parsed()) status = RunFloor(floor);
  if (status.ok() && agents_command->parsed()) status = RunAgents(agents);
  if (status.ok() && load_command->parsed()) {
    for (const std::string& text : rows) {
      const absl::StatusOr<LoadRow> row = ParseRow(text);
      status.Update(row.status());
      if (row.ok()) load.rows.push_back(*row);
    }
    if (status.ok()) status = RunLoad(load);
  }
  if (status.ok() && relay_command->parsed()) {
    std::vector<Route> parsed;
    for (const std::string& text : routes) {
      const absl::StatusOr<Route> route = ParseRoute(text);
      status.Update(route.status());
      if (route.ok()) parsed.push_back(*route);
    }
    if (status.ok()) status = RunRelays(parsed);
  }
  if (status.ok()) return 0;
  std::cerr << "trivium-scale: " << status.message() << "\n";
  return 1;
}

}  // namespace
}  // namespace trivium::bench

int main(int argc, char** argv) {
  // Threads that read pipes have no end of their own.
  trivium::ExitProcess(trivium::bench::Main(argc, argv));
}
