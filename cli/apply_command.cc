#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/dry_run.h"
#include "cli/exit_code.h"
#include "cli/kinds.h"
#include "cli/manifest_options.h"

namespace trivium::cli {
namespace {

struct Options {
  ManifestOptions manifests;
  DryRun dry_run;
  bool wait = false;
};

void PrintItems(Session* session, const v1::ApplyResult& result, bool dry_run) {
  for (const v1::ApplyResult::Item& item : result.items()) {
    const auto kind = FindKind(item.kind());
    *session->out << (kind.ok() ? (*kind)->resource : item.kind()) << "/" << item.name() << " "
                  << (item.action() == "unchanged" ? item.action() : session->style.Good(item.action()))
                  << (dry_run ? " (server dry run)" : "") << "\n";
  }
  session->out->flush();
}

absl::StatusOr<int> Apply(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const bool dry_run, options.dry_run.Asked());
  TRIVIUM_ASSIGN_OR_RETURN(const Context context, session->ChosenContext());
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  TRIVIUM_ASSIGN_OR_RETURN(const GivenManifests given, options.manifests.Read(*session, context));
  TRIVIUM_ASSIGN_OR_RETURN(std::vector<v1::ApplyRequest> pieces, CutIntoRequests(given.files, given.parse));

  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  uint64_t epoch = 0;
  uint64_t revision = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    v1::Request request;
    *request.mutable_apply() = std::move(pieces[i]);
    request.mutable_apply()->set_dry_run(dry_run);
    absl::StatusOr<v1::Reply> reply = connection->client().Call(std::move(request), timeout);
    if (!reply.ok() && i > 0) {
      return Annotate(reply.status(), absl::StrCat("piece ", i + 1, " of ", pieces.size(),
                                                   " (what is printed above has been applied)"));
    }
    if (!reply.ok()) return reply.status();
    PrintItems(session, reply->apply(), dry_run);
    if (reply->revision() != 0) {
      epoch = reply->epoch();
      revision = reply->revision();
    }
  }
  if (!options.wait || dry_run) return kExitOk;
  return WaitEnforced(session, &connection->client(), epoch, revision, timeout);
}

}  // namespace

void AddApplyCommand(CLI::App* app, Session* session) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app->add_subcommand("apply", "Create or change what manifests describe");
  options->manifests.AddFiles(command)->required();
  options->dry_run.AddTo(command);
  command->add_flag(
      "--wait", options->wait,
      "Return when every node of the cluster enforces it, or name those that do not after --timeout");
  options->manifests.AddNamespace(command);
  command->footer(
      "Examples:\n"
      "  triviumctl apply -f web.yaml --wait --timeout 1m\n"
      "  triviumctl apply -R -f policies/ --dry-run=server\n"
      "  cat web.yaml | triviumctl apply -n shop -f -");
  command->callback(
      [session, options] { session->run = [session, options] { return Apply(session, *options); }; });
}

}  // namespace trivium::cli
