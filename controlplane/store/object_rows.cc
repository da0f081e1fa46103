#include "controlplane/store/object_rows.h"

#include <arpa/inet.h>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "schema/digest.h"

namespace trivium {
namespace {

using Json = nlohmann::json;

// The next column of the row that is being added.
class Cells {
 public:
  explicit Cells(std::vector<ArrayText>* columns) : columns_(columns) {}
  ArrayText& Next() {
    if (next_ == columns_->size()) columns_->emplace_back();
    return (*columns_)[next_++];
  }

 private:
  std::vector<ArrayText>* const columns_;
  size_t next_ = 0;
};

std::string Dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

absl::StatusOr<Id128> UidOf(const std::string& bytes) {
  if (bytes.empty()) return Id128{};
  return Id128::FromBytes(bytes);
}

template <typename Addresses>
absl::StatusOr<std::string> InetList(const Addresses& addresses) {
  ArrayText list;
  for (const std::string& address : addresses) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::string text, InetText(address));
    list.Add(text);
  }
  return list.Take();
}

template <typename Cidrs>
absl::StatusOr<std::string> CidrList(const Cidrs& cidrs) {
  ArrayText list;
  for (const v1::Cidr& cidr : cidrs) {
    TRIVIUM_ASSIGN_OR_RETURN(const std::string text, InetText(cidr.address()));
    if (cidr.length() > cidr.address().size() * 8) {
      return absl::InvalidArgumentError(absl::StrCat("prefix length ", cidr.length(), " of ", text));
    }
    list.Add(absl::StrCat(text, "/", cidr.length()));
  }
  return list.Take();
}

absl::string_view ProtocolName(v1::Protocol protocol) {
  switch (protocol) {
    case v1::PROTOCOL_TCP:
      return "TCP";
    case v1::PROTOCOL_UDP:
      return "UDP";
    case v1::PROTOCOL_SCTP:
      return "SCTP";
    case v1::PROTOCOL_ICMP:
      return "ICMP";
    case v1::PROTOCOL_ICMPV6:
      return "ICMPv6";
    default:
      return "ANY";
  }
}

// "http=TCP/8080, dns=UDP/53"
template <typename Ports>
std::string PortText(const Ports& ports) {
  return absl::StrJoin(ports, ", ", [](std::string* out, const auto& port) {
    absl::StrAppend(out, port.name(), "=", ProtocolName(port.protocol()), "/", port.port());
  });
}

absl::Status Fill(const v1::Region& region, Cells* cells) {
  cells->Next().AddInt(region.home());
  return absl::OkStatus();
}

absl::Status Fill(const v1::Cluster& cluster, Cells* cells) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string pod_cidrs, CidrList(cluster.pod_cidrs()));
  cells->Next().AddInt(cluster.id());
  cells->Next().Add(cluster.region());
  cells->Next().AddInt(cluster.address_space());
  cells->Next().Add(pod_cidrs);
  return absl::OkStatus();
}

absl::Status Fill(const v1::IdentityBlock& block, Cells* cells) {
  cells->Next().AddInt(block.count());
  cells->Next().AddInt(block.cluster_id());
  return absl::OkStatus();
}

absl::Status Fill(const v1::CidrGroup& group, Cells* cells) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string cidrs, CidrList(group.cidrs()));
  cells->Next().Add(cidrs);
  return absl::OkStatus();
}

absl::Status Fill(const v1::Node& node, Cells* cells) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string addresses, InetList(node.addresses()));
  TRIVIUM_ASSIGN_OR_RETURN(const std::string inner, InetList(node.inner_addresses()));
  TRIVIUM_ASSIGN_OR_RETURN(const std::string pod_cidrs, CidrList(node.pod_cidrs()));
  cells->Next().AddInt(node.number());
  cells->Next().Add(addresses);
  cells->Next().Add(inner);
  cells->Next().Add(pod_cidrs);
  cells->Next().Add(node.zone());
  cells->Next().Add(node.boot_id());
  cells->Next().AddBytes(node.public_key());
  cells->Next().AddInt(node.key_id());
  cells->Next().AddInt(node.protocol_version());
  cells->Next().AddInt(node.mtu());
  return absl::OkStatus();
}

absl::Status Fill(const v1::Namespace& ns, Cells* cells) {
  Json labels = Json::object();
  for (const auto& [key, value] : ns.labels()) labels[key] = value;
  cells->Next().Add(Dump(labels));
  return absl::OkStatus();
}

absl::Status Fill(const v1::Identity& identity, Cells* cells) {
  Json labels = Json::object();
  // What makes the identity what it is, with lengths, so that no two sets look alike.
  std::string canonical;
  for (const v1::Label& label : identity.labels()) {
    labels[label.key()] = label.value();
    absl::StrAppend(&canonical, label.key().size(), ":", label.key(), label.value().size(), ":",
                    label.value());
  }
  for (const v1::NamedPort& port : identity.named_ports()) {
    absl::StrAppend(&canonical, "|", port.name().size(), ":", port.name(), port.protocol(), ":", port.port());
  }
  cells->Next().Add(Dump(labels));
  cells->Next().Add(absl::StrJoin(identity.labels(), ",", [](std::string* out, const v1::Label& label) {
    absl::StrAppend(out, label.key(), "=", label.value());
  }));
  cells->Next().AddId(KeyHash(v1::KIND_IDENTITY, canonical));
  cells->Next().Add(PortText(identity.named_ports()));
  return absl::OkStatus();
}

