// Logging for both daemons: spdlog, one line an event, `key=value` pairs after the message so that machines
// can read it too. Call spdlog::info and its sisters directly.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace trivium {

// Sends the default logger to stderr with the process name in each line. Level: trace, debug, info, warn,
// error, off; kInvalidArgument for any other word.
absl::Status InitLogging(const std::string& process, const std::string& level);

}  // namespace trivium
