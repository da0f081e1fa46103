#include "schema/object_json.h"

#include <arpa/inet.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/id128.h"

namespace trivium::json {
namespace {

namespace pb = google::protobuf;

struct KnownKind {
  v1::Kind kind;
  const char* name;
  const char* api_version;
  bool namespaced;
};

constexpr KnownKind kKnown[] = {
    {v1::KIND_REGION, "Region", "trivium/v1", false},
    {v1::KIND_CLUSTER, "Cluster", "trivium/v1", false},
    {v1::KIND_IDENTITY_BLOCK, "IdentityBlock", "trivium/v1", false},
    {v1::KIND_CIDR_GROUP, "CiliumCIDRGroup", "cilium.io/v2", false},
    {v1::KIND_NODE, "Node", "trivium/v1", false},
    {v1::KIND_NAMESPACE, "Namespace", "v1", false},
    {v1::KIND_IDENTITY, "Identity", "trivium/v1", false},
    {v1::KIND_ENDPOINT, "Endpoint", "trivium/v1", true},
    {v1::KIND_SERVICE, "Service", "trivium/v1", true},
    {v1::KIND_BACKEND, "Backend", "trivium/v1", true},
    {v1::KIND_POLICY, "NetworkPolicy", "networking.k8s.io/v1", true},
    {v1::KIND_POLICY, "CiliumNetworkPolicy", "cilium.io/v2", true},
    {v1::KIND_POLICY, "CiliumClusterwideNetworkPolicy", "cilium.io/v2", false},
    {v1::KIND_LIVENESS, "Liveness", "trivium/v1", false},
};

Json BytesJson(const pb::FieldDescriptor& field, const std::string& bytes) {
  switch (FormOf(field)) {
    case BytesForm::kIp:
      return IpText(bytes);
    case BytesForm::kUid:
      return UidText(bytes);
    case BytesForm::kHex:
      break;
  }
  return absl::BytesToHexString(bytes);
}

// One value of a field; `index` < 0: the field is not repeated.
Json ValueJson(const pb::Message& message, const pb::FieldDescriptor& field, int index) {
  const pb::Reflection& reflection = *message.GetReflection();
  const bool many = index >= 0;
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageJson(many ? reflection.GetRepeatedMessage(message, &field, index)
                              : reflection.GetMessage(message, &field));
    case pb::FieldDescriptor::CPPTYPE_ENUM:
      return (many ? reflection.GetRepeatedEnum(message, &field, index) : reflection.GetEnum(message, &field))
          ->name();
    case pb::FieldDescriptor::CPPTYPE_STRING: {
      std::string text =
          many ? reflection.GetRepeatedString(message, &field, index) : reflection.GetString(message, &field);
      if (field.type() == pb::FieldDescriptor::TYPE_BYTES) return BytesJson(field, text);
      return text;
    }
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return many ? reflection.GetRepeatedBool(message, &field, index) : reflection.GetBool(message, &field);
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return many ? reflection.GetRepeatedUInt32(message, &field, index)
                  : reflection.GetUInt32(message, &field);
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return many ? reflection.GetRepeatedInt32(message, &field, index)
                  : reflection.GetInt32(message, &field);
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return many ? reflection.GetRepeatedUInt64(message, &field, index)
                  : reflection.GetUInt64(message, &field);
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return many ? reflection.GetRepeatedInt64(message, &field, index)
                  : reflection.GetInt64(message, &field);
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
      return many ? reflection.GetRepeatedFloat(message, &field, index)
                  : reflection.GetFloat(message, &field);
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return many ? reflection.GetRepeatedDouble(message, &field, index)
                  : reflection.GetDouble(message, &field);
  }
  return nullptr;
}

Json MapJson(const pb::Message& message, const pb::FieldDescriptor& field) {
  Json out = Json::object();
  const pb::Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const pb::Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    const Json key = ValueJson(entry, *entry.GetDescriptor()->map_key(), -1);
    out[key.is_string() ? key.get<std::string>() : key.dump()] =
        ValueJson(entry, *entry.GetDescriptor()->map_value(), -1);
  }
  return out;
}

}  // namespace

std::string IpText(absl::string_view bytes) {
  char text[INET6_ADDRSTRLEN] = {};
  if (bytes.size() == 4 || bytes.size() == 16) {
    if (inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof(text)) != nullptr)
      return text;
  }
  return absl::BytesToHexString(bytes);
}

