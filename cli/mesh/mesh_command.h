// `triviumctl mesh`: what concerns a mesh as a whole, before and beside any control plane.
#pragma once

#include "cli/session.h"

namespace CLI {
class App;
}

namespace trivium::cli {

void AddMeshCommand(CLI::App* app, Session* session);

}  // namespace trivium::cli