absl::Status Fill(const v1::Endpoint& endpoint, Cells* cells) {
  cells->Next().Add(endpoint.namespace_());
  cells->Next().Add(endpoint.name());
  cells->Next().AddInt(endpoint.node());
  cells->Next().AddInt(endpoint.identity());
  return absl::OkStatus();
}

absl::Status Fill(const v1::Service& service, Cells* cells) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string cluster_ips, InetList(service.cluster_ips()));
  cells->Next().Add(cluster_ips);
  cells->Next().Add(PortText(service.ports()));
  cells->Next().AddBool(service.global());
  cells->Next().AddBool(service.shared());
  cells->Next().Add(service.affinity());
  return absl::OkStatus();
}

absl::Status Fill(const v1::Backend& backend, Cells* cells) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::string ip, InetText(backend.ip()));
  if (backend.port() > 65535) {
    return absl::InvalidArgumentError(absl::StrCat("port ", backend.port(), " is above 65535"));
  }
  cells->Next().Add(ip);
  cells->Next().AddInt(backend.protocol());
  cells->Next().AddInt(backend.port());
  cells->Next().AddBool(backend.ready());
  cells->Next().AddBool(backend.terminating());
  cells->Next().AddInt(backend.weight());
  return absl::OkStatus();
}

absl::Status Fill(const v1::Policy& policy, Cells* cells) {
  int ingress = 0;
  int egress = 0;
  bool deny_ingress = false;
  bool deny_egress = false;
  for (const v1::PolicyBlock& block : policy.blocks()) {
    deny_ingress |= block.default_deny_ingress();
    deny_egress |= block.default_deny_egress();
    for (const v1::Rule& rule : block.rules()) ++(rule.direction() == v1::Rule::INGRESS ? ingress : egress);
  }
  cells->Next().AddInt(policy.tier());
  cells->Next().AddInt(policy.priority());
  cells->Next().AddInt(ingress);
  cells->Next().AddInt(egress);
  cells->Next().AddBool(deny_ingress);
  cells->Next().AddBool(deny_egress);
  return absl::OkStatus();
}

absl::Status Fill(const v1::Liveness& liveness, Cells* cells) {
  cells->Next().AddBool(liveness.alive());
  return absl::OkStatus();
}

absl::Status FillAny(const v1::Object& object, Cells* cells) {
  switch (object.value_case()) {
    case v1::Object::kRegion:
      return Fill(object.region(), cells);
    case v1::Object::kCluster:
      return Fill(object.cluster(), cells);
    case v1::Object::kIdentityBlock:
      return Fill(object.identity_block(), cells);
    case v1::Object::kCidrGroup:
      return Fill(object.cidr_group(), cells);
    case v1::Object::kNode:
      return Fill(object.node(), cells);
    case v1::Object::kNamespace:
      return Fill(object.namespace_(), cells);
    case v1::Object::kIdentity:
      return Fill(object.identity(), cells);
    case v1::Object::kEndpoint:
      return Fill(object.endpoint(), cells);
    case v1::Object::kService:
      return Fill(object.service(), cells);
    case v1::Object::kBackend:
      return Fill(object.backend(), cells);
    case v1::Object::kPolicy:
      return Fill(object.policy(), cells);
    case v1::Object::kLiveness:
      return Fill(object.liveness(), cells);
    case v1::Object::VALUE_NOT_SET:
      break;
  }
  return absl::InvalidArgumentError("an object without a value");
}

absl::StatusOr<std::string> UuidOfHex(const std::string& hex) {
  TRIVIUM_ASSIGN_OR_RETURN(const Id128 id, Id128::FromHex(hex));
  return id.ToUuid();
}

}  // namespace

