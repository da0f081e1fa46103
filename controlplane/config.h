// The control plane's configuration file (docs/configuration.md). Value type.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/listen_address.h"
#include "schema/codec.h"
#include "trivium/v1/objects.pb.h"

namespace trivium {

// A cluster, as the control plane that serves it is told of it.
struct ServedCluster {
  std::string name;
  uint32_t id = 0;
  std::string region;
  uint32_t home = 0;  // number of the region
  uint32_t address_space = 0;
  std::vector<v1::Cidr> pod_cidrs;
};

struct ControlPlaneConfig {
  struct Endpoints {
    std::vector<std::string> servers;
    std::string ca;  // PEM files; all three or none
    std::string cert;
    std::string key;
  };

  std::string instance;                 // unique in the mesh
  std::vector<ServedCluster> clusters;  // at least one; names and numbers are each there once
  Endpoints nats;
  Endpoints sql;                           // servers are host:port
  std::vector<std::string> sql_far_hosts;  // of other regions: tried when none of `sql.servers` answers
  // CockroachDB only: home numbers and the names that it has for those regions.
  std::vector<std::pair<uint32_t, std::string>> sql_regions;
  std::string sql_database;
  std::string sql_user;
  std::string log_level = "info";
  std::string log_format = "text";
  ListenAddress metrics{"127.0.0.1", 9460};
  uint64_t beacon_ms = 500;
  uint64_t liveness_ms = 5000;                 // what dies is known to be dead after that time
  uint64_t identity_grace_s = 900;             // how long an identity without endpoints is kept
  uint64_t identities_ahead = 1024;            // numbers that are leased before they are needed
  uint64_t log_revisions = 100'000;            // of a log older than a quarter of an hour that stay
  uint64_t log_age_s = 3600;                   // how long a revision stays in its log at most
  bool reachability_keep = false;              // admin_reachability is kept fresh
  uint64_t reachability_max_rows = 1'000'000;  // of a cluster; beyond, none are written
  // No setting: simulations, whose load is small, plan ahead sooner.
  size_t plan_ahead_from = kMaxBatchChanges;

  // Checks everything that can be checked without a server. Errors name file, line, key and what would be
  // right. Files named in it are made absolute, relative to the file's own folder.
  static absl::StatusOr<ControlPlaneConfig> Parse(absl::string_view text, const std::string& path);

  // As whom it connects: "<first cluster>:cp:<instance>".
  std::string Principal() const;
};

}  // namespace trivium
