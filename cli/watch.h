// `get -w`: a cluster's objects as they change, read from its feed. Blocking, for main threads only.
//
// A client of role ctl may subscribe to feeds (cli/mesh/nats_config.cc), so that a change is seen when agents
// see it. The feed promises nothing: after a gap, a new epoch or too many messages the objects are listed
// anew, and what differs from what has been shown is shown. The heads' beacons tell of messages lost at the
// end.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "cli/listing.h"

namespace trivium::cli {

struct WatchOptions {
  bool changes_only = false;
  bool events = false;
  uint64_t count = 0;  // end after so many changes; 0: never
};

// The exit status. Errors: nobody answers the first list.
absl::StatusOr<int> Watch(Session* session, Client* client, Fetcher* fetcher, const Wanted& wanted,
                          const ListOptions& list, const WatchOptions& options);

}  // namespace trivium::cli
