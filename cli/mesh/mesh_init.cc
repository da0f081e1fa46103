#include "cli/mesh/mesh_init.h"

#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "cli/mesh/events_config.h"
#include "cli/mesh/mesh_spec.h"
#include "cli/mesh/nats_config.h"
#include "cli/mesh/pki.h"
#include "schema/event_grants.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium::cli {
namespace {

constexpr absl::Duration kAuthorityLifetime = absl::Hours(24 * 365 * 10);
constexpr absl::Duration kLeafLifetime = absl::Hours(24 * 365);
constexpr absl::Duration kRenewBefore = absl::Hours(24 * 30);
constexpr absl::Duration kClockSkew =
    absl::Hours(1);  // machines whose clocks are behind accept new certificates

std::string FileName(const std::string& principal) { return absl::StrReplaceAll(principal, {{":", "-"}}); }

class Maker {
 public:
  Maker(const MeshInitOptions& options, const std::string& folder)
      : files_(options.files), now_(options.clock->Now()), folder_(folder) {}

  absl::Status OpenAuthorities(const std::string& mesh) {
    TRIVIUM_ASSIGN_OR_RETURN(authority_, OpenAuthority("ca", "Trivium mesh " + mesh));
    TRIVIUM_ASSIGN_OR_RETURN(fabric_, OpenAuthority("fabric-ca", "Trivium NATS fabric " + mesh));
    return absl::OkStatus();
  }

  // <name>.crt and <name>.key, unless they are there and still right.
  absl::Status Principal(const std::string& principal) {
    return Certificate(*authority_, FileName(principal), {principal, NatsUser(principal), {}, {}, {}});
  }
  absl::Status SqlRole(const std::string& role) {
    return Certificate(*authority_, "sql/" + role, {role, "", {}, {}, {}});
  }
  absl::Status Server(const std::string& name, const std::string& title,
                      const std::vector<std::string>& hosts) {
    return Certificate(*authority_, name, {title, "", hosts, {}, {}});
  }
  // What a NATS server shows to other servers.
  absl::Status FabricMember(const std::string& name, const std::string& host) {
    return Certificate(*fabric_, "nats/" + name + "-fabric", {name, "", {host}, {}, {}});
  }

  absl::Status Write(const std::string& name, const std::string& bytes) {
    return files_->WriteAtomically(Path(name), bytes);
  }
  std::string Path(const std::string& name) const { return absl::StrCat(folder_, "/", name); }
  int made() const { return made_; }
  const CertificateAuthority& authority() const { return *authority_; }

 private:
  absl::StatusOr<std::unique_ptr<CertificateAuthority>> OpenAuthority(const std::string& name,
                                                                      const std::string& title) {
    const absl::StatusOr<std::string> certificate = files_->Read(Path(name + ".crt"));
    const absl::StatusOr<std::string> key = files_->Read(Path(name + ".key"));
    if (certificate.ok() && key.ok()) {
      absl::StatusOr<CertificateAuthority> loaded = CertificateAuthority::Load({*certificate, *key});
      TRIVIUM_RETURN_IF_ERROR(Annotate(loaded.status(), Path(name + ".crt")));
      return std::make_unique<CertificateAuthority>(*std::move(loaded));
    }
    for (const absl::Status& status : {certificate.status(), key.status()}) {
      if (!status.ok() && !absl::IsNotFound(status)) return status;
    }
    if (certificate.ok() != key.ok()) {
      return absl::FailedPreconditionError(
          absl::StrCat(folder_, " holds only one of ", name, ".crt and ", name,
                       ".key: put the other back, or begin in an empty folder"));
    }
    TRIVIUM_ASSIGN_OR_RETURN(CertificateAuthority made,
                             CertificateAuthority::Create(title, now_ - kClockSkew, kAuthorityLifetime));
    TRIVIUM_RETURN_IF_ERROR(Write(name + ".key", made.pem().key));
    TRIVIUM_RETURN_IF_ERROR(Write(name + ".crt", made.pem().certificate));
    return std::make_unique<CertificateAuthority>(std::move(made));
  }

