#include "controlplane/relay/config.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "schema/config_name.h"
#include "schema/event_grants.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

absl::Status ReadClusters(const YamlSection& top, std::vector<ClusterRef>* out) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<YamlSection> sections, top.Sections("clusters"));
  for (const YamlSection& section : sections) {
    TRIVIUM_RETURN_IF_ERROR(section.Allow({"cluster", "cluster_id", "home"}));
    ClusterRef cluster;
    std::string name;
    TRIVIUM_RETURN_IF_ERROR(section.Text("cluster", &name));
    if (name == kMeshCluster) {  // its numbers are known
      cluster.name = name;
    } else {
      uint64_t id = 0, home = 0;
      TRIVIUM_RETURN_IF_ERROR(ReadName(section, "cluster", &cluster.name));
      TRIVIUM_RETURN_IF_ERROR(section.Number("cluster_id", 1, 0x7fffffff, &id));
      TRIVIUM_RETURN_IF_ERROR(section.Number("home", 1, 0x7fff, &home));
      cluster.cluster_id = static_cast<uint32_t>(id);
      cluster.home = static_cast<uint32_t>(home);
    }
    for (const ClusterRef& other : *out) {
      if (other.name == cluster.name) {
        return section.Error("cluster", absl::StrCat("\"", cluster.name, "\" is there twice"));
      }
      if (other.cluster_id == cluster.cluster_id) {
        return section.Error("cluster_id",
                             absl::StrCat(cluster.cluster_id, " is cluster ", other.name, "'s too"));
      }
    }
    out->push_back(std::move(cluster));
  }
  return absl::OkStatus();
}

absl::Status ReadSubscribers(const YamlSection& top, const std::vector<ClusterRef>& clusters,
                             std::vector<EventSubscriber>* out) {
  if (!top.Has("subscribers")) return absl::OkStatus();
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<YamlSection> sections, top.Sections("subscribers"));
  for (const YamlSection& section : sections) {
    TRIVIUM_RETURN_IF_ERROR(section.Allow({"name", "cluster", "kinds"}));
    EventSubscriber subscriber;
    TRIVIUM_RETURN_IF_ERROR(ReadName(section, "name", &subscriber.name));
    TRIVIUM_RETURN_IF_ERROR(section.Text("cluster", &subscriber.cluster));
    if (std::none_of(clusters.begin(), clusters.end(),
                     [&](const ClusterRef& one) { return one.name == subscriber.cluster; })) {
      return section.Error("cluster", absl::StrCat("\"", subscriber.cluster, "\" is not among `clusters`"));
    }
    TRIVIUM_RETURN_IF_ERROR(section.OptionalTextList("kinds", &subscriber.kinds));
    for (const std::string& kind : subscriber.kinds) {
      if (!IsEventKind(kind)) {
        return section.Error("kinds", absl::StrCat("holds \"", kind, "\"; there are: ", EventKindList()));
      }
    }
    for (const EventSubscriber& other : *out) {
      if (other.name == subscriber.name && other.cluster == subscriber.cluster) {
        return section.Error("name", absl::StrCat("\"", subscriber.name, "\" is there twice for cluster ",
                                                  subscriber.cluster));
      }
    }
    out->push_back(std::move(subscriber));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RelayConfig> RelayConfig::Parse(absl::string_view text, const std::string& path) {
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection top, YamlSection::Parse(text, path));
  TRIVIUM_RETURN_IF_ERROR(top.Allow({"instance", "clusters", "nats", "sql", "stream", "subscribers",
                                     "poll_ms", "log_level", "log_format", "metrics"}));
  RelayConfig config;
  TRIVIUM_RETURN_IF_ERROR(ReadName(top, "instance", &config.instance));
  TRIVIUM_RETURN_IF_ERROR(ReadClusters(top, &config.clusters));
  TRIVIUM_RETURN_IF_ERROR(ReadSubscribers(top, config.clusters, &config.subscribers));
  TRIVIUM_RETURN_IF_ERROR(ReadNatsSection(top, &config.nats));
  TRIVIUM_RETURN_IF_ERROR(ReadSqlSection(top, &config.sql));
  if (top.Has("stream")) {
    TRIVIUM_ASSIGN_OR_RETURN(const YamlSection stream, top.Section("stream"));
    TRIVIUM_RETURN_IF_ERROR(stream.Allow({"max_age_s", "max_bytes", "replicas"}));
    TRIVIUM_RETURN_IF_ERROR(stream.OptionalNumber("max_age_s", 60, 10 * 366 * 86'400, &config.max_age_s));
    TRIVIUM_RETURN_IF_ERROR(
        stream.OptionalNumber("max_bytes", 16 << 20, uint64_t{1} << 44, &config.max_bytes));
    TRIVIUM_RETURN_IF_ERROR(stream.OptionalNumber("replicas", 1, 5, &config.replicas));
  }
  TRIVIUM_RETURN_IF_ERROR(top.OptionalNumber("poll_ms", 10, 60'000, &config.poll_ms));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalText("log_level", &config.log_level));
  TRIVIUM_RETURN_IF_ERROR(top.OptionalText("log_format", &config.log_format));
  TRIVIUM_RETURN_IF_ERROR(ReadMetricsSection(top, &config.metrics));
  return config;
}

std::string RelayConfig::Principal() const {
  return trivium::Principal{clusters.front().name, "relay", instance}.ToString();
}

StreamConfig RelayConfig::Stream() const {
  StreamConfig stream;
  stream.max_age = absl::Seconds(max_age_s);
  stream.max_bytes = max_bytes;
  stream.replicas = static_cast<uint32_t>(replicas);
  return stream;
}

std::vector<ConsumerConfig> RelayConfig::ConsumersOf(const std::string& cluster) const {
  std::vector<ConsumerConfig> consumers;
  for (const EventSubscriber& subscriber : subscribers) {
    if (subscriber.cluster != cluster) continue;
    for (const auto& [name, filter] : EventConsumers(subscriber.name, cluster, subscriber.kinds)) {
      consumers.push_back({name, filter});
    }
  }
  return consumers;
}

}  // namespace trivium
