#include "cli/manifest_options.h"

#include <CLI/CLI.hpp>

#include "base/status.h"

namespace trivium::cli {

CLI::Option* ManifestOptions::AddFiles(CLI::App* command) {
  CLI::Option* const files =
      command->add_option("-f,--filename", files_, "File, folder or - (standard input); may be repeated")
          ->type_name("FILE")
          ->allow_extra_args(false)
          ->expected(1)
          ->take_all();
  command->add_flag("-R,--recursive", recursive_, "Folders with all that is below them");
  return files;
}

void ManifestOptions::AddNamespace(CLI::App* command, const std::string& what) {
  command->add_option("-n,--namespace", ns_, what)->type_name("NAME");
}

absl::StatusOr<GivenManifests> ManifestOptions::Read(const Session& session, const Context& context) const {
  GivenManifests given;
  TRIVIUM_ASSIGN_OR_RETURN(given.files, ReadManifests(files_, recursive_, *session.in));
  given.parse.cluster = context.cluster;
  given.parse.default_namespace = Namespace(context);
  return given;
}

}  // namespace trivium::cli
