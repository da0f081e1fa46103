// Short ways to pass absl::Status on, with the context that makes an error useful to its reader.
//
// Convention of the whole project: no exceptions cross a room; every fallible call returns absl::Status or
// absl::StatusOr. Codes: kInvalidArgument (the caller's input), kNotFound, kAlreadyExists,
// kFailedPrecondition (wrong state), kResourceExhausted (full; try later), kUnavailable (peer or server gone;
// retry), kDeadlineExceeded, kAborted (lost a race; re-read and retry), kPermissionDenied, kDataLoss (corrupt
// bytes), kInternal (our bug).
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trivium {

// The same code with "context: " in front of the message. OK stays OK.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

}  // namespace trivium

#define TRIVIUM_CONCAT_INNER_(a, b) a##b
#define TRIVIUM_CONCAT_(a, b) TRIVIUM_CONCAT_INNER_(a, b)

#define TRIVIUM_RETURN_IF_ERROR(expr)                                                         \
  do {                                                                                        \
    if (absl::Status trivium_status_ = (expr); !trivium_status_.ok()) return trivium_status_; \
  } while (false)

#define TRIVIUM_ASSIGN_OR_RETURN(lhs, expr) \
  TRIVIUM_ASSIGN_OR_RETURN_IMPL_(TRIVIUM_CONCAT_(trivium_or_, __LINE__), lhs, expr)
#define TRIVIUM_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                                   \
  if (!tmp.ok()) return std::move(tmp).status();       \
  lhs = *std::move(tmp)
