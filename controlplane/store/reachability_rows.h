// Reachability in SQL, one attempt each. Blocking; for a thread of the pool.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controlplane/db/connection.h"
#include "controlplane/store/store.h"

namespace trivium {

// As Store::OpenReachability and Store::WriteReachability.
absl::StatusOr<ReachabilityState> OpenReachabilityOnce(Connection& connection, const ClusterRef& cluster);
absl::Status WriteReachabilityOnce(Connection& connection, const ClusterRef& cluster,
                                   const ReachabilityWrite& write);

}  // namespace trivium
