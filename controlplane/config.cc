#include "controlplane/config.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/yaml_section.h"
#include "controlplane/config_parts.h"
#include "controlplane/writer/addresses.h"
#include "schema/config_name.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

constexpr const char* kClusterKeys[] = {"cluster", "cluster_id", "region", "address_space", "pod_cidrs"};

absl::Status ReadNumber(const YamlSection& section, const char* key, uint64_t min, uint64_t max,
                        uint32_t* out) {
  uint64_t value = 0;
  TRIVIUM_RETURN_IF_ERROR(section.Number(key, min, max, &value));
  *out = static_cast<uint32_t>(value);
  return absl::OkStatus();
}

absl::Status ReadPodCidrs(const YamlSection& top, std::vector<v1::Cidr>* out) {
  std::vector<std::string> texts;
  TRIVIUM_RETURN_IF_ERROR(top.TextList("pod_cidrs", &texts));
  for (const std::string& text : texts) {
    absl::StatusOr<v1::Cidr> cidr = ParseCidr(text);
    if (!cidr.ok()) return top.Error("pod_cidrs", std::string(cidr.status().message()));
    for (const v1::Cidr& other : *out) {
      if (Overlap(*cidr, other)) {
        return top.Error("pod_cidrs", absl::StrCat(CidrText(other), " and ", text, " overlap"));
      }
    }
    out->push_back(*std::move(cidr));
  }
  return absl::OkStatus();
}

// The keys of one cluster: of the file itself, or of one in its list.
absl::StatusOr<ServedCluster> ReadCluster(const YamlSection& section) {
  ServedCluster cluster;
  TRIVIUM_RETURN_IF_ERROR(ReadName(section, "cluster", &cluster.name));
  TRIVIUM_RETURN_IF_ERROR(ReadNumber(section, "cluster_id", 1, 0x7fffffff, &cluster.id));
  if (section.Has("address_space")) {
    TRIVIUM_RETURN_IF_ERROR(ReadNumber(section, "address_space", 0, 0x7fffffff, &cluster.address_space));
  }
  TRIVIUM_RETURN_IF_ERROR(ReadPodCidrs(section, &cluster.pod_cidrs));
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection region, section.Section("region"));
  TRIVIUM_RETURN_IF_ERROR(region.Allow({"name", "home"}));
  TRIVIUM_RETURN_IF_ERROR(ReadName(region, "name", &cluster.region));
  TRIVIUM_RETURN_IF_ERROR(ReadNumber(region, "home", 1, 0x7fff, &cluster.home));
  return cluster;
}

absl::Status ReadClusters(const YamlSection& top, std::vector<ServedCluster>* out) {
  if (!top.Has("clusters")) {
    TRIVIUM_ASSIGN_OR_RETURN(ServedCluster cluster, ReadCluster(top));
    out->push_back(std::move(cluster));
    return absl::OkStatus();
  }
  for (const char* key : kClusterKeys) {
    if (top.Has(key)) return top.Error(key, "belongs into each item of `clusters`, where there is that list");
  }
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<YamlSection> sections, top.Sections("clusters"));
  for (const YamlSection& section : sections) {
    TRIVIUM_RETURN_IF_ERROR(section.Allow({"cluster", "cluster_id", "region", "address_space", "pod_cidrs"}));
    TRIVIUM_ASSIGN_OR_RETURN(ServedCluster cluster, ReadCluster(section));
    for (const ServedCluster& other : *out) {
      if (other.name == cluster.name) {
        return section.Error("cluster", absl::StrCat("\"", cluster.name, "\" is there twice"));
      }
      if (other.id == cluster.id) {
        return section.Error("cluster_id", absl::StrCat(cluster.id, " is cluster ", other.name, "'s too"));
      }
    }
    out->push_back(std::move(cluster));
  }
  return absl::OkStatus();
}

absl::Status ReadReachability(const YamlSection& top, ControlPlaneConfig* out) {
  if (!top.Has("reachability")) return absl::OkStatus();
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection section, top.Section("reachability"));
  TRIVIUM_RETURN_IF_ERROR(section.Allow({"keep", "max_rows"}));
  TRIVIUM_RETURN_IF_ERROR(section.OptionalNumber("max_rows", 1, 100'000'000, &out->reachability_max_rows));
  return section.OptionalSwitch("keep", &out->reachability_keep);
}

}  // namespace

absl::StatusOr<ControlPlaneConfig> ControlPlaneConfig::Parse(absl::string_view text,
                                                             const std::string& path) {
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection top, YamlSection::Parse(text, path));
  TRIVIUM_RETURN_IF_ERROR(
      top.Allow({"instance", "cluster", "cluster_id", "region", "address_space", "pod_cidrs", "clusters",
                 "nats", "sql", "log_level", "log_format", "metrics", "beacon_ms", "identity_grace_s",
                 "identities_ahead", "liveness_ms", "log_revisions", "log_age_s", "reachability"}));
  ControlPlaneConfig config;
  TRIVIUM_RETURN_IF_ERROR(ReadName(top, "instance", &config.instance));
  TRIVIUM_RETURN_IF_ERROR(ReadClusters(top, &config.clusters));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalText("log_level", &config.log_level));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalText("log_format", &config.log_format));
  TRIVIUM_RETURN_IF_ERROR(ReadMetricsSection(top, &config.metrics));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalNumber("beacon_ms", 100, 10'000, &config.beacon_ms));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalNumber("liveness_ms", 3000, 600'000, &config.liveness_ms));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalNumber("identity_grace_s", 1, 7 * 86'400, &config.identity_grace_s));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalNumber("identities_ahead", 256, 65'536, &config.identities_ahead));

  TRIVIUM_RETURN_IF_ERROR(top.OptionalNumber("log_revisions", 1000, 1'000'000'000, &config.log_revisions));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalNumber("log_age_s", 900, 366 * 86'400, &config.log_age_s));

  TRIVIUM_RETURN_IF_ERROR(ReadReachability(top, &config));
  TRIVIUM_RETURN_IF_ERROR(ReadNatsSection(top, &config.nats));
  SqlPlace sql;
  TRIVIUM_RETURN_IF_ERROR(ReadSqlSection(top, &sql));
  config.sql = std::move(sql.servers);
  config.sql_far_hosts = std::move(sql.far_hosts);
  config.sql_regions = std::move(sql.regions);
  config.sql_database = std::move(sql.database);
  config.sql_user = std::move(sql.user);
  return config;
}

std::string ControlPlaneConfig::Principal() const {
  return trivium::Principal{clusters.front().name, "cp", instance}.ToString();
}

}  // namespace trivium
