// trivium-agent's configuration file (docs/configuration.md). Value type.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/listen_address.h"
#include "trivium/v1/objects.pb.h"

namespace trivium {

struct AgentConfig {
  std::string cluster;
  uint32_t cluster_id = 0;
  std::string node;
  std::string zone;
  uint32_t address_space = 0;
  std::string underlay_device;
  std::vector<std::string> underlay_addresses;  // 4 or 16 bytes each
  std::vector<v1::Cidr> pod_cidrs;
  std::vector<std::string> inner_addresses;
  std::string state_dir = "/var/lib/trivium";
  std::string socket = "/run/trivium/agent.sock";
  std::string pin_root = "/sys/fs/bpf/trivium";
  std::string overlay_device = "trivium0";
  uint32_t overlay_port = 8472;
  struct Maps {  // entries
    uint32_t ipcache = 524288;
    uint32_t policy = 65536;
    uint32_t conntrack = 131072;
  } maps;
  struct Nats {
    std::vector<std::string> servers;
    std::string ca;
    std::string cert;
    std::string key;
  } nats;
  // Policies of every endpoint of this node are judged and reported, not enforced.
  bool policy_audit_mode = false;
  std::string log_level = "info";
  std::string log_format = "text";
  ListenAddress metrics{"127.0.0.1", 9461};

  // "<cluster>:node:<node>"
  std::string Principal() const;
  // `path` names the file in errors, and relative paths are relative to its folder.
  static absl::StatusOr<AgentConfig> Parse(absl::string_view text, const std::string& path);
};

}  // namespace trivium
