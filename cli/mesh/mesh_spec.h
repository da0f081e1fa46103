// mesh.yaml: the one description of a mesh that `triviumctl mesh init` turns into certificates and
// configuration. See docs/nats.md for an example. Value types; parsing is pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trivium::cli {

struct NatsServerSpec {
  std::string name;  // "<cluster>-hub1", "<cluster>-edge1", ...
  bool hub = false;
  std::string host;  // address or name by which everybody reaches it
  uint16_t port = 0;
  uint16_t cluster_port = 0;
  uint16_t gateway_port = 0;
  uint16_t monitor_port = 0;  // on loopback; 0: none
};

struct NodeSpec {
  std::string name;
  std::string zone;
  std::string underlay_device;
  std::vector<std::string> underlay_addresses;
  std::vector<std::string> pod_cidrs;
  std::vector<std::string> inner_addresses;
  std::string state_dir = "/var/lib/trivium";
  std::string socket = "/run/trivium/agent.sock";
  std::string pin_root = "/sys/fs/bpf/trivium";
};

// Who may read events (docs/events.md).
struct EventSubscriberSpec {
  std::string name;
  std::string cluster;             // whose events; "_mesh" for the mesh's own log
  std::vector<std::string> kinds;  // empty: every kind
};

// The server that holds a cluster's events for third parties: of its own, joined with no other.
struct EventsSpec {
  NatsServerSpec server;  // without ports for others
  std::string store_dir;
  uint64_t max_store_bytes = uint64_t{10} << 30;  // of all streams
  bool mesh = false;                              // the mesh's own log too
  uint64_t max_age_s = 7 * 86'400;
  uint64_t max_bytes = uint64_t{1} << 30;  // of each stream
  std::vector<std::string> relays;
  std::vector<EventSubscriberSpec> subscribers;
};

struct ClusterSpec {
  std::string name;
  uint32_t id = 0;
  std::string region;
  uint32_t home = 0;  // the region's number
  uint32_t address_space = 0;
  std::vector<std::string> pod_cidrs;
  std::vector<NatsServerSpec> hubs;         // control planes connect here
  std::vector<NatsServerSpec> edges;        // agents and operators connect here
  std::vector<std::string> control_planes;  // an instance may be in the lists of several clusters
  std::vector<NodeSpec> nodes;
  std::vector<std::string> operators;
  std::optional<EventsSpec> events;
};

struct MeshSpec {
  std::string name;
  std::string log_level = "info";
  std::string log_format = "text";
  // Where each daemon serves its metrics; empty: where it does by itself (docs/metrics.md).
  std::string controlplane_metrics;
  std::string agent_metrics;
  std::string relay_metrics;
  std::vector<std::string> sql_hosts;  // host:port
  std::string sql_database = "trivium";
  std::vector<ClusterSpec> clusters;

  // The clusters whose lists name this control plane, in the file's order. It connects to the servers of the
  // first one.
  std::vector<const ClusterSpec*> ServedBy(const std::string& instance) const;
};

// kInvalidArgument names file, line, key and what would be right.
absl::StatusOr<MeshSpec> ParseMeshSpec(absl::string_view text, const std::string& path);

}  // namespace trivium::cli
