// `describe`: one object with what stands around it. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/kinds.h"
#include "cli/style.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::cli {

// What the object's cluster holds beside it; what was not asked for is empty.
struct Surroundings {
  std::string cluster;
  std::map<uint32_t, std::string> nodes;  // number -> name
  std::map<uint32_t, v1::Identity> identities;
  std::vector<v1::Endpoint> endpoints;
  std::vector<v1::Policy> policies;  // of every kind
  std::vector<v1::Cluster> clusters;
  v1::StatusResult status;           // of the cluster's control plane
  std::vector<std::string> unknown;  // what could not be asked, and why
  absl::Time now;
};

// A line for each field; lists below one another. Ends with a newline.
absl::StatusOr<std::string> DescribeText(const KindInfo& kind, const v1::GetResult::Item& item,
                                         const Surroundings& around, const Style& style);

}  // namespace trivium::cli
