#include "controlplane/store/lease_rows.h"

#include <algorithm>

#include "base/status.h"
#include "controlplane/db/statements.h"

namespace trivium {
namespace {

// Sorted, so that two control planes take the rows in one order and never wait for each other in a circle.
ArrayText Ids(std::vector<uint32_t> cluster_ids) {
  std::sort(cluster_ids.begin(), cluster_ids.end());
  cluster_ids.erase(std::unique(cluster_ids.begin(), cluster_ids.end()), cluster_ids.end());
  ArrayText ids;
  for (const uint32_t id : cluster_ids) ids.AddInt(id);
  return ids;
}

}  // namespace

absl::StatusOr<std::vector<WriterLease>> HoldLeasesOnce(Connection& connection, uint32_t home,
                                                        const std::vector<uint32_t>& cluster_ids,
                                                        const std::string& holder, absl::Duration lifetime) {
  const ArrayText ids = Ids(cluster_ids);
  TRIVIUM_ASSIGN_OR_RETURN(
      const std::vector<SqlResult> results,
      connection.Run(Pipeline()
                         .Add(sql::kHoldLeases, Params().Int(home).Array(ids).Text(holder).Int(
                                                    absl::ToInt64Milliseconds(lifetime)))
                         .Add(sql::kReadLeases, Params().Int(home).Array(ids))));
  const SqlResult& rows = results[1];
  std::vector<WriterLease> leases;
  for (int i = 0; i < rows.rows(); ++i) {
    leases.push_back(WriterLease{static_cast<uint32_t>(rows.Int(i, 0)), rows.Bytes(i, 1),
                                 static_cast<uint64_t>(rows.Int(i, 2)), absl::Milliseconds(rows.Int(i, 3))});
  }
  return leases;
}

absl::Status ReleaseLeasesOnce(Connection& connection, uint32_t home,
                               const std::vector<uint32_t>& cluster_ids, const std::string& holder) {
  return connection
      .Run(Pipeline().Add(sql::kReleaseLeases, Params().Int(home).Array(Ids(cluster_ids)).Text(holder)))
      .status();
}

}  // namespace trivium
