// What a SQLSTATE means for the caller: the one table of it. No decision is ever made by an error's text.
//
// Errors of this room are absl::Status with two payloads: the SQLSTATE and the number of the pipeline's step
// that failed. Losses that the client notices itself carry SQLSTATEs too: 08001 (no connection), 08006
// (connection lost), 57014 is the server's own time-out. Pure; thread-safe.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace trivium {

enum class SqlAction {
  kFinal,         // the statement itself is refused: asking again gives the same answer
  kRetry,         // run the whole transaction again on the same connection, after a pause
  kReconnect,     // run it again on another connection, to another host if there is one
  kAmbiguous,     // like kReconnect, but a COMMIT may have happened
  kPrepareAgain,  // the prepared statements are stale: a fresh connection prepares them anew
};

SqlAction ActionFor(absl::string_view sqlstate);

// Makes the error; its code says what a caller outside this room may know of it.
absl::Status SqlError(absl::string_view sqlstate, absl::string_view message,
                      std::optional<size_t> step = std::nullopt);

// Empty if the status did not come from SqlError.
std::string SqlStateOf(const absl::Status& status);
std::optional<size_t> FailedStepOf(const absl::Status& status);

}  // namespace trivium
