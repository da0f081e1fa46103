// Files in one: the ustar format, as `tar xf` reads it. Pure.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace trivium::cli {

// `files`: path -> content. kInvalidArgument for a path that the format cannot hold (100 bytes).
absl::StatusOr<std::string> MakeTar(const std::map<std::string, std::string>& files, absl::Time time);

}  // namespace trivium::cli