  absl::Status Certificate(const CertificateAuthority& authority, const std::string& name,
                           LeafRequest request) {
    const absl::StatusOr<std::string> certificate = files_->Read(Path(name + ".crt"));
    const absl::StatusOr<std::string> key = files_->Read(Path(name + ".key"));
    if (certificate.ok() && key.ok() &&
        authority.StillServes({*certificate, *key}, request, now_, now_ + kRenewBefore)) {
      return absl::OkStatus();
    }
    request.not_before = now_ - kClockSkew;
    request.lifetime = kLeafLifetime;
    TRIVIUM_ASSIGN_OR_RETURN(const KeyPair pair, authority.Issue(request));
    TRIVIUM_RETURN_IF_ERROR(Write(name + ".key", pair.key));
    TRIVIUM_RETURN_IF_ERROR(Write(name + ".crt", pair.certificate));
    ++made_;
    return absl::OkStatus();
  }

  Files* const files_;
  const absl::Time now_;
  const std::string folder_;
  std::unique_ptr<CertificateAuthority> authority_;  // of clients and what they connect to
  std::unique_ptr<CertificateAuthority> fabric_;     // of routes and gateways: no client's certificate fits
  int made_ = 0;
};

YAML::Node Texts(const std::vector<std::string>& items) {
  YAML::Node list(YAML::NodeType::Sequence);
  for (const std::string& item : items) list.push_back(item);
  list.SetStyle(YAML::EmitterStyle::Flow);
  return list;
}

YAML::Node NatsSection(const Maker& maker, const std::vector<NatsServerSpec>& servers,
                       const std::string& principal) {
  std::vector<std::string> urls;
  for (const NatsServerSpec& s : servers) urls.push_back(absl::StrCat("tls://", s.host, ":", s.port));
  YAML::Node nats;
  nats["servers"] = Texts(urls);
  nats["ca"] = maker.Path("ca.crt");
  nats["cert"] = maker.Path(FileName(principal) + ".crt");
  nats["key"] = maker.Path(FileName(principal) + ".key");
  return nats;
}

// How its operator sees a daemon.
void WriteWatching(const MeshSpec& mesh, const std::string& metrics, YAML::Node root) {
  root["log_level"] = mesh.log_level;
  if (mesh.log_format != "text") root["log_format"] = mesh.log_format;
  if (!metrics.empty()) root["metrics"]["listen"] = metrics;
}

std::string Emit(const YAML::Node& node) {
  YAML::Emitter emitter;
  emitter << YAML::Comment("Written by `triviumctl mesh init`; change mesh.yaml and run it again.")
          << YAML::Newline << node;
  return absl::StrCat(emitter.c_str(), "\n");
}

void WriteSqlSection(const Maker& maker, const MeshSpec& mesh, YAML::Node root) {
  root["sql"]["hosts"] = Texts(mesh.sql_hosts);
  root["sql"]["database"] = mesh.sql_database;
  root["sql"]["user"] = "trivium_writer";
  root["sql"]["ca"] = maker.Path("sql/ca.crt");
  root["sql"]["cert"] = maker.Path("sql/trivium_writer.crt");
  root["sql"]["key"] = maker.Path("sql/trivium_writer.key");
}

// What a control plane is told of a cluster that it serves.
void DescribeCluster(const ClusterSpec& cluster, YAML::Node node) {
  node["cluster"] = cluster.name;
  node["cluster_id"] = cluster.id;
  node["region"]["name"] = cluster.region;
  node["region"]["home"] = cluster.home;
  node["address_space"] = cluster.address_space;
  node["pod_cidrs"] = Texts(cluster.pod_cidrs);
}

absl::Status WriteControlPlane(Maker* maker, const MeshSpec& mesh, const ClusterSpec& cluster,
                               const std::string& instance) {
  const std::string principal = Principal{cluster.name, "cp", instance}.ToString();
  TRIVIUM_RETURN_IF_ERROR(maker->Principal(principal));
  YAML::Node root;
  root["instance"] = instance;
  const std::vector<const ClusterSpec*> served = mesh.ServedBy(instance);
  if (served.size() == 1) {
    DescribeCluster(cluster, root);
  } else {
    for (const ClusterSpec* one : served) {
      YAML::Node item(YAML::NodeType::Map);  // before it is one, copies of it are nodes of their own
      DescribeCluster(*one, item);
      root["clusters"].push_back(item);
    }
  }
  root["nats"] = NatsSection(*maker, cluster.hubs, principal);
  WriteSqlSection(*maker, mesh, root);
  WriteWatching(mesh, mesh.controlplane_metrics, root);
  return maker->Write(absl::StrCat("controlplane/", instance, ".yaml"), Emit(root));
}

absl::Status WriteAgent(Maker* maker, const MeshSpec& mesh, const ClusterSpec& cluster,
                        const NodeSpec& node) {
  const std::string principal = Principal{cluster.name, "node", node.name}.ToString();
  TRIVIUM_RETURN_IF_ERROR(maker->Principal(principal));
  YAML::Node root;
  root["cluster"] = cluster.name;
  root["cluster_id"] = cluster.id;
  root["node"] = node.name;
  if (!node.zone.empty()) root["zone"] = node.zone;
  root["address_space"] = cluster.address_space;
  root["underlay"]["device"] = node.underlay_device;
  root["underlay"]["addresses"] = Texts(node.underlay_addresses);
  if (!node.pod_cidrs.empty()) root["pod_cidrs"] = Texts(node.pod_cidrs);
  if (!node.inner_addresses.empty()) root["inner_addresses"] = Texts(node.inner_addresses);
  root["state_dir"] = node.state_dir;
  root["socket"] = node.socket;
  root["pin_root"] = node.pin_root;
  // Edge servers alone: a slow agent on a publisher's server would slow everybody.
  root["nats"] = NatsSection(*maker, cluster.edges, principal);
  WriteWatching(mesh, mesh.agent_metrics, root);
  return maker->Write(absl::StrCat("agent/", cluster.name, "-", node.name, ".yaml"), Emit(root));
}

absl::Status WriteSql(Maker* maker, const MeshSpec& mesh) {
  std::set<std::string> hosts;
  for (const std::string& host : mesh.sql_hosts) hosts.insert(host.substr(0, host.rfind(':')));
  TRIVIUM_RETURN_IF_ERROR(
      maker->Server("sql/server", "Trivium SQL", std::vector<std::string>(hosts.begin(), hosts.end())));
  for (const char* role : {"trivium_writer", "trivium_reader"}) {
    TRIVIUM_RETURN_IF_ERROR(maker->SqlRole(role));
  }
  return maker->Write("sql/ca.crt", maker->authority().pem().certificate);
}

absl::Status WriteRelay(Maker* maker, const MeshSpec& mesh, const ClusterSpec& cluster,
                        const std::string& instance) {
  const EventsSpec& events = *cluster.events;
  const std::string principal = Principal{cluster.name, "relay", instance}.ToString();
  TRIVIUM_RETURN_IF_ERROR(maker->Principal(principal));
  YAML::Node root;
  root["instance"] = instance;
  YAML::Node own(YAML::NodeType::Map);
  own["cluster"] = cluster.name;
  own["cluster_id"] = cluster.id;
  own["home"] = cluster.home;
  root["clusters"].push_back(own);
  if (events.mesh) {
    YAML::Node log(YAML::NodeType::Map);
    log["cluster"] = kMeshCluster;
    root["clusters"].push_back(log);
  }
  root["nats"] = NatsSection(*maker, {events.server}, principal);
  WriteSqlSection(*maker, mesh, root);
  root["stream"]["max_age_s"] = events.max_age_s;
  root["stream"]["max_bytes"] = events.max_bytes;
  for (const EventSubscriberSpec& subscriber : events.subscribers) {
    YAML::Node item(YAML::NodeType::Map);
    item["name"] = subscriber.name;
    item["cluster"] = subscriber.cluster;
    if (!subscriber.kinds.empty()) item["kinds"] = Texts(subscriber.kinds);
    root["subscribers"].push_back(item);
  }
  WriteWatching(mesh, mesh.relay_metrics, root);
  return maker->Write(absl::StrCat("relay/", instance, ".yaml"), Emit(root));
}

// The events' server, its relays, and for each subscriber what it connects with.
absl::Status WriteEvents(Maker* maker, const MeshSpec& mesh, const ClusterSpec& cluster,
                         const std::string& folder) {
  const EventsSpec& events = *cluster.events;
  TRIVIUM_RETURN_IF_ERROR(
      maker->Server("nats/" + events.server.name, events.server.name, {events.server.host}));
  TRIVIUM_RETURN_IF_ERROR(
      maker->Write(absl::StrCat("nats/", events.server.name, ".conf"), EventsServerConfig(cluster, folder)));
  for (const std::string& instance : events.relays) {
    TRIVIUM_RETURN_IF_ERROR(WriteRelay(maker, mesh, cluster, instance));
  }
  std::map<std::string, YAML::Node> files;
  for (const EventSubscriberSpec& subscriber : events.subscribers) {
    const std::string principal = Principal{cluster.name, "sub", subscriber.name}.ToString();
    TRIVIUM_RETURN_IF_ERROR(maker->Principal(principal));
    YAML::Node& root = files[subscriber.name];
    if (!root["principal"].IsDefined()) {
      root["principal"] = principal;
      root["inbox_prefix"] = subjects::InboxPrefix(principal);
      root["nats"] = NatsSection(*maker, {events.server}, principal);
    }
    for (const auto& [consumer, filter] :
         EventConsumers(subscriber.name, subscriber.cluster, subscriber.kinds)) {
      YAML::Node item(YAML::NodeType::Map);
      item["stream"] = EventStreamName(subscriber.cluster);
      item["consumer"] = consumer;
      item["subjects"] = filter;
      root["consumers"].push_back(item);
    }
  }
  for (const auto& [name, root] : files) {
    TRIVIUM_RETURN_IF_ERROR(
        maker->Write(absl::StrCat("subscriber/", cluster.name, "-", name, ".yaml"), Emit(root)));
  }
  return absl::OkStatus();
}

absl::Status WriteCluster(Maker* maker, const MeshSpec& mesh, const ClusterSpec& cluster,
                          const std::string& folder, YAML::Node contexts) {
  for (const auto* group : {&cluster.hubs, &cluster.edges}) {
    for (const NatsServerSpec& server : *group) {
      TRIVIUM_RETURN_IF_ERROR(maker->Server("nats/" + server.name, server.name, {server.host}));
      TRIVIUM_RETURN_IF_ERROR(maker->FabricMember(server.name, server.host));
      TRIVIUM_RETURN_IF_ERROR(maker->Write(absl::StrCat("nats/", server.name, ".conf"),
                                           NatsServerConfig(mesh, cluster, server, folder)));
    }
  }
  for (const std::string& instance : cluster.control_planes) {
    if (mesh.ServedBy(instance).front() != &cluster) continue;  // it is of an earlier one
    TRIVIUM_RETURN_IF_ERROR(WriteControlPlane(maker, mesh, cluster, instance));
  }
  for (const NodeSpec& node : cluster.nodes) TRIVIUM_RETURN_IF_ERROR(WriteAgent(maker, mesh, cluster, node));
  if (cluster.events.has_value()) TRIVIUM_RETURN_IF_ERROR(WriteEvents(maker, mesh, cluster, folder));
  for (const std::string& name : cluster.operators) {
    const std::string principal = Principal{cluster.name, "ctl", name}.ToString();
    TRIVIUM_RETURN_IF_ERROR(maker->Principal(principal));
    YAML::Node context;
    // The first operator's context has the cluster's name: what a single person on a laptop wants.
    context["name"] =
        name == cluster.operators.front() ? cluster.name : absl::StrCat(cluster.name, "-", name);
    context["cluster"] = cluster.name;
    context["principal"] = principal;
    context["nats"] = NatsSection(*maker, cluster.edges, principal);
    contexts.push_back(context);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MeshInitResult> MeshInit(const MeshInitOptions& options) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string text, options.files->Read(options.spec));
  TRIVIUM_ASSIGN_OR_RETURN(const MeshSpec mesh, ParseMeshSpec(text, options.spec));
  const std::string folder = std::filesystem::absolute(options.folder).lexically_normal().string();
  for (const char* part : {"", "/nats", "/sql", "/controlplane", "/agent", "/relay", "/subscriber"}) {
    TRIVIUM_RETURN_IF_ERROR(options.files->MakeFolders(folder + part));
  }
  Maker maker(options, folder);
  TRIVIUM_RETURN_IF_ERROR(maker.OpenAuthorities(mesh.name));
  TRIVIUM_RETURN_IF_ERROR(WriteSql(&maker, mesh));
  YAML::Node contexts;
  contexts["current_context"] = mesh.clusters.front().name;
  contexts["contexts"] = YAML::Node(YAML::NodeType::Sequence);
  for (const ClusterSpec& cluster : mesh.clusters) {
    TRIVIUM_RETURN_IF_ERROR(WriteCluster(&maker, mesh, cluster, folder, contexts["contexts"]));
  }
  TRIVIUM_RETURN_IF_ERROR(maker.Write("triviumctl.yaml", Emit(contexts)));
  MeshInitResult result{mesh.name, maker.made(), {}};
  for (const auto& context : contexts["contexts"]) result.contexts.push_back(context["name"].Scalar());
  return result;
}

}  // namespace trivium::cli
