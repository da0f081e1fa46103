// The configuration file of trivium-relay (docs/events.md). Value type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/listen_address.h"
#include "bus/event_stream.h"
#include "controlplane/config_parts.h"
#include "controlplane/store/store.h"

namespace trivium {

// Who may read which events durably.
struct EventSubscriber {
  std::string name;
  std::string cluster;             // whose events
  std::vector<std::string> kinds;  // empty: every kind
};

struct RelayConfig {
  std::string instance;              // unique in the mesh
  std::vector<ClusterRef> clusters;  // at least one; the mesh's own log is "_mesh"
  ControlPlaneConfig::Endpoints nats;
  SqlPlace sql;
  std::vector<EventSubscriber> subscribers;
  uint64_t max_age_s = 7 * 86'400;
  uint64_t max_bytes = uint64_t{1} << 30;  // of each stream
  uint64_t replicas = 1;
  uint64_t poll_ms = 250;
  std::string log_level = "info";
  std::string log_format = "text";
  ListenAddress metrics{"127.0.0.1", 9462};

  // Checks everything that can be checked without a server. Errors name file, line, key and what would be
  // right.
  static absl::StatusOr<RelayConfig> Parse(absl::string_view text, const std::string& path);

  // As whom it connects: "<first cluster>:relay:<instance>".
  std::string Principal() const;
  StreamConfig Stream() const;
  // The durable consumers of that cluster's stream.
  std::vector<ConsumerConfig> ConsumersOf(const std::string& cluster) const;
};

}  // namespace trivium
