#include "cli/object_json.h"

#include <yaml-cpp/yaml.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace trivium::cli {
namespace {

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

absl::StatusOr<Json> ObjectJson(const KindInfo& kind, const v1::GetResult::Item& item) {
  const v1::Object& object = item.object().object();
  Json out;
  if (!item.manifest().empty()) {
    TRIVIUM_ASSIGN_OR_RETURN(out, FromYaml(item.manifest()));
    if (!out.is_object()) return absl::DataLossError("the stored manifest is no YAML mapping");
  } else {
    out = {{"apiVersion", kind.api_version}, {"kind", kind.name}, {"metadata", Json::object()}};
  }
  json::FillMetadata(object, kind.namespaced, item.object().revision(), &out["metadata"]);
  if (item.manifest().empty()) out["spec"] = json::SpecJson(object);
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