std::string CidrText(const v1::Cidr& cidr) {
  return absl::StrCat(IpText(cidr.address()), "/", cidr.length());
}

std::string UidText(absl::string_view bytes) {
  auto uid = Id128::FromBytes(bytes);
  return uid.ok() ? uid->ToUuid() : absl::BytesToHexString(bytes);
}

BytesForm FormOf(const pb::FieldDescriptor& field) {
  const std::string& name = field.name();
  if (name.find("ip") != std::string::npos || name.find("address") != std::string::npos) {
    return BytesForm::kIp;
  }
  return name.find("uid") != std::string::npos ? BytesForm::kUid : BytesForm::kHex;
}

Json MessageJson(const pb::Message& message) {
  if (const auto* cidr = dynamic_cast<const v1::Cidr*>(&message)) return CidrText(*cidr);
  Json out = Json::object();
  const pb::Reflection& reflection = *message.GetReflection();
  const pb::Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const pb::FieldDescriptor& field = *type.field(i);
    if (field.is_map()) {
      if (reflection.FieldSize(message, &field) > 0) out[field.json_name()] = MapJson(message, field);
    } else if (field.is_repeated()) {
      const int size = reflection.FieldSize(message, &field);
      if (size == 0) continue;
      Json list = Json::array();
      for (int k = 0; k < size; ++k) list.push_back(ValueJson(message, field, k));
      out[field.json_name()] = std::move(list);
    } else if (field.has_presence() ? reflection.HasField(message, &field)
                                    : reflection.HasField(message, &field) ||
                                          field.cpp_type() != pb::FieldDescriptor::CPPTYPE_STRING) {
      out[field.json_name()] = ValueJson(message, field, -1);
    }
  }
  return out;
}

Resource ResourceOf(v1::Kind kind, absl::string_view policy_kind) {
  for (const KnownKind& known : kKnown) {
    if (known.kind == kind && (kind != v1::KIND_POLICY || policy_kind == known.name)) {
      return Resource{known.name, known.api_version, known.namespaced};
    }
  }
  return Resource{std::string(kind == v1::KIND_POLICY ? policy_kind : KindName(kind)), "trivium/v1", false};
}

std::vector<Resource> PolicyResources() {
  std::vector<Resource> out;
  for (const KnownKind& known : kKnown) {
    if (known.kind == v1::KIND_POLICY) out.push_back({known.name, known.api_version, known.namespaced});
  }
  return out;
}

Json SpecJson(const v1::Object& object) {
  const pb::Reflection& reflection = *object.GetReflection();
  const pb::OneofDescriptor& kinds = *object.GetDescriptor()->FindOneofByName("value");
  const pb::FieldDescriptor* set = reflection.GetOneofFieldDescriptor(object, &kinds);
  if (set == nullptr) return Json::object();
  Json spec = MessageJson(reflection.GetMessage(object, set));
  for (const char* in_metadata : kInMetadata) spec.erase(in_metadata);
  return spec;
}

std::string FieldText(const v1::Object& object, const char* field_name) {
  const pb::Reflection& reflection = *object.GetReflection();
  const pb::FieldDescriptor* set =
      reflection.GetOneofFieldDescriptor(object, object.GetDescriptor()->FindOneofByName("value"));
  if (set == nullptr) return "";
  const pb::Message& inner = reflection.GetMessage(object, set);
  const pb::FieldDescriptor* field = inner.GetDescriptor()->FindFieldByName(field_name);
  if (field == nullptr) return "";
  return inner.GetReflection()->GetString(inner, field);
}

void FillMetadata(const v1::Object& object, bool namespaced, uint64_t revision, Json* metadata) {
  const v1::Meta& meta = MetaOf(object);
  const std::string name = FieldText(object, "name");
  (*metadata)["name"] = name.empty() ? KeyOf(object).key : name;
  if (namespaced) (*metadata)["namespace"] = FieldText(object, "namespace");
  (*metadata)["uid"] = UidText(meta.uid());
  (*metadata)["generation"] = meta.generation();
  (*metadata)["resourceVersion"] = absl::StrCat(revision);
}

Json ObjectJson(const v1::Object& object, uint64_t revision) {
  const Resource resource = ResourceOf(KindOf(object), object.policy().kind());
  Json out = {{"apiVersion", resource.api_version}, {"kind", resource.name}, {"metadata", Json::object()}};
  FillMetadata(object, resource.namespaced, revision, &out["metadata"]);
  out["spec"] = SpecJson(object);
  return out;
}

}  // namespace trivium::json
