#include "cli/object_json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <yaml-cpp/yaml.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "cli/text.h"
#include "schema/object.h"

namespace trivium::cli {
namespace {

namespace pb = google::protobuf;

Json BytesJson(const pb::FieldDescriptor& field, const std::string& bytes) {
  const std::string& name = field.name();
  if (name.find("ip") != std::string::npos || name.find("address") != std::string::npos) return IpText(bytes);
  if (bytes.size() == 16 && name.find("uid") != std::string::npos) return UidText(bytes);
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

// The object's own fields, without what stands in its metadata.
Json SpecJson(const v1::Object& object) {
  const pb::Reflection& reflection = *object.GetReflection();
  const pb::OneofDescriptor& kinds = *object.GetDescriptor()->FindOneofByName("value");
  const pb::FieldDescriptor* set = reflection.GetOneofFieldDescriptor(object, &kinds);
  if (set == nullptr) return Json::object();
  Json spec = MessageJson(reflection.GetMessage(object, set));
  for (const char* in_metadata : {"meta", "name", "namespace"}) spec.erase(in_metadata);
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

Json FromYamlNode(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Map: {
      Json out = Json::object();
      for (const auto& entry : node) out[entry.first.Scalar()] = FromYamlNode(entry.second);
      return out;
    }
    case YAML::NodeType::Sequence: {
      Json out = Json::array();
      for (const auto& item : node) out.push_back(FromYamlNode(item));
      return out;
    }
    case YAML::NodeType::Scalar: {
      const std::string& text = node.Scalar();
      if (node.Tag() == "!") return text;  // quoted
      if (text == "true" || text == "True" || text == "TRUE") return true;
      if (text == "false" || text == "False" || text == "FALSE") return false;
      if (int64_t number = 0; absl::SimpleAtoi(text, &number)) return number;
      if (double number = 0;
          text.find_first_of("0123456789") != std::string::npos && absl::SimpleAtod(text, &number)) {
        return number;
      }
      return text;
    }
    default:
      return nullptr;
  }
}

void Emit(const Json& json, YAML::Emitter* out) {
  if (json.is_object()) {
    if (json.empty()) *out << YAML::Flow;
    *out << YAML::BeginMap;
    for (const auto& [key, value] : json.items()) {
      *out << YAML::Key << key << YAML::Value;
      Emit(value, out);
    }
    *out << YAML::EndMap;
  } else if (json.is_array()) {
    if (json.empty()) *out << YAML::Flow;
    *out << YAML::BeginSeq;
    for (const Json& item : json) Emit(item, out);
    *out << YAML::EndSeq;
  } else if (json.is_string()) {
    // A text that would be read back as something else is quoted.
    const std::string text = json.get<std::string>();
    YAML::Node plain(text);
    if (text.empty() || text == "null" || text == "~" || !FromYamlNode(plain).is_string()) {
      *out << YAML::DoubleQuoted;
    }
    *out << text;
  } else if (json.is_null()) {
    *out << YAML::Null;
  } else {
    *out << json.dump();
  }
}

}  // namespace

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

absl::StatusOr<Json> ObjectJson(const KindInfo& kind, const v1::GetResult::Item& item) {
  const v1::Object& object = item.object().object();
  Json out;
  if (!item.manifest().empty()) {
    TRIVIUM_ASSIGN_OR_RETURN(out, FromYaml(item.manifest()));
    if (!out.is_object()) return absl::DataLossError("the stored manifest is no YAML mapping");
  } else {
    out = {{"apiVersion", kind.api_version}, {"kind", kind.name}, {"metadata", Json::object()}};
  }
  Json& metadata = out["metadata"];
  const v1::Meta& meta = MetaOf(object);
  const std::string name = FieldText(object, "name");
  metadata["name"] = name.empty() ? KeyOf(object).key : name;
  if (kind.namespaced) metadata["namespace"] = FieldText(object, "namespace");
  metadata["uid"] = UidText(meta.uid());
  metadata["generation"] = meta.generation();
  metadata["resourceVersion"] = absl::StrCat(item.object().revision());
  if (item.manifest().empty()) out["spec"] = SpecJson(object);
  return out;
}

Json ListJson(std::vector<Json> items) {
  Json out = {{"apiVersion", "v1"}, {"kind", "List"}, {"items", Json::array()}};
  for (Json& item : items) out["items"].push_back(std::move(item));
  return out;
}

std::string ToYaml(const Json& json) {
  YAML::Emitter out;
  out.SetIndent(2);
  Emit(json, &out);
  return absl::StrCat(out.c_str(), "\n");
}

absl::StatusOr<Json> FromYaml(absl::string_view text) {
  try {
    return FromYamlNode(YAML::Load(std::string(text)));
  } catch (const YAML::Exception& e) {
    return absl::DataLossError(absl::StrCat("line ", e.mark.line + 1, ": ", e.msg));
  }
}

}  // namespace trivium::cli
