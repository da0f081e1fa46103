#include "schema/json_schema.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "schema/subjects.h"

namespace trivium::json {
namespace {

namespace pb = google::protobuf;

constexpr char kNumberText[] = "^[0-9]+$";
constexpr char kIpPattern[] = "^([0-9]{1,3}(\\.[0-9]{1,3}){3}|[0-9a-f:.]*:[0-9a-f:.]*|([0-9a-f]{2})+)$";
constexpr char kCidrPattern[] = "^[0-9a-f:.]*/[0-9]{1,3}$";
constexpr char kUidPattern[] =
    "^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|([0-9a-f]{2})*)$";
constexpr char kHexPattern[] = "^([0-9a-f]{2})+$";

Json Text() { return {{"type", "string"}}; }
Json TextLike(const char* pattern) { return {{"type", "string"}, {"pattern", pattern}}; }
Json OneOf(std::vector<std::string> values) { return {{"type", "string"}, {"enum", std::move(values)}}; }
Json Exactly(const std::string& value) { return {{"type", "string"}, {"const", value}}; }
template <typename T>
Json Number() {
  return {{"type", "integer"},
          {"minimum", std::numeric_limits<T>::min()},
          {"maximum", std::numeric_limits<T>::max()}};
}

bool IsCidr(const pb::Descriptor& type) { return type.full_name() == v1::Cidr::descriptor()->full_name(); }

Json MessageSchema(const pb::Descriptor& type);

// Of one value of the field.
Json ValueSchema(const pb::FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case pb::FieldDescriptor::CPPTYPE_MESSAGE:
      return MessageSchema(*field.message_type());
    case pb::FieldDescriptor::CPPTYPE_ENUM: {
      std::vector<std::string> names;
      for (int i = 0; i < field.enum_type()->value_count(); ++i) {
        names.push_back(field.enum_type()->value(i)->name());
      }
      return OneOf(std::move(names));
    }
    case pb::FieldDescriptor::CPPTYPE_STRING:
      if (field.type() != pb::FieldDescriptor::TYPE_BYTES) return Text();
      switch (FormOf(field)) {
        case BytesForm::kIp:
          return TextLike(kIpPattern);
        case BytesForm::kUid:
          return TextLike(kUidPattern);
        case BytesForm::kHex:
          return TextLike(kHexPattern);
      }
      return Text();
    case pb::FieldDescriptor::CPPTYPE_BOOL:
      return {{"type", "boolean"}};
    case pb::FieldDescriptor::CPPTYPE_UINT32:
      return Number<uint32_t>();
    case pb::FieldDescriptor::CPPTYPE_INT32:
      return Number<int32_t>();
    case pb::FieldDescriptor::CPPTYPE_UINT64:
      return Number<uint64_t>();
    case pb::FieldDescriptor::CPPTYPE_INT64:
      return Number<int64_t>();
    case pb::FieldDescriptor::CPPTYPE_FLOAT:
    case pb::FieldDescriptor::CPPTYPE_DOUBLE:
      return {{"type", "number"}};
  }
  return Json::object();
}

// As MessageJson writes it.
Json FieldSchema(const pb::FieldDescriptor& field) {
  if (field.is_map()) {
    return {{"type", "object"}, {"additionalProperties", ValueSchema(*field.message_type()->map_value())}};
  }
  if (field.is_repeated()) return {{"type", "array"}, {"minItems", 1}, {"items", ValueSchema(field)}};
  return ValueSchema(field);
}

// Whether MessageJson always writes the field.
bool AlwaysThere(const pb::FieldDescriptor& field) {
  return !field.is_repeated() && !field.has_presence() &&
         field.cpp_type() != pb::FieldDescriptor::CPPTYPE_STRING;
}

Json FieldsSchema(const pb::Descriptor& type, bool without_metadata) {
  Json properties = Json::object();
  Json required = Json::array();
  for (int i = 0; i < type.field_count(); ++i) {
    const pb::FieldDescriptor& field = *type.field(i);
    if (without_metadata && std::find(std::begin(kInMetadata), std::end(kInMetadata), field.json_name()) !=
                                std::end(kInMetadata)) {
      continue;
    }
    properties[field.json_name()] = FieldSchema(field);
    if (AlwaysThere(field)) required.push_back(field.json_name());
  }
  Json schema = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = std::move(required);
  schema["additionalProperties"] = false;
  return schema;
}

Json MessageSchema(const pb::Descriptor& type) {
  return IsCidr(type) ? TextLike(kCidrPattern) : FieldsSchema(type, false);
}

// The attributes that every event has.
Json Attributes(const std::string& id, std::vector<std::string> types) {
  return {{"specversion", Exactly("1.0")},
          {"id", TextLike("^[^:]+:[0-9]+:[0-9]+:([0-9]+|begin|epoch|lost)$")},
          {"source", TextLike("^/trivium/clusters/[^/]+$")},
          {"type", OneOf(std::move(types))},
          {"subject", Text()},
          {"time", TextLike("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?Z$")},
          {"datacontenttype", Exactly("application/json")},
          {"dataschema", Exactly(id)},
          {"cluster", Text()},
          {"epoch", TextLike(kNumberText)},
          {"revision", TextLike(kNumberText)}};
}

Json Document(const std::string& id, const std::string& title, Json properties,
              const std::vector<std::string>& optional) {
  Json required = Json::array();
  for (const auto& [name, unused] : properties.items()) {
    if (std::find(optional.begin(), optional.end(), name) == optional.end()) required.push_back(name);
  }
  return {{"$schema", "http://json-schema.org/draft-07/schema#"},
          {"$id", id},
          {"title", title},
          {"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

}  // namespace

std::string EventSchemaId(absl::string_view kind) { return absl::StrCat("urn:trivium:v1:event:", kind); }

std::vector<v1::Kind> AllObjectKinds() {
  std::vector<v1::Kind> kinds;
  const pb::OneofDescriptor& values = *v1::Object::descriptor()->FindOneofByName("value");
  for (int i = 0; i < values.field_count(); ++i) {
    // The oneof's field numbers are the kinds' numbers.
    kinds.push_back(static_cast<v1::Kind>(values.field(i)->number()));
  }
  std::sort(kinds.begin(), kinds.end());
  return kinds;
}

Json EventSchema(v1::Kind kind) {
  const std::string name(KindName(kind));
  const std::string upsert = EventType(name, "upsert"), gone = EventType(name, "delete");
  std::vector<Resource> resources =
      kind == v1::KIND_POLICY ? PolicyResources() : std::vector<Resource>{ResourceOf(kind)};
  std::vector<std::string> kinds, versions;
  for (const Resource& resource : resources) {
    kinds.push_back(resource.name);
    if (std::find(versions.begin(), versions.end(), resource.api_version) == versions.end()) {
      versions.push_back(resource.api_version);
    }
  }
  const pb::FieldDescriptor& field = *v1::Object::descriptor()->FindFieldByNumber(kind);
  const Json metadata = {{"type", "object"},
                         {"properties",
                          {{"name", Text()},
                           {"namespace", Text()},
                           {"uid", TextLike(kUidPattern)},
                           {"generation", Number<uint64_t>()},
                           {"resourceVersion", TextLike(kNumberText)}}},
                         {"required", {"name", "resourceVersion"}},
                         {"additionalProperties", false}};
  Json properties = Attributes(EventSchemaId(name), {upsert, gone});
  properties["index"] = Number<int32_t>();
  properties["changes"] = Number<int32_t>();
  properties["previd"] = Text();
  properties["prevrevision"] = TextLike(kNumberText);
  properties["actor"] = Text();
  properties["program"] = Text();
  properties["dataomitted"] = TextLike(kNumberText);
  properties["data"] = {{"type", "object"},
                        {"properties",
                         {{"apiVersion", OneOf(versions)},
                          {"kind", OneOf(kinds)},
                          {"metadata", metadata},
                          {"spec", FieldsSchema(*field.message_type(), true)}}},
                        {"required", {"apiVersion", "kind", "metadata"}},
                        {"additionalProperties", false}};
  Json schema =
      Document(EventSchemaId(name), absl::StrCat("A change of an object of kind ", name),
               std::move(properties), {"previd", "prevrevision", "actor", "program", "dataomitted"});
  // What was written is there whole, unless it was too large; of what was deleted there is its name.
  schema["if"] = {{"properties", {{"type", {{"const", upsert}}}}}, {"not", {{"required", {"dataomitted"}}}}};
  schema["then"] = {
      {"properties",
       {{"data",
         {{"required", {"spec"}}, {"properties", {{"metadata", {{"required", {"uid", "generation"}}}}}}}}}}};
  return schema;
}

Json LogEventSchema() {
  const std::string kind = kLogEvents;
  Json properties = Attributes(EventSchemaId(kind),
                               {EventType(kind, "begin"), EventType(kind, "epoch"), EventType(kind, "lost")});
  properties["data"] = {{"type", "object"},
                        {"properties",
                         {{"reason", Text()},
                          {"previousepoch", TextLike(kNumberText)},
                          {"previousrevision", TextLike(kNumberText)}}},
                        {"required", {"reason"}},
                        {"additionalProperties", false}};
  return Document(EventSchemaId(kind), "What happened to the log itself: read the state anew",
                  std::move(properties), {});
}

}  // namespace trivium::json
