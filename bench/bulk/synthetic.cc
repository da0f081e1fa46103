#include "bench/bulk/synthetic.h"

#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "schema/digest.h"
#include "schema/object.h"

namespace trivium::bench {
namespace {

constexpr uint64_t kEpoch = 1;
constexpr uint64_t kRevision = 1000;
constexpr uint32_t kFirstIdentity = 256;
constexpr uint32_t kNamespaces = 20;

uint64_t Mix(uint64_t z) {  // splitmix64
  z += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

Id128 Uid(uint32_t cluster, uint32_t kind, uint32_t index) {
  const uint64_t seed = uint64_t{cluster} << 40 | uint64_t{kind} << 32 | index;
  return {Mix(seed), Mix(~seed)};
}

std::string Address(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

int AddressBits(const SyntheticOptions& options) {
  return std::bit_width(options.endpoints + options.nodes + 20);
}

uint32_t FirstAddress(const SyntheticOptions& options, uint32_t cluster) {
  return 10u << 24 | cluster << AddressBits(options);
}

uint32_t IdentityNumber(const SyntheticOptions& options, uint32_t cluster, uint32_t index) {
  return kFirstIdentity + (cluster - 1) * options.identities + index;
}

std::string NamespaceName(uint32_t index) { return absl::StrCat("team-", index % kNamespaces); }

void SetMeta(v1::Object* object, Id128 uid) {
  v1::Meta* meta = MutableMetaOf(object);
  meta->set_uid(uid.ToBytes());
  meta->set_generation(1);
}

void Put(FakeDatabase::ClusterRows* rows, Digest* digest, v1::Object object) {
  const ObjectKey key = KeyOf(object);
  const uint64_t revision = 1 + rows->objects.size() % kRevision;
  digest->Add(KeyHash(key.kind, key.key), revision);
  rows->objects.emplace_hint(rows->objects.end(), key,
                             FakeDatabase::ObjectRow{revision, std::move(object), ""});
}

void SetHead(FakeDatabase::ClusterRows* rows, const Digest& digest) {
  rows->head.epoch = kEpoch;
  rows->head.revision = rows->head.log_floor = kRevision;
  rows->head.last_batch = {Mix(std::hash<std::string>()(rows->name)), kRevision};
  rows->head.digest = digest.value();
}

FakeDatabase::ClusterRows MeshRows(const SyntheticOptions& options) {
  FakeDatabase::ClusterRows rows;
  rows.name = kMeshCluster;
  Digest digest;
  v1::Object region;
  region.mutable_region()->set_name(kRegion);
  region.mutable_region()->set_home(kHome);
  SetMeta(&region, Uid(0, 1, 0));
  Put(&rows, &digest, std::move(region));
  for (uint32_t c = 1; c <= options.clusters; ++c) {
    v1::Object object;
    v1::Cluster* cluster = object.mutable_cluster();
    cluster->set_name(ClusterName(c));
    cluster->set_id(c);
    cluster->set_region(kRegion);
    *cluster->add_pod_cidrs() = PodCidr(options, c);
    SetMeta(&object, Uid(0, 2, c));
    Put(&rows, &digest, std::move(object));
    v1::Object block;
    block.mutable_identity_block()->set_first(IdentityNumber(options, c, 0));
    block.mutable_identity_block()->set_count(options.identities);
    block.mutable_identity_block()->set_cluster_id(c);
    SetMeta(&block, Uid(0, 3, c));
    Put(&rows, &digest, std::move(block));
  }
  SetHead(&rows, digest);
  return rows;
}

v1::Object SyntheticNode(const SyntheticOptions& options, uint32_t cluster, uint32_t index) {
  v1::Object object;
  v1::Node* node = object.mutable_node();
  node->set_name(absl::StrFormat("ip-10-0-%d-%d", index / 250, index % 250));
  node->set_number(index + 1);
  node->add_addresses(Address((172u << 24 | 16u << 16) + (cluster - 1) * options.nodes + index));
  node->add_inner_addresses(Address(FirstAddress(options, cluster) + 1 + index));
  node->set_zone("bench-1a");
  node->set_boot_id("6c7d3a52-0d0f-4f0e-9a67-0f6b8b9a1c11");
  node->set_protocol_version(1);
  SetMeta(&object, Uid(cluster, 5, index));
  return object;
}

v1::Object SyntheticIdentity(const SyntheticOptions& options, uint32_t cluster, uint32_t index) {
  v1::Object object;
  v1::Identity* identity = object.mutable_identity();
  identity->set_id(IdentityNumber(options, cluster, index));
  const auto label = [identity](const std::string& key, const std::string& value) {
    v1::Label* l = identity->add_labels();
    l->set_key(key);
    l->set_value(value);
  };
  label("k8s:app", absl::StrCat("workload-", index));
  label("k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name", NamespaceName(index));
  label("k8s:io.cilium.k8s.policy.cluster", ClusterName(cluster));
  label("k8s:io.cilium.k8s.policy.serviceaccount", "default");
  label("k8s:io.kubernetes.pod.namespace", NamespaceName(index));
  SetMeta(&object, Uid(cluster, 7, index));
  return object;
}

FakeDatabase::ClusterRows ClusterRows(const SyntheticOptions& options, uint32_t cluster) {
  FakeDatabase::ClusterRows rows;
  rows.name = ClusterName(cluster);
  Digest digest;
  for (uint32_t i = 0; i < options.nodes; ++i) Put(&rows, &digest, SyntheticNode(options, cluster, i));
  for (uint32_t i = 0; i < kNamespaces; ++i) {
    v1::Object ns;
    ns.mutable_namespace_()->set_name(NamespaceName(i));
    (*ns.mutable_namespace_()->mutable_labels())["kubernetes.io/metadata.name"] = NamespaceName(i);
    SetMeta(&ns, Uid(cluster, 6, i));
    Put(&rows, &digest, std::move(ns));
  }
  for (uint32_t i = 0; i < options.identities; ++i) {
    Put(&rows, &digest, SyntheticIdentity(options, cluster, i));
  }
  for (uint32_t i = 0; i < options.endpoints; ++i) {
    Put(&rows, &digest, SyntheticEndpoint(options, cluster, i));
  }
  SetHead(&rows, digest);
  return rows;
}

}  // namespace

std::string ClusterName(uint32_t cluster) { return absl::StrFormat("c%04d", cluster); }

ClusterRef RefOf(uint32_t cluster) { return {ClusterName(cluster), kHome, cluster}; }

v1::Cidr PodCidr(const SyntheticOptions& options, uint32_t cluster) {
  v1::Cidr cidr;
  cidr.set_address(Address(FirstAddress(options, cluster)));
  cidr.set_length(32 - AddressBits(options));
  return cidr;
}

std::string FreeAddress(const SyntheticOptions& options, uint32_t from_end) {
  return Address(FirstAddress(options, 1) + (1u << AddressBits(options)) - from_end);
}

v1::Object SyntheticEndpoint(const SyntheticOptions& options, uint32_t cluster, uint32_t index) {
  v1::Object object;
  v1::Endpoint* endpoint = object.mutable_endpoint();
  const Id128 uid = Uid(cluster, 8, index);
  endpoint->set_namespace_(NamespaceName(index % std::max(options.identities, 1u)));
  endpoint->set_name(absl::StrFormat("workload-%d-%08x-%05x", index % std::max(options.identities, 1u),
                                     uid.hi & 0xffffffff, uid.lo & 0xfffff));
  endpoint->set_node(1 + index % std::max(options.nodes, 1u));
  endpoint->set_identity(IdentityNumber(options, cluster, index % std::max(options.identities, 1u)));
  endpoint->add_addresses()->set_ip(Address(FirstAddress(options, cluster) + 1 + options.nodes + index));
  SetMeta(&object, uid);
  return object;
}

FakeDatabase::Rows MakeRows(const SyntheticOptions& options) {
  FakeDatabase::Rows rows;
  rows[{0, 0}] = MeshRows(options);
  for (uint32_t c = 1; c <= options.clusters; ++c) rows[{kHome, c}] = ClusterRows(options, c);
  return rows;
}

}  // namespace trivium::bench
