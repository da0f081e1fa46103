// Which objects a command line names: KIND[,KIND] [NAME...] or KIND/NAME... Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/kinds.h"

namespace trivium::cli {

struct Wanted {
  const KindInfo* kind = nullptr;
  std::vector<std::string> names;  // empty: all of the kind
};

// One entry for each kind, in the order given. kInvalidArgument: unknown kinds, both forms in one line.
absl::StatusOr<std::vector<Wanted>> ParseWanted(const std::vector<std::string>& words);

}  // namespace trivium::cli
