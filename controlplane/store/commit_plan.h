// A commit as one pipeline: BEGIN, the compare-and-set, the log row, then everything else, COMMIT. Pure.
#pragma once

#include <cstddef>

#include "absl/status/statusor.h"
#include "controlplane/db/connection.h"
#include "controlplane/store/store.h"

namespace trivium {

// Where the log row stands in the pipeline: if this step fails on its key (23502, 23505), the race was lost.
inline constexpr size_t kLogStep = 2;

// kInvalidArgument for what can never be committed: a batch that does not follow the expected head, or an
// object that no row can hold.
absl::StatusOr<Pipeline> PlanCommit(const CommitRequest& request);

}  // namespace trivium