const std::vector<ObjectTable>& ObjectTables() {
  static const auto* const tables = new std::vector<ObjectTable>{
      {v1::KIND_REGION, &sql::kUpsertRegions, &sql::kDeleteRegions, &sql::kReadRegions,
       &sql::kReadRegionManifest},
      {v1::KIND_CLUSTER, &sql::kUpsertClusters, &sql::kDeleteClusters, &sql::kReadClusters,
       &sql::kReadClusterManifest},
      {v1::KIND_IDENTITY_BLOCK, &sql::kUpsertIdentityBlocks, &sql::kDeleteIdentityBlocks,
       &sql::kReadIdentityBlocks, nullptr},
      {v1::KIND_CIDR_GROUP, &sql::kUpsertCidrGroups, &sql::kDeleteCidrGroups, &sql::kReadCidrGroups,
       &sql::kReadCidrGroupManifest},
      {v1::KIND_NODE, &sql::kUpsertNodes, &sql::kDeleteNodes, &sql::kReadNodes, &sql::kReadNodeManifest},
      {v1::KIND_NAMESPACE, &sql::kUpsertNamespaces, &sql::kDeleteNamespaces, &sql::kReadNamespaces,
       &sql::kReadNamespaceManifest},
      {v1::KIND_IDENTITY, &sql::kUpsertIdentities, &sql::kDeleteIdentities, &sql::kReadIdentities, nullptr},
      {v1::KIND_ENDPOINT, &sql::kUpsertEndpoints, &sql::kDeleteEndpoints, &sql::kReadEndpoints, nullptr},
      {v1::KIND_SERVICE, &sql::kUpsertServices, &sql::kDeleteServices, &sql::kReadServices,
       &sql::kReadServiceManifest},
      {v1::KIND_BACKEND, &sql::kUpsertBackends, &sql::kDeleteBackends, &sql::kReadBackends, nullptr},
      {v1::KIND_POLICY, &sql::kUpsertPolicies, &sql::kDeletePolicies, &sql::kReadPolicies,
       &sql::kReadPolicyManifest},
      {v1::KIND_LIVENESS, &sql::kUpsertLiveness, &sql::kDeleteLiveness, &sql::kReadLiveness, nullptr},
  };
  return *tables;
}

const ObjectTable* FindObjectTable(v1::Kind kind) {
  for (const ObjectTable& table : ObjectTables()) {
    if (table.kind == kind) return &table;
  }
  return nullptr;
}

absl::StatusOr<std::string> InetText(const std::string& address) {
  char text[INET6_ADDRSTRLEN];
  const int family = address.size() == 4 ? AF_INET : AF_INET6;
  if ((address.size() != 4 && address.size() != 16) ||
      inet_ntop(family, address.data(), text, sizeof(text)) == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("an address of ", address.size(), " bytes; want 4 or 16"));
  }
  return std::string(text);
}

absl::StatusOr<std::vector<std::string>> KeyColumns(const ObjectKey& key) {
  auto refuse = [&key] {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key.key, "\" is not the key of a ", KindName(key.kind)));
  };
  std::vector<std::string> parts = absl::StrSplit(key.key, '/');
  size_t want = 1;
  switch (key.kind) {
    case v1::KIND_SERVICE:
    case v1::KIND_LIVENESS:
      want = 2;
      break;
    case v1::KIND_POLICY:
      want = 3;
      break;
    case v1::KIND_BACKEND:
      want = 4;
      break;
    default:
      break;
  }
  if (key.kind == v1::KIND_UNSPECIFIED || key.key.empty() || parts.size() != want) return refuse();
  if (key.kind == v1::KIND_ENDPOINT || key.kind == v1::KIND_BACKEND) {
    std::string& uid = parts[key.kind == v1::KIND_ENDPOINT ? 0 : 2];
    absl::StatusOr<std::string> uuid = UuidOfHex(uid);
    if (!uuid.ok()) return refuse();
    uid = *std::move(uuid);
  }
  if (key.kind == v1::KIND_IDENTITY || key.kind == v1::KIND_IDENTITY_BLOCK) {
    uint32_t number = 0;
    if (!absl::SimpleAtoi(parts[0], &number)) return refuse();
  }
  return parts;
}

absl::Status ObjectRows::AddUpsert(const ObjectKey& key, const v1::Object& object,
                                   const std::string& manifest) {
  const std::string context = absl::StrCat(KindName(key.kind), " ", key.key);
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<std::string> key_columns, KeyColumns(key));
  const v1::Meta& meta = MetaOf(object);
  const absl::StatusOr<Id128> uid = UidOf(meta.uid());
  if (!uid.ok()) return Annotate(uid.status(), context);
  Cells cells(&upserts_);
  for (const std::string& column : key_columns) cells.Next().Add(column);
  if (key.kind != v1::KIND_ENDPOINT) cells.Next().AddId(*uid);
  cells.Next().AddInt(static_cast<int64_t>(meta.generation()));
  TRIVIUM_RETURN_IF_ERROR(Annotate(FillAny(object, &cells), context));
  if (FindObjectTable(key.kind)->read_manifest != nullptr) cells.Next().Add(manifest);
  cells.Next().AddBytes(object.SerializeAsString());
  return absl::OkStatus();
}

absl::Status ObjectRows::AddDelete(const ObjectKey& key) {
  TRIVIUM_ASSIGN_OR_RETURN(const std::vector<std::string> key_columns, KeyColumns(key));
  Cells cells(&deletes_);
  for (const std::string& column : key_columns) cells.Next().Add(column);
  return absl::OkStatus();
}

void ObjectRows::AppendUpserts(Params* params) const {
  for (const ArrayText& column : upserts_) params->Array(column);
}

void ObjectRows::AppendDeletes(Params* params) const {
  for (const ArrayText& column : deletes_) params->Array(column);
}

}  // namespace trivium
