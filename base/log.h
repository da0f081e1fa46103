// Logging for both daemons: spdlog, one line an event: what happened, then `key=value` pairs, so that
// machines can read it too. Call spdlog::info and its sisters directly.
//
// The words say what happened and are always the same for one event; everything that differs is a pair, and
// texts that may hold blanks are quoted: `cannot catch up cluster={} error="{}"`. Whatever concerns a
// cluster's log names `cluster`, and `revision` where there is one (tests/arch checks the form).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace trivium {

// Sends the default logger to stderr, with the process name in each line. Level: trace, debug, info, warn,
// error, off; format: text or json (one object a line, the pairs as members). kInvalidArgument for any other
// word.
absl::Status InitLogging(const std::string& process, const std::string& level,
                         const std::string& format = "text");

// A message's words and its pairs, quotes taken off.
struct LogMessage {
  std::string words;
  std::vector<std::pair<std::string, std::string>> pairs;
};
LogMessage SplitLogMessage(absl::string_view message);

// One line, without its end. Whatever the message holds, it stays one line.
std::string TextLogLine(absl::Time time, absl::string_view level, absl::string_view process,
                        absl::string_view message);
std::string JsonLogLine(absl::Time time, absl::string_view level, absl::string_view process,
                        absl::string_view message);

}  // namespace trivium
