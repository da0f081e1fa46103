// The reading transactions of SqlStore, one attempt each. Blocking; for a thread of the pool.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/db/connection.h"
#include "controlplane/store/store.h"

namespace trivium {

// What every statement about one cluster begins with.
Params ClusterParams(const ClusterRef& cluster);

// A row of kReadHead or kRaiseEpoch. kNotFound if there is none.
absl::StatusOr<StoredHead> HeadOf(const ClusterRef& cluster, const SqlResult& result);

absl::StatusOr<StoredHead> OpenClusterOnce(Connection& connection, const ClusterRef& cluster);
absl::StatusOr<StoredHead> ReadHeadOnce(Connection& connection, const ClusterRef& cluster);
absl::StatusOr<std::vector<v1::Head>> ReadHeadsOnce(Connection& connection, uint32_t home,
                                                    absl::Duration limit);
absl::StatusOr<std::vector<LogRow>> ReadLogOnce(Connection& connection, const ClusterRef& cluster,
                                                uint64_t after, size_t limit, size_t max_bytes);
absl::StatusOr<v1::Snapshot> ReadSnapshotOnce(Connection& connection, const ClusterRef& cluster);
absl::StatusOr<IdentityLife> ReadIdentityLifeOnce(Connection& connection, const ClusterRef& cluster);
// Raises the epoch and makes the digest that of the objects that are there.
absl::StatusOr<NewEpoch> BumpEpochOnce(Connection& connection, const ClusterRef& cluster,
                                       uint64_t unix_seconds, const AuditRow& why);

}  // namespace trivium
