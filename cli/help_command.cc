// `help`: of a command, or of a subject.
#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/usage.h"

namespace trivium::cli {
namespace {

constexpr char kExitCodes[] = "exit-codes";

absl::StatusOr<int> Help(const CLI::App& app, Session* session, const std::vector<std::string>& words) {
  if (words.size() == 1 && words[0] == kExitCodes) {
    *session->out << kExitCodesText;
    return kExitOk;
  }
  const Reached reached = Follow(app, words);
  if (!reached.arguments.empty()) {
    const std::string hint = UsageHint(app, words);
    return absl::InvalidArgumentError(
        hint.empty() ? absl::StrCat("there is no command '", absl::StrJoin(words, " "), "'") : hint);
  }
  std::string name;
  for (const CLI::App* at = reached.command; at != nullptr; at = at->get_parent()) {
    name = absl::StrCat(at->get_name(), name.empty() ? "" : " ", name);
  }
  // Not App::help, which would speak of the command that was chosen: this one.
  *session->out << app.get_formatter()->make_help(reached.command, name, CLI::AppFormatMode::Normal);
  return kExitOk;
}

}  // namespace

void AddHelpCommand(CLI::App* app, Session* session) {
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app->add_subcommand("help", "Help on a command, or on exit-codes");
  command->add_option("about", *words, "COMMAND... or exit-codes")->type_name("");
  command->footer("Examples:\n  triviumctl help policy trace\n  triviumctl help exit-codes");
  command->callback([=] { session->run = [=] { return Help(*app, session, *words); }; });
}

}  // namespace trivium::cli
