#include "controlplane/db/sql_state.h"

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace trivium {
namespace {

constexpr char kStatePayload[] = "trivium/sqlstate";
constexpr char kStepPayload[] = "trivium/sql-step";

// The longest prefix that matches decides.
struct Entry {
  const char* prefix;
  SqlAction action;
  absl::StatusCode code;
};
constexpr Entry kTable[] = {
    {"08", SqlAction::kAmbiguous, absl::StatusCode::kUnavailable},     // connection exception, also ours
    {"08001", SqlAction::kReconnect, absl::StatusCode::kUnavailable},  // never connected: nothing was sent
    {"08004", SqlAction::kReconnect, absl::StatusCode::kUnavailable},
    {"0A000", SqlAction::kPrepareAgain, absl::StatusCode::kInternal},  // "cached plan must not change ..."
    {"23505", SqlAction::kFinal, absl::StatusCode::kAlreadyExists},
    {"25006", SqlAction::kReconnect, absl::StatusCode::kUnavailable},  // this host became a standby
    {"26000", SqlAction::kPrepareAgain, absl::StatusCode::kInternal},  // unknown prepared statement
    {"28", SqlAction::kFinal, absl::StatusCode::kPermissionDenied},
    {"40001", SqlAction::kRetry, absl::StatusCode::kUnavailable},      // serialization failure
    {"40003", SqlAction::kAmbiguous, absl::StatusCode::kUnavailable},  // completion unknown
    {"40P01", SqlAction::kRetry, absl::StatusCode::kUnavailable},      // deadlock
    {"42501", SqlAction::kFinal, absl::StatusCode::kPermissionDenied},
    {"42703", SqlAction::kFinal, absl::StatusCode::kFailedPrecondition},  // unknown column: another schema
    {"42P01", SqlAction::kFinal, absl::StatusCode::kFailedPrecondition},  // unknown table
    {"53", SqlAction::kRetry, absl::StatusCode::kUnavailable},            // out of disk, memory
    {"53300", SqlAction::kReconnect, absl::StatusCode::kUnavailable},     // too many connections
    {"55P03", SqlAction::kRetry, absl::StatusCode::kUnavailable},         // lock not available
    {"57014", SqlAction::kRetry, absl::StatusCode::kUnavailable},         // statement_timeout
    {"57P", SqlAction::kAmbiguous, absl::StatusCode::kUnavailable},       // shutdown, crash, starting up
    {"58", SqlAction::kAmbiguous, absl::StatusCode::kUnavailable},        // I/O error on the server
    {"XXUUU", SqlAction::kReconnect, absl::StatusCode::kUnavailable},     // CockroachDB: clock skew
};

const Entry* Find(absl::string_view sqlstate) {
  const Entry* best = nullptr;
  size_t best_length = 0;
  for (const Entry& entry : kTable) {
    const absl::string_view prefix(entry.prefix);
    if (absl::StartsWith(sqlstate, prefix) && prefix.size() > best_length) {
      best = &entry;
      best_length = prefix.size();
    }
  }
  return best;
}

}  // namespace

SqlAction ActionFor(absl::string_view sqlstate) {
  const Entry* entry = Find(sqlstate);
  return entry != nullptr ? entry->action : SqlAction::kFinal;
}

absl::Status SqlError(absl::string_view sqlstate, absl::string_view message, std::optional<size_t> step) {
  const Entry* entry = Find(sqlstate);
  absl::Status status(entry != nullptr ? entry->code : absl::StatusCode::kInternal,
                      absl::StrCat("SQL ", sqlstate, ": ", message));
  status.SetPayload(kStatePayload, absl::Cord(sqlstate));
  if (step.has_value()) status.SetPayload(kStepPayload, absl::Cord(absl::StrCat(*step)));
  return status;
}

std::string SqlStateOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kStatePayload);
  return payload.has_value() ? std::string(*payload) : std::string();
}

std::optional<size_t> FailedStepOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kStepPayload);
  size_t step = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &step)) return std::nullopt;
  return step;
}

}  // namespace trivium
