#include "cli/commands.h"

#include <CLI/CLI.hpp>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "cli/exit_code.h"
#include "cli/usage.h"
#include "cli/version.h"

namespace trivium::cli {

void AddVersionCommand(CLI::App* app, Session* session) {
  CLI::App* version = app->add_subcommand("version", "The version of this program");
  version->footer("Example:\n  triviumctl version");
  version->callback([session] {
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
  app->footer(absl::StrCat("Exit status:\n", kExitCodesText,
                           "\nExamples:\n"
                           "  triviumctl status --wait\n"
                           "  triviumctl policy diff -f web.yaml\n"
                           "  triviumctl apply -f web.yaml --wait\n"
                           "  triviumctl help policy trace"));
  AddApplyCommand(app, session);
  AddDeleteCommand(app, session);
  AddGetCommand(app, session);
  AddDescribeCommand(app, session);
  AddDiffCommand(app, session);
  AddExplainCommand(app, session);
  AddRolloutCommand(app, session);
  AddStatusCommand(app, session);
  AddPolicyCommand(app, session);
  AddMonitorCommand(app, session);
  AddEndpointCommand(app, session);
  AddReachabilityCommand(app, session);
  AddAdminCommand(app, session);
  AddConnectivityCommand(app, session);
  AddSysdumpCommand(app, session);
  AddConfigCommand(app, session);
  AddCompletionCommand(app, session);
  AddHelpCommand(app, session);
  AddVersionCommand(app, session);
}

int UsageExit(const CLI::App& app, const CLI::ParseError& error, const std::vector<std::string>& words,
              const Session& session) {
  const std::string hint =
      error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success) ? "" : UsageHint(app, words);
  if (!hint.empty()) {
    *session.err << session.style.Bad("error") << ": " << hint << "\n";
    return kExitUsage;
  }
  return app.exit(error, *session.out, *session.err) == 0 ? kExitOk : kExitUsage;
}

}  // namespace trivium::cli
