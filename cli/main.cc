// triviumctl: what people type. Everything is in commands; here it is wired to the process.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "base/exit_process.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/exit_code.h"
#include "cli/mesh/mesh_command.h"

namespace {

int Finish(const absl::StatusOr<int>& outcome, const trivium::cli::Session& session) {
  std::cout.flush();
  if (outcome.ok()) return *outcome;
  std::cerr << trivium::cli::ErrorText(outcome.status(), session);
  return trivium::cli::ExitCodeFor(outcome.status());
}

int Main(int argc, char** argv) {
  // What the driver logs is for daemons; here an error is an answer.
  if (const absl::Status status = trivium::InitLogging("triviumctl", "off"); !status.ok()) {
    std::cerr << "error: " << status.message() << "\n";
    return trivium::cli::kExitRefused;
  }
  trivium::cli::Session session;
  session.connect = trivium::cli::ConnectNats;
  session.clock = trivium::RealClock();
  session.in = &std::cin;
  session.out = &std::cout;
  session.err = &std::cerr;
  session.style.colour = isatty(STDOUT_FILENO) != 0 && isatty(STDERR_FILENO) != 0;

  session.interactive = isatty(STDIN_FILENO) != 0;

  CLI::App app("triviumctl: policies, endpoints and state of a Trivium mesh", "triviumctl");
  trivium::cli::AddCommands(&app, &session);
  trivium::cli::AddMeshCommand(&app, &session);
  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words[0] == trivium::cli::kCompleteCommand) {
    // Not a command of its own: what it is given is no command line yet. "--" may stand first.
    words.erase(words.begin(), words.begin() + (words.size() > 1 && words[1] == "--" ? 2 : 1));
    for (const std::string& word : trivium::cli::Complete(app, &session, words)) std::cout << word << "\n";
    return trivium::cli::kExitOk;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return trivium::cli::UsageExit(app, e, words, session);
  }
  return Finish(session.run(), session);
}

}  // namespace

int main(int argc, char** argv) { trivium::ExitProcess(Main(argc, argv)); }
