#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/dry_run.h"
#include "cli/exit_code.h"
#include "cli/fetcher.h"
#include "cli/get_table.h"
#include "cli/kinds.h"
#include "cli/manifest_options.h"
#include "cli/wanted.h"

namespace trivium::cli {
namespace {

struct Options {
  ManifestOptions manifests;
  std::vector<std::string> words;  // KIND NAME...
  bool ignore_missing = false;
  bool wait = false;
  DryRun dry_run;
};

struct Target {
  const KindInfo* kind = nullptr;
  std::string ns;
  std::string name;
};

absl::StatusOr<std::vector<Target>> Targets(Session* session, const Options& options,
                                            const Context& context) {
  const std::string ns = options.manifests.Namespace(context);
  std::vector<Target> targets;
  if (!options.words.empty()) {
    if (options.manifests.HasFiles())
      return absl::InvalidArgumentError("give -f FILE or KIND and NAME, not both");
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Wanted> wanted, ParseWanted(options.words));
    for (const Wanted& one : wanted) {
      if (one.names.empty()) return absl::InvalidArgumentError("delete needs -f FILE, or KIND and NAME");
      for (const std::string& name : one.names) {
        targets.push_back({one.kind, one.kind->namespaced ? ns : "", name});
      }
    }
    return targets;
  }
  if (!options.manifests.HasFiles())
    return absl::InvalidArgumentError("delete needs -f FILE, or KIND and NAME");
  TRIVIUM_ASSIGN_OR_RETURN(const GivenManifests given, options.manifests.Read(*session, context));
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<policy::Parsed> parsed, ParseAll(given.files, given.parse));
  // The last that was made goes first: what stands in a namespace before the namespace.
  for (auto it = parsed.rbegin(); it != parsed.rend(); ++it) {
    const v1::Object& object = it->object;
    TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, KindOfObject(object));
    targets.push_back({kind, object.has_policy() ? object.policy().namespace_() : "", DisplayName(object)});
  }
  return targets;
}

// What would be deleted must be there. Other objects go with a namespace or a node: they are counted.
absl::StatusOr<std::string> Rehearse(Fetcher* fetcher, const std::string& cluster, const Target& target) {
  TRIVIUM_RETURN_IF_ERROR(fetcher->Get(*target.kind, cluster, target.ns, target.name).status());
  if (target.kind->kind != v1::KIND_NAMESPACE && target.kind->kind != v1::KIND_NODE) return std::string();
  TRIVIUM_ASSIGN_OR_RETURN(const auto nodes, fetcher->NodeNames(cluster));
  TRIVIUM_ASSIGN_OR_RETURN(const auto kinds, FindKinds("all"));
  std::vector<std::string> with;
  for (const KindInfo* kind : kinds) {
    if (!kind->namespaced) continue;
    if (target.kind->kind == v1::KIND_NODE && kind->kind != v1::KIND_ENDPOINT) continue;
    TRIVIUM_ASSIGN_OR_RETURN(
        const v1::GetResult all,
        fetcher->Get(*kind, cluster, target.kind->kind == v1::KIND_NAMESPACE ? target.name : "", ""));
    size_t count = 0;
    for (const auto& item : all.items()) {
      const auto node = nodes.find(item.object().object().endpoint().node());
      if (target.kind->kind == v1::KIND_NODE && (node == nodes.end() || node->second != target.name))
        continue;
      ++count;
    }
    if (count > 0) with.push_back(absl::StrCat(count, " ", kind->plural));
  }
  return with.empty() ? std::string() : absl::StrCat(", and with it ", absl::StrJoin(with, ", "));
}

absl::StatusOr<int> Delete(Session* session, const Options& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const bool dry_run, options.dry_run.Asked());
  TRIVIUM_ASSIGN_OR_RETURN(const Context context, session->ChosenContext());
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<Target> targets, Targets(session, options, context));
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  uint64_t epoch = 0;
  uint64_t revision = 0;
  int missing = 0;
  Fetcher fetcher(&connection->client(), timeout);
  for (const Target& target : targets) {
    v1::Request request;
    request.mutable_delete_()->set_kind(target.kind->name);
    request.mutable_delete_()->set_namespace_(target.ns);
    request.mutable_delete_()->set_name(target.name);
    std::string more;
    absl::StatusOr<v1::Reply> reply = v1::Reply();
    if (dry_run) {
      absl::StatusOr<std::string> rehearsed = Rehearse(&fetcher, context.cluster, target);
      if (rehearsed.ok()) {
        more = absl::StrCat(" (server dry run)", *rehearsed);
      } else {
        reply = rehearsed.status();
      }
    } else {
      reply = connection->client().Call(std::move(request), timeout);
    }
    if (absl::IsNotFound(reply.status())) {
      if (!options.ignore_missing) {
        ++missing;
        *session->err << ErrorText(reply.status(), *session);
      }
      continue;
    }
    TRIVIUM_RETURN_IF_ERROR(
        Annotate(reply.status(), absl::StrCat(target.kind->resource, " \"", target.name, "\"")));
    *session->out << target.kind->resource << " \"" << target.name << "\" deleted" << more << "\n";
    epoch = reply->epoch();
    revision = reply->revision();
  }
  session->out->flush();
  if (missing > 0) return kExitRefused;
  if (!options.wait || dry_run) return kExitOk;
  return WaitEnforced(session, &connection->client(), epoch, revision, timeout);
}

}  // namespace

void AddDeleteCommand(CLI::App* app, Session* session) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app->add_subcommand("delete", "Delete objects by manifest, or by kind and name");
  options->manifests.AddFiles(command);
  command->add_option("what", options->words, "KIND NAME..., or KIND/NAME...")->type_name("");
  options->manifests.AddNamespace(command, "Where");
  command->add_flag("--ignore-not-found", options->ignore_missing, "What is not there is no error");
  command->add_flag("--wait", options->wait, "As with apply");
  options->dry_run.AddTo(command);
  command->footer(
      "Examples:\n"
      "  triviumctl delete -f web.yaml --wait\n"
      "  triviumctl delete netpol web api -n shop\n"
      "  triviumctl delete ns/shop --dry-run=server\n"
      "  triviumctl delete node n7        # a node that is gone for good");
  command->callback(
      [session, options] { session->run = [session, options] { return Delete(session, *options); }; });
}

}  // namespace trivium::cli
