#include "cli/dry_run.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"

namespace trivium::cli {

void DryRun::AddTo(CLI::App* command) {
  command->add_flag(
      "--dry-run{server}", text_,
      "server (also without a value): have it judged and say what would change, change nothing; none");
}

absl::StatusOr<bool> DryRun::Asked() const {
  if (text_ == "server" || text_ == "true") return true;
  if (text_ == "none" || text_ == "false") return false;
  return absl::InvalidArgumentError(
      absl::StrCat("--dry-run '", text_,
                   "': write server or none (manifests are read by the client in any case, before "
                   "anything is sent)"));
}

}  // namespace trivium::cli
