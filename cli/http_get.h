// One GET over plain HTTP, for the daemons' metrics pages. Blocking, for main threads only.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace trivium::cli {

// `url`: http://HOST:PORT/PATH. The body of a 200 answer, at most 16 MiB. kInvalidArgument: no such URL;
// kUnavailable: nobody answers there, or not in time, or something else than 200.
absl::StatusOr<std::string> HttpGet(const std::string& url, absl::Duration timeout);

}  // namespace trivium::cli
