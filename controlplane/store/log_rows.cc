#include "controlplane/store/log_rows.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "controlplane/db/statements.h"
#include "controlplane/store/sql_reads.h"

namespace trivium {

absl::Status CompactOnce(Connection& connection, const ClusterRef& cluster, int64_t floor,
                         const std::string& keep_requests_since, int64_t step) {
  TRIVIUM_RETURN_IF_ERROR(
      connection.Run(Pipeline().Add(sql::kRaiseLogFloor, ClusterParams(cluster).Int(floor))).status());
  TRIVIUM_ASSIGN_OR_RETURN(const StoredHead head, ReadHeadOnce(connection, cluster));
  const int64_t reached = static_cast<int64_t>(head.log_floor);
  auto repeat = [&](const Statement& statement, const Params& params) -> absl::Status {
    while (true) {
      TRIVIUM_ASSIGN_OR_RETURN(const std::vector<SqlResult> results,
                               connection.Run(Pipeline().Add(statement, params)));
      if (results[0].affected() < step) return absl::OkStatus();
    }
  };
  TRIVIUM_RETURN_IF_ERROR(repeat(sql::kDeleteLogStep, ClusterParams(cluster).Int(reached).Int(step)));
  return repeat(sql::kDeleteRequestsStep,
                ClusterParams(cluster).Int(reached).Text(keep_requests_since).Int(step));
}

absl::StatusOr<Trimmed> TrimLogOnce(Connection& connection, const ClusterRef& cluster,
                                    const LogBounds& bounds, size_t revisions, size_t step) {
  TRIVIUM_ASSIGN_OR_RETURN(
      const std::vector<SqlResult> results,
      connection.Run(Pipeline().Add(
          sql::kReadLogAges, ClusterParams(cluster)
                                 .Int(absl::ToInt64Milliseconds(bounds.at_least))
                                 .Int(absl::ToInt64Milliseconds(std::max(bounds.at_least, bounds.at_most)))
                                 .Int(static_cast<int64_t>(revisions)))));
  const SqlResult& row = results[0];
  if (row.rows() == 0) return absl::NotFoundError(absl::StrCat("cluster ", cluster.name, " has no row"));
  const int64_t floor = row.Int(0, 0), head = row.Int(0, 1);
  const int64_t last = row.Int(0, 2);  // of those looked at; 0: the log is empty
  // Everything up to these is old enough to go, and so old that it must.
  const int64_t may = row.Int(0, 3), must = row.Int(0, 4);
  const int64_t beyond = head - static_cast<int64_t>(std::min<uint64_t>(bounds.revisions, INT64_MAX));
  const int64_t wanted = std::max(floor, std::min(may, std::max(must, beyond)));
  Trimmed trimmed;
  trimmed.log_floor = static_cast<uint64_t>(wanted);
  trimmed.more = last > 0 && wanted >= last && last < head;
  if (last == 0 || (wanted == floor && row.Int(0, 5) > floor)) return trimmed;  // nothing at or below it
  // A request goes with the revision that answered it, unless that is younger: what needed none of its own.
  TRIVIUM_RETURN_IF_ERROR(
      CompactOnce(connection, cluster, wanted, row.Bytes(0, 6), static_cast<int64_t>(step)));
  return trimmed;
}

}  // namespace trivium
