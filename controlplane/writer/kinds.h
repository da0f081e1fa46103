// Kinds of objects as people write them. Pure; thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "schema/object.h"

namespace trivium {

struct NamedKind {
  v1::Kind kind = v1::KIND_UNSPECIFIED;
  std::string name;         // "NetworkPolicy"
  bool namespaced = false;  // lives in a namespace
};

// Any case, singular, plural or short: "NetworkPolicy", "networkpolicies", "netpol". kInvalidArgument, with
// what would be right, for others.
absl::StatusOr<NamedKind> ParseKind(absl::string_view text);

// "NetworkPolicy shop/db", "Namespace shop": for messages.
std::string DisplayName(absl::string_view kind, absl::string_view ns, absl::string_view name);

}  // namespace trivium
