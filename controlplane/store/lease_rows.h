// The writer leases in SQL, one attempt each. Blocking; for a thread of the pool.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controlplane/db/connection.h"
#include "controlplane/store/store.h"

namespace trivium {

// As Store::HoldLeases and Store::ReleaseLeases.
absl::StatusOr<std::vector<WriterLease>> HoldLeasesOnce(Connection& connection, uint32_t home,
                                                        const std::vector<uint32_t>& cluster_ids,
                                                        const std::string& holder, absl::Duration lifetime);
absl::Status ReleaseLeasesOnce(Connection& connection, uint32_t home,
                               const std::vector<uint32_t>& cluster_ids, const std::string& holder);

}  // namespace trivium
