// The differences of two texts in diff -u's form. Pure.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace trivium::cli {

// "" if they are equal; else a head with both names and hunks with three lines around what differs.
std::string UnifiedDiff(absl::string_view before, absl::string_view after, absl::string_view before_name,
                        absl::string_view after_name);

}  // namespace trivium::cli
