#include "cli/mesh/mesh_command.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>

#include "absl/strings/str_join.h"
#include "base/status.h"
#include "cli/exit_code.h"
#include "cli/mesh/mesh_init.h"

namespace trivium::cli {

void AddMeshCommand(CLI::App* app, Session* session) {
  CLI::App* mesh = app->add_subcommand("mesh", "Set up a mesh");
  mesh->require_subcommand(1);
  CLI::App* init = mesh->add_subcommand(
      "init", "Make certificates and all configuration from one description of the mesh; may be run again");
  auto options = std::make_shared<MeshInitOptions>();
  init->add_option("-f,--filename", options->spec, "The description of the mesh (mesh.yaml)")->required();
  init->add_option("-o,--output", options->folder, "The folder that everything goes to")->required();
  init->footer("Example:\n  triviumctl mesh init -f mesh.yaml -o /etc/trivium");
  init->callback([options, session] {
    session->run = [options, session]() -> absl::StatusOr<int> {
      options->files = RealFiles();
      options->clock = session->clock;
      TRIVIUM_ASSIGN_OR_RETURN(const MeshInitResult made, MeshInit(*options));
      *session->out << "mesh \"" << made.mesh << "\": " << made.certificates_made
                    << " certificates made, configuration in " << options->folder
                    << "\ncontexts for triviumctl --config " << options->folder
                    << "/triviumctl.yaml: " << absl::StrJoin(made.contexts, ", ") << "\n"
                    << "Keep " << options->folder
                    << "/ca.key in a safe place: who has it can make any certificate.\n";
      return kExitOk;
    };
  });
}

}  // namespace trivium::cli
