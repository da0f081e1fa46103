// What the main function of every daemon does: arguments, the configuration file, the log, the signals that
// end it.
#pragma once

#include <csignal>
#include <functional>
#include <string>

#include "absl/status/status.h"

namespace CLI {
class App;
}

namespace trivium {

struct Daemon {
  std::string name;  // of the program
  std::string does;  // one line
  std::string page;  // of the documentation: what the configuration file holds
  std::string version;
  // Options beside --config, --check-config and --version; may be null.
  std::function<void(CLI::App*)> add_options;
  // Reads the configuration file, and begins to log as it says.
  std::function<absl::Status(const std::string& path)> configure;
  // Runs until one of the signals comes, which it has to block before it makes threads.
  std::function<absl::Status(const sigset_t& signals)> serve;
};

// The process' exit status: 2 for wrong arguments or a wrong configuration, 1 for a daemon that cannot go on.
int RunDaemon(const Daemon& daemon, int argc, char** argv);

}  // namespace trivium
