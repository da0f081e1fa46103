// `diff`: what an apply would change of the manifests, as kubectl diff says it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "base/status.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/fetcher.h"
#include "cli/get_table.h"
#include "cli/manifest_diff.h"
#include "cli/manifest_options.h"

namespace trivium::cli {
namespace {

absl::StatusOr<bool> Differ(Session* session, const ManifestOptions& manifests) {
  TRIVIUM_ASSIGN_OR_RETURN(const Context context, session->ChosenContext());
  TRIVIUM_ASSIGN_OR_RETURN(const absl::Duration timeout, session->Timeout());
  TRIVIUM_ASSIGN_OR_RETURN(const GivenManifests given, manifests.Read(*session, context));
  // Everything is understood before anybody is asked.
  TRIVIUM_RETURN_IF_ERROR(ParseAll(given.files, given.parse).status());
  TRIVIUM_ASSIGN_OR_RETURN(const std::unique_ptr<Connection> connection, session->connect(context));
  Fetcher fetcher(&connection->client(), timeout);
  bool differ = false;
  for (const ManifestFile& file : given.files) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<policy::Parsed> parsed, ParseAll({&file, 1}, given.parse));
    for (const policy::Parsed& one : parsed) {
      TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, KindOfObject(one.object));
      const absl::StatusOr<v1::GetResult> live =
          fetcher.Get(*kind, context.cluster, NamespaceOf(one.object), DisplayName(one.object));
      if (!live.ok() && !absl::IsNotFound(live.status())) return live.status();
      const bool there = live.ok() && live->items_size() == 1;
      TRIVIUM_ASSIGN_OR_RETURN(const std::string text,
                               ManifestDiff(there ? &live->items(0) : nullptr, one, file.name));
      *session->out << text;
      differ = differ || !text.empty();
    }
  }
  session->out->flush();
  return differ;
}

// 1 says that something differs, so that no failure may say it.
absl::StatusOr<int> Diff(Session* session, const ManifestOptions& manifests) {
  const absl::StatusOr<bool> differ = Differ(session, manifests);
  if (differ.ok()) return *differ ? kExitDiffers : kExitOk;
  *session->err << ErrorText(differ.status(), *session);
  return std::max<int>(kExitUsage, ExitCodeFor(differ.status()));
}

}  // namespace

void AddDiffCommand(CLI::App* app, Session* session) {
  auto manifests = std::make_shared<ManifestOptions>();
  CLI::App* command =
      app->add_subcommand("diff", "What an apply of these manifests would change of the live ones");
  manifests->AddFiles(command)->required();
  manifests->AddNamespace(command);
  command->footer(
      "Exit status: 0 nothing differs; 1 something does; 2 or more: it could not be found out.\n"
      "Whom the change would let through or shut out: triviumctl policy diff.\n"
      "Examples:\n"
      "  triviumctl diff -f web.yaml\n"
      "  triviumctl diff -R -f policies/ -n shop || triviumctl apply -R -f policies/ -n shop");
  command->callback(
      [session, manifests] { session->run = [session, manifests] { return Diff(session, *manifests); }; });
}

}  // namespace trivium::cli
