// The cursors of published events in SQL, one attempt each. Blocking; for a thread of the pool.
#pragma once

#include <optional>

#include "absl/status/statusor.h"
#include "controlplane/db/connection.h"
#include "controlplane/store/event_cursors.h"

namespace trivium {

// As EventCursors::ReadEventCursor and EventCursors::WriteEventCursor.
absl::StatusOr<std::optional<EventCursor>> ReadEventCursorOnce(Connection& connection,
                                                               const ClusterRef& cluster);
absl::Status WriteEventCursorOnce(Connection& connection, const ClusterRef& cluster,
                                  const EventCursor& cursor);

}  // namespace trivium
