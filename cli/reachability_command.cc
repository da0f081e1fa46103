#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"

namespace trivium::cli {
namespace {

absl::StatusOr<int> Refresh(Session* session) {
  TRIVIUM_ASSIGN_OR_RETURN(const Context context, session->ChosenContext());
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  v1::Request request;
  request.mutable_refresh_reachability();
  TRIVIUM_ASSIGN_OR_RETURN(const v1::Reply reply, connection->client().Call(std::move(request), timeout));
  *session->out << "cluster " << context.cluster << ": " << reply.refresh_reachability().rows() << " rows\n";
  for (const v1::Head& at : reply.refresh_reachability().at()) {
    *session->out << "  at " << at.cluster() << " epoch " << at.epoch() << ", revision " << at.revision()
                  << "\n";
  }
  return kExitOk;
}

}  // namespace

void AddReachabilityCommand(CLI::App* app, Session* session) {
  CLI::App* group = app->add_subcommand("reachability", "Who may talk to whom, for SQL (docs/sql.md)");
  group->require_subcommand(1);
  CLI::App* refresh = group->add_subcommand(
      "refresh",
      "Work out admin_reachability and admin_policy_selections of the cluster anew; many identities take "
      "time: --timeout 60s");
  refresh->footer("Example:\n  triviumctl reachability refresh --context aws-euw2 --timeout 60s");
  refresh->callback([session] { session->run = [session] { return Refresh(session); }; });
}

}  // namespace trivium::cli
