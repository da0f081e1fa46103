// Batched map calls with exact failures, for any map.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace trivium {

// Runs `call(first, &count)`, which does records from `first` on, stops at the first failure, sets count to
// what it did and returns 0 or an errno. Skips each record that fails and reports it, unless `ignored`.
void RunBatches(size_t total, absl::FunctionRef<int(size_t first, uint32_t* count)> call, int ignored,
                absl::FunctionRef<void(size_t index, int error)> failed);

// Every record of a hash or LPM map, keys and values packed. Entries that are written meanwhile may be there
// or not.
absl::Status LookupAll(int fd, size_t key_size, size_t value_size, std::vector<uint8_t>* keys,
                       std::vector<uint8_t>* values);

}  // namespace trivium
