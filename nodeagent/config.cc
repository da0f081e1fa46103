#include "nodeagent/config.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/yaml_section.h"
#include "policy/cidr.h"
#include "schema/config_name.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

absl::Status ReadNumber(const YamlSection& section, const char* key, uint64_t min, uint64_t max,
                        uint32_t* out) {
  uint64_t value = *out;
  TRIVIUM_RETURN_IF_ERROR(section.OptionalNumber(key, min, max, &value));
  *out = static_cast<uint32_t>(value);
  return absl::OkStatus();
}

absl::Status ReadAddresses(const YamlSection& section, const char* key, bool required,
                           std::vector<std::string>* out) {
  std::vector<std::string> texts;
  TRIVIUM_RETURN_IF_ERROR(required ? section.TextList(key, &texts) : section.OptionalTextList(key, &texts));
  for (const std::string& text : texts) {
    absl::StatusOr<std::string> ip = policy::ParseAddress(text);
    if (!ip.ok()) return section.Error(key, std::string(ip.status().message()));
    out->push_back(*std::move(ip));
  }
  return absl::OkStatus();
}

absl::Status ReadDeviceName(const YamlSection& section, const char* key, std::string* out) {
  TRIVIUM_RETURN_IF_ERROR(section.OptionalText(key, out));
  if (out->empty() || out->size() > 15 || out->find('/') != std::string::npos) {
    return section.Error(key,
                         absl::StrCat("\"", *out, "\" is no device name: want 1 to 15 characters, no '/'"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AgentConfig> AgentConfig::Parse(absl::string_view text, const std::string& path) {
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection top, YamlSection::Parse(text, path));
  TRIVIUM_RETURN_IF_ERROR(
      top.Allow({"cluster", "cluster_id", "node", "zone", "address_space", "underlay", "pod_cidrs",
                 "inner_addresses", "state_dir", "socket", "pin_root", "overlay", "maps", "nats",
                 "policy_audit_mode", "log_level", "log_format", "metrics"}));
  AgentConfig config;
  TRIVIUM_RETURN_IF_ERROR(ReadName(top, "cluster", &config.cluster));
  uint64_t id = 0;
  TRIVIUM_RETURN_IF_ERROR(top.Number("cluster_id", 1, 0x7fffffff, &id));
  config.cluster_id = static_cast<uint32_t>(id);
  TRIVIUM_RETURN_IF_ERROR(ReadName(top, "node", &config.node));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalText("zone", &config.zone));
  TRIVIUM_RETURN_IF_ERROR(ReadNumber(top, "address_space", 0, 0x7fffffff, &config.address_space));

  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection underlay, top.Section("underlay"));
  TRIVIUM_RETURN_IF_ERROR(underlay.Allow({"device", "addresses"}));
  TRIVIUM_RETURN_IF_ERROR(ReadDeviceName(underlay, "device", &config.underlay_device));
  TRIVIUM_RETURN_IF_ERROR(ReadAddresses(underlay, "addresses", true, &config.underlay_addresses));

  std::vector<std::string> cidrs;
  TRIVIUM_RETURN_IF_ERROR(top.OptionalTextList("pod_cidrs", &cidrs));
  for (const std::string& each : cidrs) {
    absl::StatusOr<v1::Cidr> cidr = policy::ParseCidr(each);
    if (!cidr.ok()) return top.Error("pod_cidrs", std::string(cidr.status().message()));
    config.pod_cidrs.push_back(*std::move(cidr));
  }
  TRIVIUM_RETURN_IF_ERROR(ReadAddresses(top, "inner_addresses", false, &config.inner_addresses));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalFile("state_dir", &config.state_dir));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalFile("socket", &config.socket));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalFile("pin_root", &config.pin_root));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalSwitch("policy_audit_mode", &config.policy_audit_mode));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalText("log_level", &config.log_level));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalText("log_format", &config.log_format));
  TRIVIUM_RETURN_IF_ERROR(ReadMetricsSection(top, &config.metrics));

  if (top.Has("overlay")) {
    TRIVIUM_ASSIGN_OR_RETURN(const YamlSection overlay, top.Section("overlay"));
    TRIVIUM_RETURN_IF_ERROR(overlay.Allow({"device", "port"}));
    TRIVIUM_RETURN_IF_ERROR(ReadDeviceName(overlay, "device", &config.overlay_device));
    TRIVIUM_RETURN_IF_ERROR(ReadNumber(overlay, "port", 1, 65535, &config.overlay_port));
  }
  if (top.Has("maps")) {
    TRIVIUM_ASSIGN_OR_RETURN(const YamlSection maps, top.Section("maps"));
    TRIVIUM_RETURN_IF_ERROR(maps.Allow({"ipcache", "policy", "conntrack"}));
    TRIVIUM_RETURN_IF_ERROR(ReadNumber(maps, "ipcache", 1024, 64 << 20, &config.maps.ipcache));
    TRIVIUM_RETURN_IF_ERROR(ReadNumber(maps, "policy", 1024, 64 << 20, &config.maps.policy));
    TRIVIUM_RETURN_IF_ERROR(ReadNumber(maps, "conntrack", 1024, 64 << 20, &config.maps.conntrack));
  }
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection nats, top.Section("nats"));
  TRIVIUM_RETURN_IF_ERROR(nats.Allow({"servers", "ca", "cert", "key"}));
  TRIVIUM_RETURN_IF_ERROR(nats.TextList("servers", &config.nats.servers));
  TRIVIUM_RETURN_IF_ERROR(nats.OptionalFile("ca", &config.nats.ca));
  TRIVIUM_RETURN_IF_ERROR(nats.OptionalFile("cert", &config.nats.cert));
  TRIVIUM_RETURN_IF_ERROR(nats.OptionalFile("key", &config.nats.key));
  if (config.nats.ca.empty() != config.nats.cert.empty() ||
      config.nats.ca.empty() != config.nats.key.empty()) {
    return nats.Error("give all of ca, cert and key, or none of them");
  }
  return config;
}

std::string AgentConfig::Principal() const { return trivium::Principal{cluster, "node", node}.ToString(); }

}  // namespace trivium
