// --dry-run, as kubectl spells it.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace CLI {
class App;
}

namespace trivium::cli {

class DryRun {
 public:
  // The option; this must outlive the command.
  void AddTo(CLI::App* command);
  // Whether it is one. kInvalidArgument for a kind that there is not.
  absl::StatusOr<bool> Asked() const;

 private:
  std::string text_ = "none";
};

}  // namespace trivium::cli
