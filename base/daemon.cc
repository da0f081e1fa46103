#include "base/daemon.h"

#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdio>

namespace trivium {

int RunDaemon(const Daemon& daemon, int argc, char** argv) {
  CLI::App cli(daemon.name + ": " + daemon.does, daemon.name);
  std::string path;
  bool check = false;
  cli.add_option("--config", path, "the configuration file (" + daemon.page + ")")->required();
  cli.add_flag("--check-config", check, "only says whether the configuration is right");
  if (daemon.add_options) daemon.add_options(&cli);
  cli.set_version_flag("--version", daemon.name + " " + daemon.version);
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli.exit(error);
  }
  if (const absl::Status configured = daemon.configure(path); !configured.ok()) {
    fprintf(stderr, "%s: %s\n", daemon.name.c_str(), std::string(configured.message()).c_str());
    return 2;
  }
  if (check) {
    printf("%s: fine\n", path.c_str());
    return 0;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  std::signal(SIGPIPE, SIG_IGN);
  if (const absl::Status status = daemon.serve(signals); !status.ok()) {
    spdlog::error("cannot go on error=\"{}\"", std::string(status.message()));
    return 1;
  }
  return 0;
}

}  // namespace trivium
