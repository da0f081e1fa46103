#include "nodeagent/kernel/conntrack_sweeper.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "base/status.h"
#include "bpf/abi/types.h"
#include "nodeagent/kernel/batch.h"

namespace trivium {
namespace {

constexpr absl::Duration kGrace = absl::Minutes(1);

absl::StatusOr<size_t> SweepMap(int fd, uint64_t before_ns, size_t* removed) {
  std::vector<uint8_t> keys, values, expired;
  TRIVIUM_RETURN_IF_ERROR(LookupAll(fd, sizeof(ct_key), sizeof(ct_value), &keys, &values));
  const size_t count = keys.size() / sizeof(ct_key);
  for (size_t i = 0; i < count; ++i) {
    ct_value value;
    std::memcpy(&value, values.data() + i * sizeof(ct_value), sizeof(ct_value));
    if (value.expires_ns >= before_ns) continue;
    const auto key = keys.begin() + static_cast<std::ptrdiff_t>(i * sizeof(ct_key));
    expired.insert(expired.end(), key, key + sizeof(ct_key));
  }
  const size_t wanted = expired.size() / sizeof(ct_key);
  absl::Status failure;
  RunBatches(
      wanted,
      [&](size_t first, uint32_t* done) {
        return bpf_map_delete_batch(fd, expired.data() + first * sizeof(ct_key), done, nullptr) == 0 ? 0
                                                                                                     : errno;
      },
      ENOENT,
      [&](size_t, int error) { failure.Update(absl::ErrnoToStatus(error, "delete conntrack entries")); });
  TRIVIUM_RETURN_IF_ERROR(failure);
  *removed += wanted;
  return count - wanted;
}

}  // namespace

absl::StatusOr<ConntrackSweep> SweepConntrack(const Datapath& datapath, absl::Duration now) {
  const int64_t before = absl::ToInt64Nanoseconds(now - kGrace);
  const uint64_t before_ns = before > 0 ? static_cast<uint64_t>(before) : 0;
  ConntrackSweep sweep;
  TRIVIUM_ASSIGN_OR_RETURN(sweep.allowed, SweepMap(datapath.conntrack_fd(), before_ns, &sweep.removed));
  TRIVIUM_ASSIGN_OR_RETURN(sweep.denied, SweepMap(datapath.conntrack_denied_fd(), before_ns, &sweep.removed));
  return sweep;
}

}  // namespace trivium
