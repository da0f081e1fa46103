#include "tests/flow/agent_world.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "policy/cidr.h"
#include "policy/labels.h"
#include "policy/parse.h"

namespace trivium {

std::string Ip(absl::string_view text) {
  const absl::StatusOr<std::string> ip = policy::ParseAddress(text);
  EXPECT_TRUE(ip.ok()) << ip.status();
  return ip.value_or("");
}

Id128 Uid(uint64_t n) { return Id128{0, n}; }

v1::Object ClusterObject(const std::string& name, uint32_t id, const std::vector<std::string>& pod_cidrs) {
  v1::Object object;
  object.mutable_cluster()->set_name(name);
  object.mutable_cluster()->set_id(id);
  for (const std::string& text : pod_cidrs)
    *object.mutable_cluster()->add_pod_cidrs() = *policy::ParseCidr(text);
  return object;
}

v1::Object NodeObject(const std::string& name, uint32_t number, const std::string& underlay,
                      const std::string& inner) {
  v1::Object object;
  object.mutable_node()->set_name(name);
  object.mutable_node()->set_number(number);
  object.mutable_node()->add_addresses(Ip(underlay));
  object.mutable_node()->add_inner_addresses(Ip(inner));
  return object;
}

v1::Object NamespaceObject(const std::string& name) {
  v1::Object object;
  object.mutable_namespace_()->set_name(name);
  (*object.mutable_namespace_()->mutable_labels())[policy::kMetadataName] = name;
  return object;
}

v1::Object IdentityObject(const std::string& cluster, uint32_t id,
                          const std::map<std::string, std::string>& labels) {
  policy::PodLabels pod;
  pod.cluster = cluster;
  pod.ns = "shop";
  pod.namespace_labels = {{policy::kMetadataName, "shop"}};
  pod.labels = labels;
  v1::Object object;
  object.mutable_identity()->set_id(id);
  for (const v1::Label& label : policy::IdentityLabels(pod)) *object.mutable_identity()->add_labels() = label;
  return object;
}

v1::Object EndpointObject(uint64_t uid, uint32_t node, uint32_t identity, const std::string& ip) {
  v1::Object object;
  v1::Endpoint* endpoint = object.mutable_endpoint();
  endpoint->mutable_meta()->set_uid(Uid(uid).ToBytes());
  endpoint->set_namespace_("shop");
  endpoint->set_name(absl::StrCat("pod-", uid));
  endpoint->set_node(node);
  endpoint->set_identity(identity);
  endpoint->add_addresses()->set_ip(Ip(ip));
  return object;
}

v1::Object PolicyObject(const std::string& manifest) {
  policy::ParseContext context;
  context.file = "test.yaml";
  context.cluster = "aws";
  const auto parsed = policy::ParseManifests(manifest, context);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  if (!parsed.ok() || parsed->size() != 1) return {};
  return (*parsed)[0].object;
}

v1::Object AllowFrom(const std::string& name, const std::string& subject, const std::string& cluster,
                     const std::string& peer, int port) {
  return PolicyObject(absl::StrCat(R"(
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: )",
                                   name, R"(, namespace: shop}
spec:
  podSelector: {matchLabels: {app: )",
                                   subject, R"(}}
  policyTypes: [Ingress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: )",
                                   peer, R"(, io.cilium.k8s.policy.cluster: )", cluster, R"(}}
    ports: [{protocol: TCP, port: )",
                                   port, R"(}]
)"));
}

AgentWorld::AgentWorld(WorldOptions options)
    : random(options.seed),
      broker(&executor, &random),
      maps(options.map_capacity),
      mesh(kMeshCluster, kMeshClusterId, &executor, &broker),
      aws("aws", 1, &executor, &broker),
      gcp("gcp", 2, &executor, &broker) {
  const absl::StatusOr<AgentConfig> parsed = AgentConfig::Parse(R"(
cluster: aws
cluster_id: 1
node: n1
underlay: {device: eth0, addresses: [192.168.0.1]}
pod_cidrs: [10.1.1.0/24, "fd00:1:1::/64"]
inner_addresses: [10.1.1.1]
state_dir: /state
socket: /run/agent.sock
nats: {servers: ["nats://127.0.0.1:1"]}
)",
                                                                "agent.yaml");
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  config = *parsed;
  mesh.Upsert(ClusterObject("aws", 1, {"10.1.0.0/16", "fd00:1::/48"}));
  mesh.Upsert(ClusterObject("gcp", 2, {"10.2.0.0/16"}));
  mesh.Commit();
  aws.Upsert(NamespaceObject("shop"));
  aws.Commit();
  gcp.Upsert(NodeObject("g1", 1, "192.168.1.1", "10.2.1.1"));
  gcp.Commit();
  for (FakeControlPlane* cp : {&mesh, &aws, &gcp}) cp->Beacon(absl::Milliseconds(500));
}

AgentWorld::~AgentWorld() { Kill(); }

absl::Status AgentWorld::Start() {
  bus = broker.Connect(config.Principal());
  AgentApp::Deps deps;
  deps.executor = &executor;
  deps.clock = &clock;
  deps.random = &random;
  deps.files = &files;
  deps.file_sync = &file_sync;
  deps.bus = bus.get();
  deps.maps = &maps;
  deps.devices = &devices;
  deps.boot_id = "boot";
  app = std::make_unique<AgentApp>(config, std::move(deps));
  return app->Start();
}

void AgentWorld::Kill() {
  app.reset();
  bus.reset();
  files.SetFault(absl::OkStatus());
  maps.Revive();
}

void AgentWorld::Disconnect(bool servers_too) {
  if (bus != nullptr) broker.SetConnected(config.Principal(), false);
  if (!servers_too) return;
  for (const char* name : {"_mesh:cp:cp-0", "aws:cp:cp-1", "gcp:cp:cp-2"}) broker.SetConnected(name, false);
}

void AgentWorld::Connect() { broker.SetAllConnected(true); }

bool AgentWorld::InStep() const {
  if (app == nullptr) return false;
  const v1::AgentStatus status = app->Status();
  for (const auto& [name, cp] :
       std::map<std::string, const FakeControlPlane*>{{kMeshCluster, &mesh}, {"aws", &aws}, {"gcp", &gcp}}) {
    bool found = false;
    for (const v1::AppliedCluster& applied : status.applied()) {
      found |= applied.cluster() == name && applied.epoch() == cp->epoch() &&
               applied.received() == cp->revision() && applied.enforced() == cp->revision() &&
               applied.problem().empty();
    }
    if (!found) return false;
  }
  return true;
}

void AgentWorld::Settle() {
  for (int i = 0; i < 600 && !InStep(); ++i) Run(absl::Milliseconds(100));
  EXPECT_TRUE(InStep()) << (app == nullptr ? "" : app->Status().DebugString());
  // Rule sets that went out of force go after their grace.
  Run(absl::Seconds(2));
}

v1::AgentReply AgentWorld::Call(v1::AgentRequest request, absl::Duration wait) {
  v1::AgentReply answer;
  bool answered = false;
  executor.Post([&] {
    app->Handle(request, [&](v1::AgentReply reply) {
      EXPECT_FALSE(answered) << "answered twice";
      answer = std::move(reply);
      answered = true;
    });
  });
  const absl::Duration end = clock.Monotonic() + wait;
  while (!answered && clock.Monotonic() < end) Run(absl::Milliseconds(10));
  EXPECT_TRUE(answered);
  return answer;
}

v1::AgentRequest AgentWorld::AddRequest(uint64_t uid, const std::string& name, const std::string& app_label,
                                        const std::string& ip) {
  devices.MakeVeth("lxc" + name);
  v1::AgentRequest request;
  v1::EndpointAdd* add = request.mutable_add();
  if (uid != 0) add->set_uid(Uid(uid).ToBytes());
  add->set_namespace_("shop");
  add->set_name(name);
  (*add->mutable_labels())["app"] = app_label;
  add->add_ips(Ip(ip));
  add->set_ifname("lxc" + name);
  add->set_pod_mac(std::string("\x02\0\0\0\0\x02", 6));
  return request;
}

v1::AgentReply AgentWorld::AddPod(uint64_t uid, const std::string& name, const std::string& app_label,
                                  const std::string& ip) {
  return Call(AddRequest(uid, name, app_label, ip));
}

v1::AgentReply AgentWorld::DelPod(const std::string& name) {
  v1::AgentRequest request;
  request.mutable_del()->set_namespace_("shop");
  request.mutable_del()->set_name(name);
  return Call(request);
}

v1::AgentStatusResult AgentWorld::Status(bool audit) {
  v1::AgentRequest request;
  request.mutable_status()->set_audit(audit);
  return Call(request).status();
}

std::vector<std::string> AgentWorld::Audit() {
  const v1::AgentStatusResult status = Status(true);
  return {status.audit().begin(), status.audit().end()};
}

}  // namespace trivium
