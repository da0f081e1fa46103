#include "cli/mesh/mesh_spec.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/listen_address.h"
#include "base/status.h"
#include "base/yaml_section.h"
#include "schema/event_grants.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium::cli {
namespace {

// A name that becomes a subject token, a file name and a certificate's subject.
absl::Status TokenText(const YamlSection& section, const char* key, std::string* out) {
  TRIVIUM_RETURN_IF_ERROR(section.Text(key, out));
  if (!IsSubjectToken(*out) || out->find(':') != std::string::npos) {
    return section.Error(key, absl::StrCat("\"", *out, "\": use letters, digits, '-' and '_' only"));
  }
  return absl::OkStatus();
}

absl::Status TokenList(const YamlSection& section, const char* key, std::vector<std::string>* out) {
  TRIVIUM_RETURN_IF_ERROR(section.TextList(key, out));
  for (const std::string& name : *out) {
    if (!IsSubjectToken(name) || name.find(':') != std::string::npos) {
      return section.Error(key, absl::StrCat("holds \"", name, "\": use letters, digits, '-' and '_' only"));
    }
  }
  return absl::OkStatus();
}

absl::Status Port(const YamlSection& section, const char* key, bool required, uint16_t* out) {
  uint64_t port = 0;
  TRIVIUM_RETURN_IF_ERROR(required ? section.Number(key, 1, 65535, &port)
                                   : section.OptionalNumber(key, 1, 65535, &port));
  *out = static_cast<uint16_t>(port);
  return absl::OkStatus();
}

absl::Status Address(const YamlSection& section, const char* key, std::string* out) {
  if (!section.Has(key)) return absl::OkStatus();
  TRIVIUM_RETURN_IF_ERROR(section.Text(key, out));
  const absl::Status status = ListenAddress::Parse(*out).status();
  return status.ok() ? status : section.Error(key, std::string(status.message()));
}

absl::Status ParseServers(const YamlSection& nats, const char* key, const std::string& prefix,
                          std::vector<NatsServerSpec>* out) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<YamlSection> sections, nats.Sections(key));
  for (const YamlSection& s : sections) {
    NatsServerSpec server;
    TRIVIUM_RETURN_IF_ERROR(s.Allow({"host", "port", "cluster_port", "gateway_port", "monitor_port"}));
    TRIVIUM_RETURN_IF_ERROR(s.Text("host", &server.host));
    TRIVIUM_RETURN_IF_ERROR(Port(s, "port", true, &server.port));
    TRIVIUM_RETURN_IF_ERROR(Port(s, "cluster_port", true, &server.cluster_port));
    TRIVIUM_RETURN_IF_ERROR(Port(s, "gateway_port", true, &server.gateway_port));
    TRIVIUM_RETURN_IF_ERROR(Port(s, "monitor_port", false, &server.monitor_port));
    server.hub = absl::string_view(key) == "hubs";
    server.name = absl::StrCat(prefix, out->size() + 1);
    out->push_back(std::move(server));
  }
  return absl::OkStatus();
}

absl::StatusOr<NodeSpec> ParseNode(const YamlSection& s) {
  NodeSpec node;
  TRIVIUM_RETURN_IF_ERROR(s.Allow(
      {"name", "zone", "underlay", "pod_cidrs", "inner_addresses", "state_dir", "socket", "pin_root"}));
  TRIVIUM_RETURN_IF_ERROR(TokenText(s, "name", &node.name));
  TRIVIUM_RETURN_IF_ERROR(s.OptionalText("zone", &node.zone));
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection underlay, s.Section("underlay"));
  TRIVIUM_RETURN_IF_ERROR(underlay.Allow({"device", "addresses"}));
  TRIVIUM_RETURN_IF_ERROR(underlay.Text("device", &node.underlay_device));
  TRIVIUM_RETURN_IF_ERROR(underlay.TextList("addresses", &node.underlay_addresses));
  TRIVIUM_RETURN_IF_ERROR(s.OptionalTextList("pod_cidrs", &node.pod_cidrs));
  TRIVIUM_RETURN_IF_ERROR(s.OptionalTextList("inner_addresses", &node.inner_addresses));
  TRIVIUM_RETURN_IF_ERROR(s.OptionalText("state_dir", &node.state_dir));
  TRIVIUM_RETURN_IF_ERROR(s.OptionalText("socket", &node.socket));
  TRIVIUM_RETURN_IF_ERROR(s.OptionalText("pin_root", &node.pin_root));
  return node;
}

