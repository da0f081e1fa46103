// What the configuration files of several daemons have in common: the servers they connect to.
// Errors name file, line, key and what would be right. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/yaml_section.h"
#include "controlplane/config.h"
#include "controlplane/db/server_options.h"

namespace trivium {

// The section `nats` of a daemon's file.
absl::Status ReadNatsSection(const YamlSection& top, ControlPlaneConfig::Endpoints* out);

// The section `sql`.
struct SqlPlace {
  ControlPlaneConfig::Endpoints servers;
  std::vector<std::string> far_hosts;
  std::vector<std::pair<uint32_t, std::string>> regions;
  std::string database;
  std::string user;
};
absl::Status ReadSqlSection(const YamlSection& top, SqlPlace* out);

// kInvalidArgument for a host that is none.
absl::StatusOr<SqlServerOptions> SqlOptionsOf(const SqlPlace& place, const std::string& application);

}  // namespace trivium
