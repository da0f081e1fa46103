#include "cli/mesh/nats_config.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/mesh/nats_text.h"
#include "schema/object.h"
#include "schema/subjects.h"

namespace trivium::cli {
namespace {

// What everybody who follows histories needs.
NatsUserSpec Follower(const Principal& who) {
  const std::string principal = who.ToString();
  return NatsUserSpec{principal,
                      {subjects::Sync("*", principal), subjects::Chunk("*", principal)},
                      {subjects::kFeedAndHeads, OwnInbox(principal)}};
}

NatsUserSpec NodeUser(const std::string& cluster, const std::string& node) {
  NatsUserSpec user = Follower({cluster, "node", node});
  user.publish.push_back(subjects::Api(cluster, user.principal, "*"));
  user.publish.push_back(subjects::AgentStatus(cluster, node));
  user.publish.push_back(subjects::Flows(cluster, node));
  return user;
}

NatsUserSpec OperatorUser(const std::string& cluster, const std::string& name) {
  NatsUserSpec user = Follower({cluster, "ctl", name});
  user.publish.push_back(subjects::Api(cluster, user.principal, "*"));
  user.subscribe.push_back(subjects::EveryAgentStatus(cluster));
  user.subscribe.push_back(subjects::EveryFlows(cluster));
  return user;
}

// A control plane answers whoever asks, so it may publish to every inbox; feeds only of the clusters that it
// serves and of the mesh. It connects as one of its first cluster, and is a principal of each.
NatsUserSpec ControlPlaneUser(const std::vector<const ClusterSpec*>& clusters, const std::string& instance) {
  NatsUserSpec user = Follower({clusters.front()->name, "cp", instance});
  for (const std::string& subject :
       {subjects::Feed(kMeshCluster), std::string(subjects::kHeads), std::string("_INBOX.>"),
        subjects::Api(kMeshCluster, user.principal, "*")}) {
    user.publish.push_back(subject);
  }
  for (const std::string& subject : {subjects::EveryApi(kMeshCluster), std::string(subjects::kEverySync),
                                     subjects::EveryChunk(instance)}) {
    user.subscribe.push_back(subject);
  }
  for (const ClusterSpec* cluster : clusters) {
    const std::string principal = Principal{cluster->name, "cp", instance}.ToString();
    user.publish.push_back(subjects::Feed(cluster->name));
    user.publish.push_back(subjects::Api(cluster->name, principal, "*"));
    user.publish.push_back(subjects::Forward(cluster->name, principal, "*"));
    user.subscribe.push_back(subjects::EveryForward(cluster->name, instance));
    user.subscribe.push_back(subjects::EveryApi(cluster->name));
    user.subscribe.push_back(subjects::EveryAgentStatus(cluster->name));
  }
  return user;
}

}  // namespace

std::string NatsServerConfig(const MeshSpec& mesh, const ClusterSpec& cluster, const NatsServerSpec& server,
                             const std::string& folder) {
  // Publishers on hubs, everybody else on edges: a reader that is slow cannot be on a publisher's server.
  std::string users;
  if (server.hub) {
    for (const std::string& cp : cluster.control_planes) {
      const std::vector<const ClusterSpec*> served = mesh.ServedBy(cp);
      if (served.front() == &cluster) users += NatsUserLine(ControlPlaneUser(served, cp));
    }
  } else {
    for (const NodeSpec& node : cluster.nodes) users += NatsUserLine(NodeUser(cluster.name, node.name));
    for (const std::string& name : cluster.operators) users += NatsUserLine(OperatorUser(cluster.name, name));
  }

  std::vector<std::string> routes;
  for (const auto* group : {&cluster.hubs, &cluster.edges}) {
    for (const NatsServerSpec& other : *group) {
      if (other.name != server.name)
        routes.push_back(absl::StrCat("tls://", other.host, ":", other.cluster_port));
    }
  }
  std::string gateways;
  for (const ClusterSpec& other : mesh.clusters) {
    std::vector<std::string> urls;
    for (const auto* group : {&other.hubs, &other.edges}) {
      for (const NatsServerSpec& s : *group)
        urls.push_back(absl::StrCat("tls://", s.host, ":", s.gateway_port));
    }
    absl::StrAppend(&gateways, "    {name: ", Quoted(other.name), ", urls: ", NatsList(urls), "}\n");
  }

  // An authority of its own, so that no client can pose as a server of the mesh.
  const std::string fabric = NatsTls(folder, "fabric-ca", server.name + "-fabric", "");
  return absl::StrCat(
      "# Written by `triviumctl mesh init`; change mesh.yaml and run it again.\n",
      "server_name: ", Quoted(server.name), "\n",
      "listen: ", Quoted(absl::StrCat(server.host, ":", server.port)), "\n",
      server.monitor_port != 0 ? absl::StrCat("http: \"127.0.0.1:", server.monitor_port, "\"\n") : "",
      "# A reader that cannot keep up is cut off early, and a dead peer is noticed within seconds.\n"
      "max_pending: 16MB\nwrite_deadline: \"2s\"\nping_interval: \"5s\"\nping_max: 2\nmax_payload: 1MB\n"
      "max_connections: 20000\n\n",
      // verify_and_map turns the certificate's URI into the user below.
      NatsTls(folder, "ca", server.name, "    verify_and_map: true\n"), "\n\n",
      "# One user per principal, allow lists alone.\naccounts {\n  MESH {\n    users: [\n", users,
      "    ]\n  }\n  SYS {}\n}\nsystem_account: SYS\n\n", "cluster {\n  name: ", Quoted(cluster.name),
      "\n  listen: ", Quoted(absl::StrCat(server.host, ":", server.cluster_port)),
      "\n  no_advertise: true\n  routes: ", NatsList(routes), "\n  ", fabric, "\n}\n\n",
      "gateway {\n  name: ", Quoted(cluster.name),
      "\n  listen: ", Quoted(absl::StrCat(server.host, ":", server.gateway_port)),
      "\n  advertise: ", Quoted(absl::StrCat(server.host, ":", server.gateway_port)),
      "\n  reject_unknown_cluster: true\n  gateways: [\n", gateways, "  ]\n  ", fabric, "\n}\n");
}

}  // namespace trivium::cli
