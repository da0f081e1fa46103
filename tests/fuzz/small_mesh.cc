#include "tests/fuzz/small_mesh.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "controlplane/writer/plan_mesh.h"
#include "tests/fuzz/fuzz.h"

namespace trivium::fuzz {
namespace {

constexpr char kManifests[] = R"(
{apiVersion: v1, kind: Namespace, metadata: {name: x, labels: {team: a}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: y}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np, namespace: x}
spec:
  podSelector: {matchLabels: {pod: a}}
  ingress:
  - from: [{podSelector: {}}, {ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}}]
    ports: [{port: http}, {port: 5000, endPort: 5010}]
---
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata: {name: group}
spec: {externalCIDRs: [198.51.100.0/24]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: cnp, namespace: x}
spec:
  endpointSelector: {}
  egress:
  - toEndpoints: [{matchLabels: {k8s:io.kubernetes.pod.namespace: y}}]
  - toCIDRSet: [{cidrGroupRef: group}]
  egressDeny:
  - toEntities: [world-ipv6]
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: ccnp}
spec:
  endpointSelector: {matchExpressions: [{key: pod, operator: NotIn, values: [c]}]}
  ingress: [{fromEntities: [cluster]}]
)";

}  // namespace

SmallMesh& SmallMesh::Get() {
  static SmallMesh* const mesh = new SmallMesh();
  return *mesh;
}

SmallMesh::SmallMesh() {
  Lease();
  v1::Snapshot nothing;
  nothing.mutable_head()->set_cluster(kCluster);
  nothing.mutable_head()->set_epoch(1);
  nothing.mutable_head()->set_batch(Id128{}.ToBytes());
  nothing.mutable_head()->set_digest(Mirror().digest().ToBytes());
  const absl::Status loaded = replica_.LoadSnapshot({nothing});
  Require(loaded.ok(), std::string(loaded.message()));
  v1::Request request;
  v1::Node* node = request.mutable_register_node()->mutable_node();
  node->set_name(kNode);
  node->set_boot_id("fuzz");
  node->add_addresses(std::string({100, 64, 1, 1}));
  Ask("node", request);
  request.Clear();
  request.mutable_apply()->add_manifests()->set_text(kManifests);
  Ask("ctl", request);
  AddPod(1, "x", "a");
  AddPod(2, "x", "b");
  AddPod(3, "y", "c");
}

void SmallMesh::Lease() {
  const auto commit = [this](const auto& plan) {
    Draft draft(&mesh_, &mesh_index_, 1);
    const absl::StatusOr<Planned> planned =
        plan(Caller{{kCluster, "cp", "cp1"}, "fuzz", random_.NewId(), 0}, &draft);
    Require(planned.ok(), std::string(planned.status().message()));
    const v1::Changes changes = draft.ToChanges();
    for (const v1::Change& change : changes.changes()) {
      mesh_.Upsert(std::make_shared<const v1::Object>(change.object()), 1);
    }
  };
  commit([this](const Caller& caller, Draft* draft) {
    return PlanRegisterCluster({"r1", 1, kCluster, kClusterId, 0, {}}, caller, &random_, draft);
  });
  commit([this](const Caller& caller, Draft* draft) {
    return PlanLeaseBlock(kClusterId, 1, caller, &random_, draft);
  });
}

void SmallMesh::Ask(const char* role, const v1::Request& request) {
  absl::StatusOr<Batch> batch;
  {
    Draft draft = NewDraft(replica_.position().revision + 1);
    const Caller caller{{kCluster, role, kNode}, "fuzz", random_.NewId(), 0};
    const absl::StatusOr<Planned> planned = planner_.Plan(request, caller, &draft);
    Require(planned.ok(), std::string(planned.status().message()));
    batch = EncodeBatch(kCluster, 1, draft.revision(), replica_.position().batch, draft.DigestAfter(),
                        draft.ToChanges());
    Require(batch.ok(), "the small mesh's batch");
  }
  const Mirror before = replica_.mirror();
  Require(replica_.Apply(*batch) == Replica::Outcome::kApplied, "the small mesh's batch was not applied");
  for (const v1::Change& change : batch->changes.changes()) {
    const ObjectKey key = KeyOf(change);
    index_.Replace(before.Find(key.kind, key.key), replica_.mirror().Find(key.kind, key.key));
  }
}

void SmallMesh::AddPod(char number, const std::string& ns, const std::string& name) {
  v1::Request request;
  v1::AddEndpointRequest* add = request.mutable_add_endpoint();
  add->set_uid(std::string(16, number));
  add->set_namespace_(ns);
  add->set_name(name);
  add->set_node(kNode);
  (*add->mutable_labels())["pod"] = name;
  v1::NamedPort* port = add->add_named_ports();
  port->set_name("http");
  port->set_port(static_cast<uint32_t>(8080 + number));
  port->set_protocol(v1::PROTOCOL_TCP);
  add->add_ips(std::string({10, 1, 0, number}));
  add->add_ips(std::string("\xfd\0\0\1\0\0\0\0\0\0\0\0\0\0\0", 15) + number);
  Ask("node", request);
}

Pipeline::Options SmallMesh::pipeline_options() const {
  Pipeline::Options options;
  options.cluster = kCluster;
  options.cluster_id = kClusterId;
  options.node = kNode;
  return options;
}

void SmallMesh::Tell(Pipeline* pipeline) const {
  const auto tell = [&](uint32_t cluster, const Mirror& mirror) {
    for (int kind = 0; kind < v1::Kind_ARRAYSIZE; ++kind) {
      for (const auto& [key, stored] : mirror.All(static_cast<v1::Kind>(kind))) {
        pipeline->OnObject(cluster,
                           {static_cast<v1::Kind>(kind), key, nullptr, stored.object, stored.revision});
      }
    }
  };
  tell(kMeshClusterId, mesh_);
  tell(kClusterId, replica_.mirror());
  for (const auto& [key, stored] : replica_.mirror().All(v1::KIND_ENDPOINT)) {
    const v1::Endpoint& endpoint = stored.object->endpoint();
    Pipeline::LocalEndpoint local;
    local.uid = *Id128::FromBytes(endpoint.meta().uid());
    local.number = pipeline->NewEndpointNumber();
    local.ifindex = 7;
    for (const v1::EndpointAddress& address : endpoint.addresses()) local.ips.push_back(address.ip());
    local.pod_mac = std::string("\x02\0\0\0\0\x01", 6);
    local.host_mac = std::string("\x02\0\0\0\0\x02", 6);
    pipeline->SetLocalEndpoint(local);
  }
}

}  // namespace trivium::fuzz
