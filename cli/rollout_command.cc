// `rollout status`: waits until every node enforces a policy, and says meanwhile who does not. It follows the
// agents' own reports, so that it sees a change when it happens.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/fetcher.h"
#include "cli/mailbox.h"
#include "cli/rollout_text.h"
#include "cli/wanted.h"
#include "schema/subjects.h"

namespace trivium::cli {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(5);  // without --timeout

struct Options {
  std::vector<std::string> words;  // [KIND] NAME, KIND/NAME
  std::string ns;
  bool once = false;
  const CLI::Option* timeout = nullptr;  // the global one
};

// The policy that the words name: a name alone is looked for among all kinds of policies.
absl::StatusOr<RolloutPolicy> FindPolicy(Fetcher* fetcher, const Options& options, const Context& context) {
  std::vector<std::string> words = options.words;
  if (words.size() == 1 && words[0].find('/') == std::string::npos) words.insert(words.begin(), "policies");
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Wanted> wanted, ParseWanted(words));
  const std::string ns = options.ns.empty() ? context.ns : options.ns;
  std::vector<RolloutPolicy> found;
  absl::Status missing = absl::OkStatus();
  for (const Wanted& one : wanted) {
    if (one.kind->kind != v1::KIND_POLICY || one.names.size() != 1) {
      return absl::InvalidArgumentError(
          "rollout status is of one policy: write NAME, KIND NAME or KIND/NAME");
    }
    const absl::StatusOr<v1::GetResult> got =
        fetcher->Get(*one.kind, context.cluster, one.kind->namespaced ? ns : "", one.names[0]);
    if (absl::IsNotFound(got.status())) {
      missing = got.status();
      continue;
    }
    TRIVIUM_RETURN_IF_ERROR(got.status());
    for (const auto& item : got->items()) {
      const v1::Policy& policy = item.object().object().policy();
      found.push_back({context.cluster, policy.kind(), policy.namespace_(), policy.name(), got->at().epoch(),
                       item.object().revision()});
    }
  }
  if (found.size() == 1) return found[0];
  if (found.empty()) {
    if (wanted.size() == 1 && !missing.ok()) return missing;
    return absl::NotFoundError(
        absl::StrCat("there is no policy \"", wanted[0].names[0], "\" of any kind in namespace ", ns,
                     ", and none clusterwide: `triviumctl get policies -A` lists all"));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is a ", found[0].text(), " and a ", found[1].text(), ": write KIND/NAME"));
}

absl::StatusOr<int> Rollout(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(absl::Duration patience, session->Timeout());
  const absl::Duration timeout = patience;
  if (options.timeout->count() == 0) patience = kPatience;
  const absl::Duration end = session->clock->Monotonic() + patience;
  TRIVIUM_ASSIGN_OR_RETURN(const Context context, session->ChosenContext());
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  Client& client = connection->client();
  Fetcher fetcher(&client, timeout);
  // Heard before it is asked: no report falls between the two.
  const auto mailbox = std::make_shared<Mailbox>();
  TRIVIUM_RETURN_IF_ERROR(
      client.Listen(subjects::EveryAgentStatus(context.cluster), timeout,
                    [mailbox](Message message) { mailbox->Put(std::move(message.payload)); }));
  TRIVIUM_ASSIGN_OR_RETURN(const RolloutPolicy policy, FindPolicy(&fetcher, options, context));
  TRIVIUM_ASSIGN_OR_RETURN(const auto by_number, fetcher.NodeNames(context.cluster));
  std::vector<std::string> nodes;
  for (const auto& [number, name] : by_number) nodes.push_back(name);
  std::map<std::string, v1::AgentStatus> agents;
  TRIVIUM_ASSIGN_OR_RETURN(const v1::StatusResult status, fetcher.Status());
  for (const v1::ClusterStatus& cluster : status.clusters()) {
    for (const v1::AgentStatus& agent : cluster.agents()) {
      if (agent.cluster() == context.cluster) agents[agent.node()] = agent;
    }
  }

  size_t told = SIZE_MAX;
  std::vector<RolloutNode> judged;
  while (true) {
    judged = JudgeRollout(policy, nodes, agents, session->clock->Now());
    const size_t done = RolloutDone(judged);
    if (done == judged.size()) {
      *session->out << policy.text() << " " << session->style.Good("is enforced") << " on all " << done
                    << " nodes of " << context.cluster << " (revision " << policy.revision << ")\n";
      return kExitOk;
    }
    if (done != told) {
      *session->out << "Waiting for " << policy.text() << " (revision " << policy.revision << "): " << done
                    << " of " << judged.size() << " nodes of " << context.cluster << " enforce it\n"
                    << (told == SIZE_MAX ? RolloutMissingText(judged, session->style) : "");
      session->out->flush();
      told = done;
    }
    if (options.once) break;
    const std::optional<std::string> report = mailbox->TakeWithin(end - session->clock->Monotonic());
    if (!report.has_value()) break;
    v1::AgentStatus agent;
    if (agent.ParseFromString(*report) && agent.cluster() == context.cluster) agents[agent.node()] = agent;
  }
  if (!options.once) {
    *session->err
        << session->style.Bad("error") << ": after " << absl::FormatDuration(patience) << " "
        << judged.size() - RolloutDone(judged) << " of " << judged.size() << " nodes of " << context.cluster
        << " do not enforce " << policy.text() << ":\n"
        << RolloutMissingText(judged, session->style)
        << "hint: `triviumctl describe node NAME` shows what an agent reports; the policy itself stands\n";
  }
  const bool refused =
      std::any_of(judged.begin(), judged.end(), [](const RolloutNode& node) { return node.refused; });
  return refused ? kExitRefused : kExitTimedOut;
}

}  // namespace

void AddRolloutCommand(CLI::App* app, Session* session) {
  CLI::App* group = app->add_subcommand("rollout", "How far a policy has come");
  group->require_subcommand(1);
  auto options = std::make_shared<Options>();
  options->timeout = app->get_option("--timeout");
  CLI::App* status = group->add_subcommand("status",
                                           "Waits (5m, or --timeout) until every node of the cluster "
                                           "enforces a policy, and names those that do not");
  status->add_option("policy", options->words, "NAME, KIND NAME or KIND/NAME")
      ->required()
      ->expected(1, 2)
      ->type_name("");
  status->add_option("-n,--namespace", options->ns, "Where; without it the context's, or default")
      ->type_name("NAME");
  status->add_flag("--once", options->once, "Say how far it is now, and end");
  status->footer(
      "Exit status: 0 every node enforces it; 1 some node cannot; 4 some node does not, in time.\n"
      "Examples:\n"
      "  triviumctl rollout status web -n shop\n"
      "  triviumctl rollout status ccnp/baseline --timeout 30s\n"
      "  triviumctl rollout status cnp api -n shop --once");
  status->callback([=] { session->run = [=] { return Rollout(session, *options); }; });
}

}  // namespace trivium::cli
