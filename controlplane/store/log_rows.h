// The end of log rows, one attempt each. Blocking; for a thread of the pool.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "controlplane/db/connection.h"
#include "controlplane/store/store.h"

namespace trivium {

// As Store::Compact: the floor first, so that no reader takes what is being deleted for the whole log; then
// the rows, `step` of them in a transaction. Rows that an earlier attempt left below the floor go too.
absl::Status CompactOnce(Connection& connection, const ClusterRef& cluster, int64_t floor,
                         const std::string& keep_requests_since, int64_t step);
// As Store::TrimLog, by at most `revisions` revisions.
absl::StatusOr<Trimmed> TrimLogOnce(Connection& connection, const ClusterRef& cluster,
                                    const LogBounds& bounds, size_t revisions, size_t step);

}  // namespace trivium
