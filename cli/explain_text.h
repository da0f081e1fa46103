// `explain`: what a kind or a field of it means. Pure.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trivium::cli {

// `path` is KIND[.field...] ("netpol.spec.ingress"); list indexes may be written and are ignored.
// `recursive`: all fields below, without texts. kInvalidArgument names the fields that there are, and the
// nearest.
absl::StatusOr<std::string> ExplainText(absl::string_view path, bool recursive);

}  // namespace trivium::cli
