#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
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

absl::StatusOr<v1::StatusResult> Ask(Session* session, const Context& context, absl::Duration timeout,
                                     std::vector<v1::Liveness>* down) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  v1::Request request;
  request.mutable_status();
  TRIVIUM_ASSIGN_OR_RETURN(v1::Reply reply, connection->client().Call(std::move(request), timeout));
  v1::Request get;
  get.mutable_get()->set_kind("Liveness");
  // A control plane of an older version knows no such kind: it has observed nothing.
  const absl::StatusOr<v1::Reply> seen = connection->client().Call(std::move(get), timeout);
  if (!seen.ok() && !absl::IsInvalidArgument(seen.status())) return seen.status();
  if (seen.ok()) {
    for (const v1::GetResult::Item& item : seen->get().items()) {
      const v1::Liveness& liveness = item.object().object().liveness();
      if (!liveness.alive()) down->push_back(liveness);
    }
    std::sort(down->begin(), down->end(), [](const v1::Liveness& a, const v1::Liveness& b) {
      return std::tie(a.cluster(), a.node()) < std::tie(b.cluster(), b.node());
    });
  }
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
    StatusAnswer& answer = answers.emplace_back(StatusAnswer{context.cluster, absl::UnknownError(""), {}});
    answer.result = Ask(session, context, timeout, &answer.down);
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
