// The agent's Unix socket (agent_api.proto) as the command line uses it. Blocking, for main threads only.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "trivium/v1/agent_api.pb.h"

namespace trivium::cli {

// One request on a connection of its own. An answer whose code is not OK becomes an error with its code and
// message; kUnavailable: there is no agent at `path`, or it went away or said nothing for `timeout`.
absl::StatusOr<v1::AgentReply> CallAgent(const std::string& path, v1::AgentRequest request,
                                         absl::Duration timeout);

// Values of `endpoint add` as users write them.
absl::StatusOr<std::string> ParseIp(absl::string_view text);           // 4 or 16 bytes
absl::StatusOr<std::string> ParseMac(absl::string_view text);          // 6 bytes
absl::StatusOr<v1::NamedPort> ParseNamedPort(absl::string_view text);  // "http=80/TCP"; TCP if left out
absl::StatusOr<std::pair<std::string, std::string>> ParseLabel(absl::string_view text);  // "app=db"

}  // namespace trivium::cli
