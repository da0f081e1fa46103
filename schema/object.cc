#include "schema/object.h"

#include "absl/strings/str_cat.h"

namespace trivium {
namespace {

std::string UidHex(const std::string& bytes) {
  const absl::StatusOr<Id128> uid = Id128::FromBytes(bytes);
  return uid.ok() ? uid->ToHex() : std::string();
}

}  // namespace

v1::Kind KindOf(const v1::Object& object) {
  // The oneof's field numbers are the kinds' numbers.
  return static_cast<v1::Kind>(object.value_case());
}

ObjectKey KeyOf(const v1::Object& object) {
  ObjectKey key{KindOf(object), {}};
  switch (object.value_case()) {
    case v1::Object::kRegion:
      key.key = object.region().name();
      break;
    case v1::Object::kCluster:
      key.key = object.cluster().name();
      break;
    case v1::Object::kIdentityBlock:
      key.key = absl::StrCat(object.identity_block().first());
      break;
    case v1::Object::kCidrGroup:
      key.key = object.cidr_group().name();
      break;
    case v1::Object::kNode:
      key.key = object.node().name();
      break;
    case v1::Object::kNamespace:
      key.key = object.namespace_().name();
      break;
    case v1::Object::kIdentity:
      key.key = absl::StrCat(object.identity().id());
      break;
    case v1::Object::kEndpoint:
      key.key = UidHex(object.endpoint().meta().uid());
      break;
    case v1::Object::kService:
      key.key = NamespacedKey(object.service().namespace_(), object.service().name());
      break;
    case v1::Object::kBackend: {
      const v1::Backend& b = object.backend();
      key.key =
          absl::StrCat(b.namespace_(), "/", b.service(), "/", UidHex(b.endpoint_uid()), "/", b.port_name());
      break;
    }
    case v1::Object::kPolicy:
      key.key = PolicyKey(object.policy().kind(), object.policy().namespace_(), object.policy().name());
      break;
    case v1::Object::kLiveness:
      key.key = absl::StrCat(object.liveness().cluster(), "/", object.liveness().node());
      break;
    case v1::Object::VALUE_NOT_SET:
      break;
  }
  return key;
}

ObjectKey KeyOf(const v1::Change& change) {
  if (change.op() == v1::Change::DELETE) return ObjectKey{change.kind(), change.key()};
  return KeyOf(change.object());
}

std::string EndpointKey(const Id128& uid) { return uid.ToHex(); }

std::string PolicyKey(absl::string_view kind, absl::string_view ns, absl::string_view name) {
  return absl::StrCat(kind, "/", ns, "/", name);
}

std::string NamespacedKey(absl::string_view ns, absl::string_view name) {
  return absl::StrCat(ns, "/", name);
}

absl::string_view KindName(v1::Kind kind) {
  switch (kind) {
    case v1::KIND_REGION:
      return "region";
    case v1::KIND_CLUSTER:
      return "cluster";
    case v1::KIND_IDENTITY_BLOCK:
      return "identity_block";
    case v1::KIND_CIDR_GROUP:
      return "cidr_group";
    case v1::KIND_NODE:
      return "node";
    case v1::KIND_NAMESPACE:
      return "namespace";
    case v1::KIND_IDENTITY:
      return "identity";
    case v1::KIND_ENDPOINT:
      return "endpoint";
    case v1::KIND_SERVICE:
      return "service";
    case v1::KIND_BACKEND:
      return "backend";
    case v1::KIND_POLICY:
      return "policy";
    case v1::KIND_LIVENESS:
      return "liveness";
    default:
      return "unknown";
  }
}

v1::Meta* MutableMetaOf(v1::Object* object) {
  switch (object->value_case()) {
    case v1::Object::kRegion:
      return object->mutable_region()->mutable_meta();
    case v1::Object::kCluster:
      return object->mutable_cluster()->mutable_meta();
    case v1::Object::kIdentityBlock:
      return object->mutable_identity_block()->mutable_meta();
    case v1::Object::kCidrGroup:
      return object->mutable_cidr_group()->mutable_meta();
    case v1::Object::kNode:
      return object->mutable_node()->mutable_meta();
    case v1::Object::kNamespace:
      return object->mutable_namespace_()->mutable_meta();
    case v1::Object::kIdentity:
      return object->mutable_identity()->mutable_meta();
    case v1::Object::kEndpoint:
      return object->mutable_endpoint()->mutable_meta();
    case v1::Object::kService:
      return object->mutable_service()->mutable_meta();
    case v1::Object::kBackend:
      return object->mutable_backend()->mutable_meta();
    case v1::Object::kPolicy:
      return object->mutable_policy()->mutable_meta();
    case v1::Object::kLiveness:
      return object->mutable_liveness()->mutable_meta();
    case v1::Object::VALUE_NOT_SET:
      break;
  }
  return nullptr;
}

bool IsManifestKind(v1::Kind kind) {
  return kind == v1::KIND_POLICY || kind == v1::KIND_NAMESPACE || kind == v1::KIND_CIDR_GROUP;
}

const v1::Meta& MetaOf(const v1::Object& object) {
  const v1::Meta* meta = object.value_case() == v1::Object::VALUE_NOT_SET
                             ? nullptr
                             : MutableMetaOf(const_cast<v1::Object*>(&object));
  return meta != nullptr ? *meta : v1::Meta::default_instance();
}

}  // namespace trivium
