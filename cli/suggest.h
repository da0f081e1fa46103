// "Did you mean ...?": the known word nearest to one that is not known. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace trivium::cli {

// How many letters must be added, taken away, replaced or exchanged with their neighbour.
size_t EditDistance(absl::string_view a, absl::string_view b);

// The nearest of `known` without regard to case, if it is near enough to be meant; else "".
std::string Nearest(absl::string_view word, absl::Span<const std::string> known);

// "; did you mean 'x'?", or "" without one.
std::string DidYouMean(absl::string_view word, absl::Span<const std::string> known);

}  // namespace trivium::cli
