#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/status_text.h"

namespace trivium::cli {
namespace {

struct Options {
  std::string output;
};

absl::StatusOr<v1::StatusResult> Ask(Session* session, const Context& context, absl::Duration timeout) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  v1::Request request;
  request.mutable_status();
  TRIVIUM_ASSIGN_OR_RETURN(v1::Reply reply, connection->client().Call(std::move(request), timeout));
  return std::move(*reply.mutable_status());
}

// Without a choice on the command line: one context for each cluster in the file, since each control plane
// knows the reports of its own agents only.
absl::StatusOr<std::vector<Context>> Chosen(const Session& session) {
  if (!session.context_name.empty() || !session.cluster.empty()) {
    TRIVIUM_ASSIGN_OR_RETURN(Context context, session.ChosenContext());
    return std::vector<Context>{std::move(context)};
  }
  TRIVIUM_ASSIGN_OR_RETURN(const Config config, session.LoadConfiguration());
  std::vector<Context> contexts;
  for (const Context& context : config.contexts) {
    const bool known = std::any_of(contexts.begin(), contexts.end(),
                                   [&](const Context& other) { return other.cluster == context.cluster; });
    if (!known) contexts.push_back(context);
  }
  return contexts;
}

absl::StatusOr<int> Status(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Context> contexts, Chosen(*session));
  std::vector<StatusAnswer> answers;
  int exit = kExitOk;
  for (const Context& context : contexts) {
    answers.push_back({context.cluster, Ask(session, context, timeout)});
    if (!answers.back().result.ok()) exit = ExitCodeFor(answers.back().result.status());
  }
  const absl::Time now = session->clock->Now();
  if (options.output == "json") {
    *session->out << StatusJson(answers, now).dump(2) << "\n";
  } else {
    *session->out << StatusText(answers, now, options.output == "wide", session->style);
  }
  return exit;
}

}  // namespace

void AddStatusCommand(CLI::App* app, Session* session) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app->add_subcommand("status", "Regions, clusters, their heads, and how far behind each agent is");
  command->add_option("-o,--output", options->output, "json or wide")
      ->check(CLI::IsMember({"json", "wide"}))
      ->type_name("FORMAT");
  command->callback(
      [session, options] { session->run = [session, options] { return Status(session, *options); }; });
}

}  // namespace trivium::cli
