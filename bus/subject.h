// Subjects as every bus implementation understands them: tokens between dots; '*' stands for one token, '>'
// at the end for one or more. Pure; thread-safe.
#pragma once

#include "absl/strings/string_view.h"

namespace trivium {

// May be published to: no empty token, no wildcard, no white space.
bool IsLiteralSubject(absl::string_view subject);
// May be subscribed to.
bool IsSubjectPattern(absl::string_view subject);
// Both well-formed.
bool SubjectMatches(absl::string_view pattern, absl::string_view subject);

}  // namespace trivium
