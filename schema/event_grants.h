// Which durable consumers a subscriber of events has, and what they hold: told to the relay, which makes
// them, and to `triviumctl mesh init`, which permits them. Pure; thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace trivium {

// A kind of object that events can be granted of: "policy", "endpoint", ...
bool IsEventKind(absl::string_view kind);
// "region, cluster, ...", for messages.
std::string EventKindList();

// Names and subjects of a subscriber's consumers of one cluster's stream. Without kinds there is one, of
// everything in the log's order; else one of each kind, and one of what happens to the log itself.
std::vector<std::pair<std::string, std::string>> EventConsumers(absl::string_view subscriber,
                                                                absl::string_view cluster,
                                                                const std::vector<std::string>& kinds);

}  // namespace trivium
