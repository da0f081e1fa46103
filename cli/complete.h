// What may come next on a command line that is not finished: `triviumctl __complete WORD...`, which the
// shells' scripts (completion_command.cc) call at every press of the key.
#pragma once

#include <string>
#include <vector>

#include "cli/session.h"

namespace CLI {
class App;
}

namespace trivium::cli {

inline constexpr char kCompleteCommand[] = "__complete";

// Words that could stand where the last of `words` is (perhaps begun, perhaps empty), sorted, each once:
// commands, options, kinds, fields, contexts, and names of objects, for which the control plane is asked and
// given a moment. Nothing that fails is an error: there are fewer words then.
std::vector<std::string> Complete(const CLI::App& app, Session* session,
                                  const std::vector<std::string>& words);

}  // namespace trivium::cli
