#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/status_text.h"

namespace trivium::cli {
namespace {

// Between two looks with --wait: agents and beacons speak about once a second.
constexpr absl::Duration kLook = absl::Milliseconds(500);
constexpr absl::Duration kPatience = absl::Minutes(5);  // of --wait without --timeout
constexpr absl::Duration kAnswer = absl::Seconds(3);    // of one control plane while --wait goes on

struct Options {
  std::string output;
  bool wait = false;
  const CLI::Option* timeout = nullptr;  // the global one
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

// Asks every context once; the exit status is that of the last that did not answer.
std::vector<StatusAnswer> AskAll(Session* session, const std::vector<Context>& contexts,
                                 absl::Duration timeout, int* exit) {
  *exit = kExitOk;
  std::vector<StatusAnswer> answers;
  for (const Context& context : contexts) {
    StatusAnswer& answer = answers.emplace_back(StatusAnswer{context.cluster, absl::UnknownError(""), {}});
    answer.result = Ask(session, context, timeout, &answer.down);
    if (!answers.back().result.ok()) *exit = ExitCodeFor(answers.back().result.status());
  }
  return answers;
}

absl::StatusOr<int> Status(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(absl::Duration timeout, session->Timeout());
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Context> contexts, session->ContextOfEachCluster());
  int exit = kExitOk;
  std::vector<StatusAnswer> answers;
  std::vector<std::string> problems;
  if (!options.wait) {
    answers = AskAll(session, contexts, timeout, &exit);
  } else {
    const absl::Duration patience = options.timeout->count() == 0 ? kPatience : timeout;
    const absl::Duration end = session->clock->Monotonic() + patience;
    std::vector<std::string> told;
    while (true) {
      const absl::Duration left = std::max(end - session->clock->Monotonic(), absl::Milliseconds(100));
      answers = AskAll(session, contexts, std::min(left, kAnswer), &exit);
      problems = NotReady(answers, session->clock->Now());
      if (problems.empty() || session->clock->Monotonic() + kLook >= end) break;
      if (problems.size() != told.size()) {
        *session->err << "waiting: " << problems[0]
                      << (problems.size() > 1 ? absl::StrCat(" (and ", problems.size() - 1, " more)") : "")
                      << "\n";
        told = problems;
      }
      absl::Notification().WaitForNotificationWithTimeout(kLook);
    }
    exit = problems.empty() ? kExitOk : kExitTimedOut;
  }
  const absl::Time now = session->clock->Now();
  if (options.output == "json") {
    *session->out << StatusJson(answers, now).dump(2) << "\n";
  } else {
    *session->out << StatusText(answers, now, options.output == "wide", session->style);
  }
  session->out->flush();
  for (const std::string& problem : problems)
    *session->err << session->style.Bad("not ready") << ": " << problem << "\n";
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
  options->timeout = app->get_option("--timeout");
  command->add_flag(
      "--wait", options->wait,
      "Until everybody answers and every node enforces all there is, for 5m or --timeout; else exit 4");
  command->footer(
      "Examples:\n"
      "  triviumctl status\n"
      "  triviumctl status --wait --timeout 2m\n"
      "  triviumctl status --cluster gcp-euw2 -o wide");
  command->callback(
      [session, options] { session->run = [session, options] { return Status(session, *options); }; });
}

}  // namespace trivium::cli
