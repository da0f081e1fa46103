// What triviumctl's exit status says; documented in `triviumctl --help`.
#pragma once

#include "absl/status/status.h"

namespace trivium::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitRefused = 1,      // refused or failed: the message says why
  kExitUsage = 2,        // the command line or the configuration is wrong
  kExitUnreachable = 3,  // nobody answered: nothing is known to have happened
  kExitTimedOut = 4,     // written, but not enforced everywhere in time
};

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
