// `status`: the mesh as several control planes report it. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/object_json.h"
#include "cli/style.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::cli {

// What one control plane (of `cluster`) said, or why it said nothing.
struct StatusAnswer {
  std::string cluster;
  absl::StatusOr<v1::StatusResult> result;
  std::vector<v1::Liveness> down;  // what that cluster sees down
};

// Regions and clusters with their heads, then every agent and how far behind the newest known head of each
// cluster it is, and what is down as each cluster sees it; between the two, whether each cluster is connected
// with all control planes asked, how far they lag, and how many of its nodes are ready. Wide: one line for
// each agent and cluster.
std::string StatusText(const std::vector<StatusAnswer>& answers, absl::Time now, bool wide,
                       const Style& style);
// What keeps the mesh from being ready, a sentence each; empty: everybody asked answers, every control plane
// holds every cluster at its head, and every node of theirs enforces all of it.
std::vector<std::string> NotReady(const std::vector<StatusAnswer>& answers, absl::Time now);
// The same for programs. "inStep": everybody asked has answered, and every node of theirs enforces every head
// they know.
Json StatusJson(const std::vector<StatusAnswer>& answers, absl::Time now);

}  // namespace trivium::cli
