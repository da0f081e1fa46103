#include <CLI/CLI.hpp>
#include <istream>
#include <memory>
#include <ostream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"

namespace trivium::cli {
namespace {

struct BumpOptions {
  std::string reason;
  bool yes = false;
};

// Whoever asks types the cluster's name.
absl::Status Confirm(Session* session, const std::string& cluster) {
  if (!session->interactive) {
    return absl::FailedPreconditionError("standard input is no terminal to ask on: confirm with --yes");
  }
  *session->err << "A new epoch of cluster " << cluster
                << ": every agent and control plane of the mesh takes a snapshot of it.\nType the cluster's "
                   "name to go on: "
                << std::flush;
  std::string typed;
  std::getline(*session->in, typed);
  if (absl::StripAsciiWhitespace(typed) == cluster) return absl::OkStatus();
  return absl::CancelledError("not confirmed: nothing was done");
}

absl::StatusOr<int> BumpEpoch(Session* session, const BumpOptions& options) {
  // The current context is not enough for this one.
  if (session->cluster.empty()) return absl::InvalidArgumentError("say whose epoch: --cluster NAME");
  TRIVIUM_ASSIGN_OR_RETURN(const Context context, session->ChosenContext());
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  if (!options.yes) TRIVIUM_RETURN_IF_ERROR(Confirm(session, context.cluster));
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  v1::Request request;
  request.mutable_bump_epoch()->set_reason(options.reason);
  TRIVIUM_ASSIGN_OR_RETURN(const v1::Reply reply, connection->client().Call(std::move(request), timeout));
  const v1::Head& before = reply.bump_epoch().before();
  const v1::Head& after = reply.bump_epoch().after();
  *session->out << "cluster " << context.cluster << ": epoch " << before.epoch() << " -> " << after.epoch()
                << ", revision " << after.revision() << "\n";
  return kExitOk;
}

}  // namespace

void AddAdminCommand(CLI::App* app, Session* session) {
  CLI::App* admin = app->add_subcommand("admin", "What is rarely needed, and not to be done by the way");
  admin->require_subcommand(1);
  auto options = std::make_shared<BumpOptions>();
  CLI::App* bump = admin->add_subcommand(
      "bump-epoch",
      "Begin a new epoch of --cluster's history: every mirror takes a snapshot (docs/epochs.md)");
  bump->add_option("--reason", options->reason, "Why: kept for the audit")->type_name("TEXT")->required();
  bump->add_flag("--yes", options->yes, "Do not ask");
  bump->footer(
      "Example:\n  triviumctl admin bump-epoch --cluster gcp-euw2 --reason \"restored from a backup\"");
  bump->callback(
      [session, options] { session->run = [session, options] { return BumpEpoch(session, *options); }; });
}

}  // namespace trivium::cli