absl::Status ParseSubscribers(const YamlSection& s, const std::string& cluster, EventsSpec* events) {
  if (!s.Has("subscribers")) return absl::OkStatus();
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<YamlSection> sections, s.Sections("subscribers"));
  std::set<std::pair<std::string, std::string>> seen;
  for (const YamlSection& section : sections) {
    EventSubscriberSpec subscriber;
    TRIVIUM_RETURN_IF_ERROR(section.Allow({"name", "cluster", "kinds"}));
    TRIVIUM_RETURN_IF_ERROR(TokenText(section, "name", &subscriber.name));
    subscriber.cluster = cluster;
    TRIVIUM_RETURN_IF_ERROR(section.OptionalText("cluster", &subscriber.cluster));
    if (subscriber.cluster != cluster && !(subscriber.cluster == kMeshCluster && events->mesh)) {
      return section.Error(
          "cluster", absl::StrCat("\"", subscriber.cluster, "\": this server holds the events of ", cluster,
                                  events->mesh ? " and _mesh" : ""));
    }
    TRIVIUM_RETURN_IF_ERROR(section.OptionalTextList("kinds", &subscriber.kinds));
    for (const std::string& kind : subscriber.kinds) {
      if (!IsEventKind(kind)) {
        return section.Error("kinds", absl::StrCat("holds \"", kind, "\"; there are: ", EventKindList()));
      }
    }
    if (!seen.emplace(subscriber.name, subscriber.cluster).second) {
      return section.Error("name", absl::StrCat("\"", subscriber.name, "\" is there twice"));
    }
    events->subscribers.push_back(std::move(subscriber));
  }
  return absl::OkStatus();
}

absl::StatusOr<EventsSpec> ParseEvents(const YamlSection& s, const std::string& cluster) {
  EventsSpec events;
  TRIVIUM_RETURN_IF_ERROR(s.Allow({"host", "port", "monitor_port", "store_dir", "max_store_bytes", "mesh",
                                   "max_age_s", "max_bytes", "relays", "subscribers"}));
  events.server.name = cluster + "-events";
  TRIVIUM_RETURN_IF_ERROR(s.Text("host", &events.server.host));
  TRIVIUM_RETURN_IF_ERROR(Port(s, "port", true, &events.server.port));
  TRIVIUM_RETURN_IF_ERROR(Port(s, "monitor_port", false, &events.server.monitor_port));
  TRIVIUM_RETURN_IF_ERROR(s.Text("store_dir", &events.store_dir));
  TRIVIUM_RETURN_IF_ERROR(
      s.OptionalNumber("max_store_bytes", 16 << 20, uint64_t{1} << 50, &events.max_store_bytes));
  TRIVIUM_RETURN_IF_ERROR(s.OptionalNumber("max_age_s", 60, 10 * 366 * 86'400, &events.max_age_s));
  TRIVIUM_RETURN_IF_ERROR(s.OptionalNumber("max_bytes", 16 << 20, uint64_t{1} << 44, &events.max_bytes));
  TRIVIUM_RETURN_IF_ERROR(s.OptionalSwitch("mesh", &events.mesh));
  if (events.max_bytes * (events.mesh ? 2 : 1) > events.max_store_bytes) {
    return s.Error("max_bytes",
                   absl::StrCat("the streams may grow beyond max_store_bytes, ", events.max_store_bytes));
  }
  TRIVIUM_RETURN_IF_ERROR(TokenList(s, "relays", &events.relays));
  TRIVIUM_RETURN_IF_ERROR(ParseSubscribers(s, cluster, &events));
  return events;
}

absl::StatusOr<ClusterSpec> ParseCluster(const YamlSection& s,
                                         const absl::flat_hash_map<std::string, uint32_t>& regions) {
  ClusterSpec cluster;
  uint64_t id = 0, space = 0;
  TRIVIUM_RETURN_IF_ERROR(s.Allow({"name", "id", "region", "address_space", "pod_cidrs", "nats",
                                   "control_planes", "nodes", "operators", "events"}));
  TRIVIUM_RETURN_IF_ERROR(TokenText(s, "name", &cluster.name));
  if (cluster.name.front() == '_')
    return s.Error("name", "must not begin with '_': that is for the mesh itself");
  TRIVIUM_RETURN_IF_ERROR(s.Number("id", 1, 0xffffffff, &id));
  TRIVIUM_RETURN_IF_ERROR(s.Text("region", &cluster.region));
  const auto region = regions.find(cluster.region);
  if (region == regions.end())
    return s.Error("region", absl::StrCat("\"", cluster.region, "\" is not among `regions`"));
  TRIVIUM_RETURN_IF_ERROR(s.OptionalNumber("address_space", 0, 0xffffffff, &space));
  cluster.id = static_cast<uint32_t>(id);
  cluster.home = region->second;
  cluster.address_space = static_cast<uint32_t>(space);
  TRIVIUM_RETURN_IF_ERROR(s.TextList("pod_cidrs", &cluster.pod_cidrs));
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection nats, s.Section("nats"));
  TRIVIUM_RETURN_IF_ERROR(nats.Allow({"hubs", "edges"}));
  TRIVIUM_RETURN_IF_ERROR(ParseServers(nats, "hubs", cluster.name + "-hub", &cluster.hubs));
  TRIVIUM_RETURN_IF_ERROR(ParseServers(nats, "edges", cluster.name + "-edge", &cluster.edges));
  TRIVIUM_RETURN_IF_ERROR(TokenList(s, "control_planes", &cluster.control_planes));
  TRIVIUM_RETURN_IF_ERROR(TokenList(s, "operators", &cluster.operators));
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<YamlSection> nodes, s.Sections("nodes"));
  std::set<std::string> names;
  for (const YamlSection& section : nodes) {
    TRIVIUM_ASSIGN_OR_RETURN(NodeSpec node, ParseNode(section));
    if (!names.insert(node.name).second)
      return section.Error("name", absl::StrCat("\"", node.name, "\" is there twice"));
    cluster.nodes.push_back(std::move(node));
  }
  if (s.Has("events")) {
    TRIVIUM_ASSIGN_OR_RETURN(const YamlSection events, s.Section("events"));
    TRIVIUM_ASSIGN_OR_RETURN(cluster.events, ParseEvents(events, cluster.name));
  }
  return cluster;
}

}  // namespace

