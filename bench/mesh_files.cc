#include "bench/mesh_files.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "base/status.h"
#include "base/yaml_section.h"
#include "policy/cidr.h"
#include "schema/subjects.h"

namespace trivium::bench {
namespace {

absl::StatusOr<YamlSection> ReadYaml(const std::string& path) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string text, RealFiles()->Read(path));
  return YamlSection::Parse(text, path);
}

absl::StatusOr<BareNatsOptions> ReadNats(const YamlSection& section, const std::string& principal) {
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection nats, section.Section("nats"));
  BareNatsOptions options;
  options.principal = principal;
  TRIVIUM_RETURN_IF_ERROR(nats.TextList("servers", &options.servers));
  TRIVIUM_RETURN_IF_ERROR(nats.File("ca", &options.ca));
  TRIVIUM_RETURN_IF_ERROR(nats.File("cert", &options.cert));
  TRIVIUM_RETURN_IF_ERROR(nats.File("key", &options.key));
  return options;
}

absl::StatusOr<AgentFiles> ReadAgent(const std::string& path) {
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection file, ReadYaml(path));
  AgentFiles agent;
  TRIVIUM_RETURN_IF_ERROR(file.Text("cluster", &agent.cluster));
  TRIVIUM_RETURN_IF_ERROR(file.Text("node", &agent.node));
  TRIVIUM_RETURN_IF_ERROR(file.File("pin_root", &agent.pin_root));
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection underlay, file.Section("underlay"));
  std::vector<std::string> addresses;
  TRIVIUM_RETURN_IF_ERROR(underlay.TextList("addresses", &addresses));
  TRIVIUM_ASSIGN_OR_RETURN(agent.underlay, policy::ParseAddress(addresses.front()));
  std::vector<std::string> networks;
  TRIVIUM_RETURN_IF_ERROR(file.TextList("pod_cidrs", &networks));
  TRIVIUM_ASSIGN_OR_RETURN(const v1::Cidr network, policy::ParseCidr(networks.front()));
  agent.network = network.address();
  agent.length = network.length();
  TRIVIUM_ASSIGN_OR_RETURN(agent.nats,
                           ReadNats(file, Principal{agent.cluster, "node", agent.node}.ToString()));
  return agent;
}

// One for each cluster that the instance serves: it connects as one of the first.
absl::StatusOr<std::vector<ControlPlaneFiles>> ReadControlPlane(const std::string& path) {
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection file, ReadYaml(path));
  std::string instance;
  TRIVIUM_RETURN_IF_ERROR(file.Text("instance", &instance));
  std::vector<YamlSection> clusters = {file};
  if (file.Has("clusters")) {
    TRIVIUM_ASSIGN_OR_RETURN(clusters, file.Sections("clusters"));
  }
  std::vector<ControlPlaneFiles> control_planes;
  for (const YamlSection& section : clusters) {
    ControlPlaneFiles one;
    uint64_t id = 0;
    TRIVIUM_RETURN_IF_ERROR(section.Text("cluster", &one.cluster));
    TRIVIUM_RETURN_IF_ERROR(section.Number("cluster_id", 1, 65535, &id));
    one.cluster_id = static_cast<uint32_t>(id);
    control_planes.push_back(std::move(one));
  }
  TRIVIUM_ASSIGN_OR_RETURN(
      const BareNatsOptions nats,
      ReadNats(file, Principal{control_planes.front().cluster, "cp", instance}.ToString()));
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection sql, file.Section("sql"));
  std::vector<std::string> hosts;
  std::string database, user, ca, cert, key;
  TRIVIUM_RETURN_IF_ERROR(sql.TextList("hosts", &hosts));
  TRIVIUM_RETURN_IF_ERROR(sql.Text("database", &database));
  TRIVIUM_RETURN_IF_ERROR(sql.Text("user", &user));
  TRIVIUM_RETURN_IF_ERROR(sql.File("ca", &ca));
  TRIVIUM_RETURN_IF_ERROR(sql.File("cert", &cert));
  TRIVIUM_RETURN_IF_ERROR(sql.File("key", &key));
  const std::pair<std::string, std::string> host = absl::StrSplit(hosts.front(), absl::MaxSplits(':', 1));
  for (ControlPlaneFiles& one : control_planes) {
    one.nats = nats;
    one.sql =
        absl::StrCat("host='", host.first, "' port='", host.second, "' dbname='", database, "' user='", user,
                     "' sslmode=verify-full sslrootcert='", ca, "' sslcert='", cert, "' sslkey='", key, "'");
  }
  return control_planes;
}

}  // namespace

absl::StatusOr<MeshFiles> ReadMeshFiles(const std::string& folder) {
  MeshFiles mesh;
  TRIVIUM_ASSIGN_OR_RETURN(const auto agents, RealFiles()->List(folder + "/agent"));
  for (const std::string& name : agents) {
    TRIVIUM_ASSIGN_OR_RETURN(AgentFiles agent, ReadAgent(absl::StrCat(folder, "/agent/", name)));
    mesh.agents.push_back(std::move(agent));
  }
  TRIVIUM_ASSIGN_OR_RETURN(const auto control_planes, RealFiles()->List(folder + "/controlplane"));
  for (const std::string& name : control_planes) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::vector<ControlPlaneFiles> clusters,
                             ReadControlPlane(absl::StrCat(folder, "/controlplane/", name)));
    mesh.control_planes.insert(mesh.control_planes.end(), clusters.begin(), clusters.end());
  }
  TRIVIUM_ASSIGN_OR_RETURN(const YamlSection contexts, ReadYaml(folder + "/triviumctl.yaml"));
  TRIVIUM_ASSIGN_OR_RETURN(const auto list, contexts.Sections("contexts"));
  for (const YamlSection& context : list) {
    std::string cluster, principal;
    TRIVIUM_RETURN_IF_ERROR(context.Text("cluster", &cluster));
    TRIVIUM_RETURN_IF_ERROR(context.Text("principal", &principal));
    TRIVIUM_ASSIGN_OR_RETURN(BareNatsOptions nats, ReadNats(context, principal));
    mesh.operators.emplace_back(cluster, std::move(nats));
  }
  return mesh;
}

}  // namespace trivium::bench
