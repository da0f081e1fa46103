#include "nodeagent/kernel/batch.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace trivium {
namespace {
constexpr size_t kBatch = 4096;
constexpr size_t kLargestBatch = 1 << 20;
}  // namespace

void RunBatches(size_t total, absl::FunctionRef<int(size_t first, uint32_t* count)> call, int ignored,
                absl::FunctionRef<void(size_t index, int error)> failed) {
  for (size_t first = 0; first < total;) {
    const uint32_t wanted = static_cast<uint32_t>(std::min(kBatch, total - first));
    uint32_t done = wanted;
    const int error = call(first, &done);
    if (error == 0) {
      first += wanted;
      continue;
    }
    // An error before the first record (no memory for the call's own buffers) leaves the count as it was.
    if (done >= wanted) done = 0;
    first += done;
    if (error != ignored) failed(first, error);
    ++first;
  }
}

absl::Status LookupAll(int fd, size_t key_size, size_t value_size, std::vector<uint8_t>* keys,
                       std::vector<uint8_t>* values) {
  // The cursor is a key for LPM tries and four bytes for hashes.
  std::vector<uint8_t> from(std::max<size_t>(key_size, 4)), to(from.size());
  size_t room = kBatch;
  bool begun = false;
  while (true) {
    const size_t keys_at = keys->size(), values_at = values->size();
    keys->resize(keys_at + room * key_size);
    values->resize(values_at + room * value_size);
    uint32_t count = static_cast<uint32_t>(room);
    const int result =
        bpf_map_lookup_batch(fd, begun ? from.data() : nullptr, to.data(), keys->data() + keys_at,
                             values->data() + values_at, &count, nullptr);
    const int error = result == 0 ? 0 : errno;
    const bool got = error == 0 || error == ENOENT;
    keys->resize(keys_at + (got ? count : 0) * key_size);
    values->resize(values_at + (got ? count : 0) * value_size);
    if (error == ENOENT) return absl::OkStatus();
    if (error == ENOSPC && room < kLargestBatch) {
      room *= 2;  // a bucket has more entries than there was room for
      continue;
    }
    if (error != 0) return absl::ErrnoToStatus(error, "read a batch of map entries");
    begun = true;
    std::swap(from, to);
  }
}

}  // namespace trivium
