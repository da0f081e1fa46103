#include "cli/object_labels.h"

#include "base/status.h"
#include "cli/object_json.h"
#include "policy/labels.h"

namespace trivium::cli {

bool HasLabels(const KindInfo& kind) {
  return kind.kind == v1::KIND_POLICY || kind.kind == v1::KIND_CIDR_GROUP ||
         kind.kind == v1::KIND_NAMESPACE || kind.kind == v1::KIND_ENDPOINT || kind.kind == v1::KIND_IDENTITY;
}

absl::StatusOr<std::map<std::string, std::string>> LabelsOf(
    const v1::GetResult::Item& item, const std::map<uint32_t, v1::Identity>& identities) {
  std::map<std::string, std::string> labels;
  const v1::Object& object = item.object().object();
  switch (object.value_case()) {
    case v1::Object::kNamespace:
      return std::map<std::string, std::string>(object.namespace_().labels().begin(),
                                                object.namespace_().labels().end());
    case v1::Object::kCidrGroup:
      return std::map<std::string, std::string>(object.cidr_group().labels().begin(),
                                                object.cidr_group().labels().end());
    case v1::Object::kIdentity:
      return policy::PodLabelsOf(object.identity());
    case v1::Object::kEndpoint: {
      const auto it = identities.find(object.endpoint().identity());
      return it == identities.end() ? labels : policy::PodLabelsOf(it->second);
    }
    case v1::Object::kPolicy: {
      if (item.manifest().empty()) return labels;
      TRIVIUM_ASSIGN_OR_RETURN(const Json manifest, FromYaml(item.manifest()));
      if (!manifest.is_object() || !manifest.contains("metadata")) return labels;
      const Json& metadata = manifest["metadata"];
      if (!metadata.is_object() || !metadata.contains("labels") || !metadata["labels"].is_object())
        return labels;
      for (const auto& [key, value] : metadata["labels"].items()) {
        labels[key] = value.is_string() ? value.get<std::string>() : value.dump();
      }
      return labels;
    }
    default:
      return labels;
  }
}

}  // namespace trivium::cli
