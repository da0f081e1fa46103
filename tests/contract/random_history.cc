#include "tests/contract/random_history.h"

#include <cstdlib>
#include <iostream>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "schema/codec.h"

namespace trivium {
namespace {

constexpr v1::Kind kKinds[] = {v1::KIND_REGION,     v1::KIND_CLUSTER,  v1::KIND_IDENTITY_BLOCK,
                               v1::KIND_CIDR_GROUP, v1::KIND_NODE,     v1::KIND_NAMESPACE,
                               v1::KIND_IDENTITY,   v1::KIND_ENDPOINT, v1::KIND_SERVICE,
                               v1::KIND_BACKEND,    v1::KIND_POLICY,   v1::KIND_LIVENESS};

}  // namespace

RandomHistory::RandomHistory(ClusterRef cluster, StoredHead head, uint64_t seed)
    : cluster_(std::move(cluster)), head_(head), state_(seed * 2 + 1) {}

// splitmix64
uint64_t RandomHistory::Below(uint64_t bound) {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return (z ^ (z >> 31)) % bound;
}

// Few different words, so that keys meet again; some that SQL would trip over.
std::string RandomHistory::Word() {
  static const char* const kWords[] = {"shop",    "db",          "web",    "it's",     "a\"b", "back\\slash",
                                       "{brace}", "comma,comma", "NULL",   "größe",    "",     "percent%s",
                                       "$1",      "tab\there",   "semi;x", "new\nline"};
  return kWords[Below(std::size(kWords))];
}

std::string RandomHistory::Address() {
  std::string address(Below(2) == 0 ? 4 : 16, '\0');
  for (char& byte : address) byte = static_cast<char>(Below(256));
  return address;
}

v1::Object RandomHistory::RandomObject(v1::Kind kind) {
  v1::Object object;
  const std::string name = absl::StrCat("n", Below(12));
  const Id128 uid{Below(~0ull), Below(~0ull)};
  const Id128 known_uid{7, Below(12)};
  auto cidr = [this](v1::Cidr* out) {
    out->set_address(std::string("\x0a\x01\x00\x00", 4));
    out->set_length(static_cast<uint32_t>(Below(17) + 16));
  };
  switch (kind) {
    case v1::KIND_REGION:
      object.mutable_region()->set_name(name);
      object.mutable_region()->set_home(static_cast<uint32_t>(Below(100)));
      break;
    case v1::KIND_CLUSTER: {
      // The number is unique: it follows from the name.
      v1::Cluster* cluster = object.mutable_cluster();
      cluster->set_name(name);
      cluster->set_id(static_cast<uint32_t>(std::stoi(name.substr(1))) + 1);
      cluster->set_region(Word());
      cluster->set_address_space(static_cast<uint32_t>(Below(3)));
      for (uint64_t i = Below(3); i > 0; --i) cidr(cluster->add_pod_cidrs());
      break;
    }
    case v1::KIND_IDENTITY_BLOCK:
      object.mutable_identity_block()->set_first(static_cast<uint32_t>(256 * (1 + Below(12))));
      object.mutable_identity_block()->set_count(256);
      object.mutable_identity_block()->set_cluster_id(static_cast<uint32_t>(Below(5)));
      break;
    case v1::KIND_CIDR_GROUP:
      object.mutable_cidr_group()->set_name(name);
      for (uint64_t i = Below(4); i > 0; --i) cidr(object.mutable_cidr_group()->add_cidrs());
      break;
    case v1::KIND_NODE: {
      v1::Node* node = object.mutable_node();
      node->set_name(name);
      node->set_number(static_cast<uint32_t>(std::stoi(name.substr(1))) + 1);
      node->add_addresses(Address());
      node->add_inner_addresses(Address());
      cidr(node->add_pod_cidrs());
      node->set_zone(Word());
      node->set_boot_id(Word());
      node->set_public_key(Address());
      node->set_mtu(static_cast<uint32_t>(1200 + Below(8000)));
      break;
    }
    case v1::KIND_NAMESPACE:
      object.mutable_namespace_()->set_name(name);
      for (uint64_t i = Below(4); i > 0; --i)
        (*object.mutable_namespace_()->mutable_labels())[Word()] = Word();
      break;
    case v1::KIND_IDENTITY: {
      v1::Identity* identity = object.mutable_identity();
      identity->set_id(static_cast<uint32_t>(256 + Below(12)));
      v1::Label* unique = identity->add_labels();
      unique->set_key("k8s:id");
      unique->set_value(absl::StrCat(identity->id()));
      v1::Label* label = identity->add_labels();
      label->set_key("k8s:word");
      label->set_value(Word());
      v1::NamedPort* port = identity->add_named_ports();
      port->set_name("http");
      port->set_protocol(v1::PROTOCOL_TCP);
      port->set_port(static_cast<uint32_t>(Below(65536)));
      break;
    }
    case v1::KIND_ENDPOINT: {
      v1::Endpoint* endpoint = object.mutable_endpoint();
      endpoint->set_namespace_(Word());
      endpoint->set_name(Word());
      endpoint->set_node(static_cast<uint32_t>(Below(12) + 1));
      endpoint->set_identity(static_cast<uint32_t>(256 + Below(12)));
      for (uint64_t i = Below(3); i > 0; --i) {
        v1::EndpointAddress* address = endpoint->add_addresses();
        address->set_space(static_cast<uint32_t>(Below(2)));
        address->set_ip(Address());
      }
      break;
    }
    case v1::KIND_SERVICE: {
      v1::Service* service = object.mutable_service();
      service->set_namespace_("shop");
      service->set_name(name);
      service->add_cluster_ips(Address());
      service->add_ports()->set_name(Word());
      service->set_global(Below(2) == 0);
      service->set_affinity(Word());
      break;
    }
    case v1::KIND_BACKEND: {
      v1::Backend* backend = object.mutable_backend();
      backend->set_namespace_("shop");
      backend->set_service(name);
      backend->set_endpoint_uid(known_uid.ToBytes());
      backend->set_port_name("http");
      backend->set_ip(Address());
      backend->set_protocol(v1::PROTOCOL_UDP);
      backend->set_port(static_cast<uint32_t>(Below(65536)));
      backend->set_ready(Below(2) == 0);
      break;
    }
    case v1::KIND_POLICY: {
      v1::Policy* policy = object.mutable_policy();
      policy->set_kind("NetworkPolicy");
      policy->set_namespace_("shop");
      policy->set_name(name);
      policy->set_priority(static_cast<int32_t>(Below(100)) - 50);
      v1::PolicyBlock* block = policy->add_blocks();
      block->set_default_deny_ingress(Below(2) == 0);
      for (uint64_t i = Below(4); i > 0; --i) {
        v1::Rule* rule = block->add_rules();
        rule->set_direction(Below(2) == 0 ? v1::Rule::INGRESS : v1::Rule::EGRESS);
        rule->set_origin(Word());
      }
      break;
    }
    case v1::KIND_LIVENESS:
      object.mutable_liveness()->set_cluster("gcp");
      object.mutable_liveness()->set_node(Below(3) == 0 ? "" : name);
      object.mutable_liveness()->set_alive(Below(2) == 0);
      break;
    default:
      std::abort();
  }
  v1::Meta* meta = MutableMetaOf(&object);
  meta->set_uid(kind == v1::KIND_ENDPOINT ? known_uid.ToBytes() : uid.ToBytes());
  meta->set_generation(Below(1000));
  return object;
}

CommitRequest RandomHistory::Next(size_t changes) {
  std::vector<v1::Change> list;
  for (size_t i = 0; i < changes; ++i) {
    const v1::Kind kind = kKinds[Below(std::size(kKinds))];
    const v1::Object object = RandomObject(kind);
    // A third are deletes, many of them of what is not there.
    list.push_back(Below(3) == 0 ? DeleteOf(KeyOf(object)) : UpsertOf(object));
  }
  return Next(std::move(list));
}

CommitRequest RandomHistory::Next(std::vector<v1::Change> changes) {
  CommitRequest request;
  request.cluster = cluster_;
  request.expected = head_;
  const uint64_t revision = head_.revision + 1;
  v1::Changes message;
  for (v1::Change& change : changes) {
    if (change.op() == v1::Change::DELETE) {
      mirror_.Delete(KeyOf(change));
    } else {
      mirror_.Upsert(std::make_shared<const v1::Object>(change.object()), revision);
    }
    *message.add_changes() = std::move(change);
  }
  absl::StatusOr<Batch> batch = EncodeBatch(cluster_.name, head_.epoch, revision, head_.last_batch,
                                            mirror_.digest(), std::move(message));
  if (!batch.ok()) {
    std::cerr << batch.status() << "\n";
    std::abort();
  }
  request.batch = *std::move(batch);
  head_.revision = revision;
  head_.prev_batch = head_.last_batch;
  head_.last_batch = request.batch.batch;
  head_.digest = request.batch.digest;
  return request;
}

v1::Change UpsertOf(v1::Object object) {
  v1::Change change;
  *change.mutable_object() = std::move(object);
  return change;
}

v1::Change DeleteOf(const ObjectKey& key) {
  v1::Change change;
  change.set_op(v1::Change::DELETE);
  change.set_kind(key.kind);
  change.set_key(key.key);
  return change;
}

v1::Object NamespaceObject(const std::string& name, const std::string& team) {
  v1::Object object;
  object.mutable_namespace_()->set_name(name);
  (*object.mutable_namespace_()->mutable_labels())["team"] = team;
  object.mutable_namespace_()->mutable_meta()->set_generation(1);
  return object;
}

}  // namespace trivium
