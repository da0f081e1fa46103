#include "cli/commands.h"

#include <CLI/CLI.hpp>
#include <ostream>

#include "cli/exit_code.h"
#include "cli/version.h"

namespace trivium::cli {

void AddVersionCommand(CLI::App* app, Session* session) {
  app->add_subcommand("version", "The version of this program")->callback([session] {
    session->run = [session]() -> absl::StatusOr<int> {
      *session->out << "triviumctl " << TRIVIUM_VERSION << "\n";
      return kExitOk;
    };
  });
}

void AddCommands(CLI::App* app, Session* session) {
  app->require_subcommand(1);
  app->fallthrough();
  app->add_option("--config", session->config_path,
                  "Configuration (default: $TRIVIUM_CONFIG, else ~/.config/trivium/triviumctl.yaml)")
      ->type_name("FILE");
  app->add_option("--context", session->context_name, "Which context of the configuration")
      ->type_name("NAME");
  app->add_option("--cluster", session->cluster, "The context of this cluster; `get` asks about any cluster")
      ->type_name("NAME");
  app->add_option("--timeout", session->timeout_text, "For the whole command")
      ->capture_default_str()
      ->type_name("DURATION");
  app->footer(
      "Exit status: 0 done; 1 refused or failed; 2 wrong usage or configuration; 3 nobody answered; 4 "
      "written, but not "
      "enforced everywhere within --timeout.");
  AddApplyCommand(app, session);
  AddDeleteCommand(app, session);
  AddGetCommand(app, session);
  AddStatusCommand(app, session);
  AddPolicyCommand(app, session);
  AddMonitorCommand(app, session);
  AddEndpointCommand(app, session);
  AddAdminCommand(app, session);
  AddVersionCommand(app, session);
}

}  // namespace trivium::cli
