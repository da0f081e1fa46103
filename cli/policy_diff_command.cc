// `policy diff`: whom a change of policies would let through or shut out, before it is applied.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/manifest_options.h"
#include "cli/object_json.h"
#include "cli/policy_diff_text.h"

namespace trivium::cli {
namespace {

struct Options {
  ManifestOptions manifests;
  bool remove = false;
  uint32_t max_flows = 0;
  std::string output;
};

absl::StatusOr<v1::PolicyDiffResult> Ask(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const Context context, session->ChosenContext());
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  TRIVIUM_ASSIGN_OR_RETURN(const GivenManifests given, options.manifests.Read(*session, context));
  TRIVIUM_RETURN_IF_ERROR(ParseAll(given.files, given.parse).status());
  v1::Request request;
  v1::PolicyDiffRequest& diff = *request.mutable_policy_diff();
  for (const ManifestFile& file : given.files) {
    v1::Manifest* manifest = diff.add_manifests();
    manifest->set_file(file.name);
    manifest->set_text(file.text);
  }
  diff.set_default_namespace(given.parse.default_namespace);
  diff.set_delete_(options.remove);
  diff.set_max_flows(options.max_flows);
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  TRIVIUM_ASSIGN_OR_RETURN(v1::Reply reply, connection->client().Call(std::move(request), timeout));
  return std::move(*reply.mutable_policy_diff());
}

// Pods of a namespace get other identities after its labels have changed: no policy says so.
bool MovesPods(const v1::PolicyDiffResult& result) {
  return std::any_of(result.apply().items().begin(), result.apply().items().end(),
                     [](const v1::ApplyResult::Item& item) {
                       return item.kind() == "Namespace" && item.action() == "configured";
                     });
}

absl::StatusOr<int> PolicyDiff(Session* session, const Options& options) {
  const absl::StatusOr<v1::PolicyDiffResult> result = Ask(session, options);
  if (!result.ok()) {
    *session->err << ErrorText(result.status(), *session);
    return std::max<int>(kExitUsage, ExitCodeFor(result.status()));
  }
  if (options.output == "json") {
    *session->out << MessageJson(*result).dump(2) << "\n";
  } else {
    *session->out << PolicyDiffText(*result, session->style);
  }
  session->out->flush();
  if (MovesPods(*result)) {
    *session->err
        << "note: pods of a namespace whose labels change get other identities after the apply; what that "
           "changes is not in this answer\n";
  }
  return result->flows().empty() ? kExitOk : kExitDiffers;
}

}  // namespace

void AddPolicyDiff(CLI::App* group, Session* session) {
  auto options = std::make_shared<Options>();
  CLI::App* command = group->add_subcommand(
      "diff",
      "Which connections would be judged otherwise if these manifests were applied, and by which rule");
  options->manifests.AddFiles(command)->required();
  command->add_flag("--delete", options->remove, "Instead: if what they name were deleted");
  options->manifests.AddNamespace(command);
  command->add_option("--max", options->max_flows, "At most so many changes; the rest is counted")
      ->type_name("NUMBER");
  command->add_option("-o,--output", options->output, "json")
      ->check(CLI::IsMember({"json"}))
      ->type_name("FORMAT");
  command->footer(
      "Every identity of the cluster is judged against every one of the mesh, against world, host, "
      "remote-node and\n"
      "their like, and against the prefixes that the policies name, before and after.\n"
      "Exit status: 0 nothing changes; 1 something does; 2 or more: it could not be found out.\n"
      "Examples:\n"
      "  triviumctl policy diff -f web.yaml\n"
      "  triviumctl policy diff --delete -f old.yaml --timeout 1m");
  command->callback([=] { session->run = [=] { return PolicyDiff(session, *options); }; });
}

}  // namespace trivium::cli
