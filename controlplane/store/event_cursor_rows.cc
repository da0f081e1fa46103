#include "controlplane/store/event_cursor_rows.h"

#include <vector>

#include "base/status.h"
#include "controlplane/db/statements.h"
#include "controlplane/store/sql_reads.h"

namespace trivium {

absl::StatusOr<std::optional<EventCursor>> ReadEventCursorOnce(Connection& connection,
                                                               const ClusterRef& cluster) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<SqlResult> results,
                           connection.Run(Pipeline().Add(sql::kReadEventCursor, ClusterParams(cluster))));
  const SqlResult& row = results[0];
  if (row.rows() == 0) return std::nullopt;
  EventCursor cursor;
  cursor.event = row.Bytes(0, 0);
  cursor.changes = static_cast<uint32_t>(row.Int(0, 1));
  cursor.batch = row.Id(0, 2);
  cursor.sequence = static_cast<uint64_t>(row.Int(0, 3));
  cursor.stream = row.Bytes(0, 4);
  return cursor;
}

absl::Status WriteEventCursorOnce(Connection& connection, const ClusterRef& cluster,
                                  const EventCursor& cursor) {
  return connection
      .Run(Pipeline().Add(sql::kWriteEventCursor, ClusterParams(cluster)
                                                      .Text(cursor.event)
                                                      .Int(cursor.changes)
                                                      .Id(cursor.batch)
                                                      .Int(static_cast<int64_t>(cursor.sequence))
                                                      .Text(cursor.stream)))
      .status();
}

}  // namespace trivium
