#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>

#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/explain_text.h"

namespace trivium::cli {

void AddExplainCommand(CLI::App* app, Session* session) {
  auto path = std::make_shared<std::string>();
  auto recursive = std::make_shared<bool>(false);
  CLI::App* command = app->add_subcommand("explain", "What a kind of manifest, or a field of one, means");
  command->add_option("what", *path, "KIND[.field...]")->required()->type_name("");
  command->add_flag("--recursive", *recursive, "All fields below it, without their texts");
  command->footer(
      "Examples:\n"
      "  triviumctl explain netpol\n"
      "  triviumctl explain cnp.spec.ingress.fromCIDRSet\n"
      "  triviumctl explain ccnp --recursive");
  command->callback([=] {
    session->run = [=]() -> absl::StatusOr<int> {
      TRIVIUM_ASSIGN_OR_RETURN(const std::string text, ExplainText(*path, *recursive));
      *session->out << text;
      return kExitOk;
    };
  });
}

}  // namespace trivium::cli
