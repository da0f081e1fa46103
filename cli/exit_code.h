// What triviumctl's exit status says; documented in `triviumctl --help`, `triviumctl help exit-codes` and
// docs/cli.md.
#pragma once

#include "absl/status/status.h"

namespace trivium::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitRefused = 1,      // refused or failed: the message says why
  kExitDiffers = 1,      // of `diff` alone: something differs
  kExitUsage = 2,        // the command line or the configuration is wrong
  kExitUnreachable = 3,  // nobody answered: nothing is known to have happened
  kExitTimedOut = 4,     // written, but not enforced everywhere in time
};

// The same for people, a line each.
inline constexpr char kExitCodesText[] =
    "0  done\n"
    "1  refused or failed, and the message says why; of `diff` and `policy diff`: something differs\n"
    "2  wrong usage or configuration; of `diff` and `policy diff`: it could not be found out\n"
    "3  nobody answered: nothing is known to have happened, and repeating the command is safe\n"
    "4  not in time: written, but not enforced everywhere within --timeout (apply, delete, rollout status), "
    "or "
    "not in step (status --wait)\n";

inline ExitCode ExitCodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kExitUnreachable;
    default:
      return kExitRefused;
  }
}

}  // namespace trivium::cli
