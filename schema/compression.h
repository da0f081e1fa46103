// Zstandard frames, as envelopes and snapshot chunks carry them. Pure; thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trivium {

absl::StatusOr<std::string> Compress(absl::string_view plain);
// kDataLoss if it is no frame, or says or turns out to be larger than `limit`.
absl::StatusOr<std::string> Decompress(absl::string_view packed, size_t limit);

}  // namespace trivium