std::vector<const ClusterSpec*> MeshSpec::ServedBy(const std::string& instance) const {
  std::vector<const ClusterSpec*> served;
  for (const ClusterSpec& cluster : clusters) {
    for (const std::string& one : cluster.control_planes) {
      if (one == instance) served.push_back(&cluster);
    }
  }
  return served;
}

absl::StatusOr<MeshSpec> ParseMeshSpec(absl::string_view text, const std::string& path) {
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection root, YamlSection::Parse(text, path));
  TRIVIUM_RETURN_IF_ERROR(
      root.Allow({"mesh", "log_level", "log_format", "metrics", "regions", "sql", "clusters"}));
  MeshSpec spec;
  TRIVIUM_RETURN_IF_ERROR(TokenText(root, "mesh", &spec.name));
  TRIVIUM_RETURN_IF_ERROR(root.OptionalText("log_level", &spec.log_level));
  TRIVIUM_RETURN_IF_ERROR(root.OptionalText("log_format", &spec.log_format));
  if (root.Has("metrics")) {
    TRIVIUM_ASSIGN_OR_RETURN(const YamlSection metrics, root.Section("metrics"));
    TRIVIUM_RETURN_IF_ERROR(metrics.Allow({"controlplane", "agent", "relay"}));
    TRIVIUM_RETURN_IF_ERROR(Address(metrics, "controlplane", &spec.controlplane_metrics));
    TRIVIUM_RETURN_IF_ERROR(Address(metrics, "agent", &spec.agent_metrics));
    TRIVIUM_RETURN_IF_ERROR(Address(metrics, "relay", &spec.relay_metrics));
  }
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection sql, root.Section("sql"));
  TRIVIUM_RETURN_IF_ERROR(sql.Allow({"hosts", "database"}));
  TRIVIUM_RETURN_IF_ERROR(sql.TextList("hosts", &spec.sql_hosts));
  for (const std::string& host : spec.sql_hosts) {
    if (host.rfind(':') == std::string::npos)
      return sql.Error("hosts", absl::StrCat("holds \"", host, "\": want HOST:PORT"));
  }
  TRIVIUM_RETURN_IF_ERROR(sql.OptionalText("database", &spec.sql_database));

  absl::flat_hash_map<std::string, uint32_t> regions;
  std::set<uint64_t> homes;
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<YamlSection> region_sections, root.Sections("regions"));
  for (const YamlSection& s : region_sections) {
    std::string name;
    uint64_t home = 0;
    TRIVIUM_RETURN_IF_ERROR(s.Allow({"name", "home"}));
    TRIVIUM_RETURN_IF_ERROR(s.Text("name", &name));
    TRIVIUM_RETURN_IF_ERROR(s.Number("home", 1, 32767, &home));
    if (!homes.insert(home).second) return s.Error("home", "is another region's too");
    if (!regions.emplace(name, static_cast<uint32_t>(home)).second) return s.Error("name", "is there twice");
  }

  std::set<std::string> names;
  std::set<uint32_t> ids;
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<YamlSection> cluster_sections, root.Sections("clusters"));
  for (const YamlSection& s : cluster_sections) {
    TRIVIUM_ASSIGN_OR_RETURN(ClusterSpec cluster, ParseCluster(s, regions));
    if (!names.insert(cluster.name).second) return s.Error("name", "is another cluster's too");
    if (!ids.insert(cluster.id).second) return s.Error("id", "is another cluster's too");
    std::set<std::string> instances;
    for (const std::string& instance : cluster.control_planes) {
      if (!instances.insert(instance).second) {
        return s.Error("control_planes", absl::StrCat("holds \"", instance, "\" twice"));
      }
    }
    // Two streams of one log would share its cursor in the database.
    if (cluster.events.has_value() && cluster.events->mesh &&
        std::any_of(spec.clusters.begin(), spec.clusters.end(), [](const ClusterSpec& other) {
          return other.events.has_value() && other.events->mesh;
        })) {
      return s.Error("events",
                     "`mesh: true` stands in another cluster's too: one server holds the mesh's events");
    }
    spec.clusters.push_back(std::move(cluster));
  }
  return spec;
}

}  // namespace trivium::cli
