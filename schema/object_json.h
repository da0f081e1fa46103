// Objects as JSON, the one shape that `triviumctl get -o json` prints and third parties' events carry. Pure;
// thread-safe.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/string_view.h"
#include "schema/object.h"

namespace trivium::json {

using Json = nlohmann::ordered_json;

// 4 or 16 bytes in network order; anything else is written as hex.
std::string IpText(absl::string_view bytes);
std::string CidrText(const v1::Cidr& cidr);
// 16 bytes as a UUID; anything else as hex.
std::string UidText(absl::string_view bytes);

// How a field of bytes is written: by its name, and for uids by its length.
enum class BytesForm { kIp, kUid, kHex };
BytesForm FormOf(const google::protobuf::FieldDescriptor& field);

// Any message by its fields: JSON names, uids as UUIDs, addresses and prefixes as text, enums by name.
// Numbers and booleans are always there; texts, lists and messages only if they are not empty.
Json MessageJson(const google::protobuf::Message& message);

// What users call the objects of a kind (of policies: their own kind).
struct Resource {
  std::string name;         // "NetworkPolicy"
  std::string api_version;  // "networking.k8s.io/v1"
  bool namespaced = false;
};
// `policy_kind` names the policy's own kind; of other kinds it is ignored.
Resource ResourceOf(v1::Kind kind, absl::string_view policy_kind = "");
// The kinds that policies have of their own: NetworkPolicy and its like.
std::vector<Resource> PolicyResources();

// The fields of an object's own message that stand in "metadata", not in "spec".
inline constexpr const char* kInMetadata[] = {"meta", "name", "namespace"};

// name, namespace (if namespaced), uid, generation and resourceVersion (the revision of the last change).
void FillMetadata(const v1::Object& object, bool namespaced, uint64_t revision, Json* metadata);
// The object's own fields without those of its metadata.
Json SpecJson(const v1::Object& object);
// {"apiVersion", "kind", "metadata", "spec"}: what Trivium holds.
Json ObjectJson(const v1::Object& object, uint64_t revision);

// A text of the object's own message; empty if it has no such field.
std::string FieldText(const v1::Object& object, const char* field_name);

}  // namespace trivium::json
