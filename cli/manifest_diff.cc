#include "cli/manifest_diff.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/get_table.h"
#include "cli/kinds.h"
#include "cli/object_json.h"
#include "cli/unified_diff.h"
#include "schema/object.h"

namespace trivium::cli {
namespace {

std::string Meaning(v1::Object object) {
  MutableMetaOf(&object)->Clear();
  if (object.has_namespace_()) {
    // The server adds it to every namespace.
    (*object.mutable_namespace_()->mutable_labels())["kubernetes.io/metadata.name"] =
        object.namespace_().name();
  }
  return MessageJson(object).dump();
}

// Keys in order, so that only what is said counts, not where.
nlohmann::json Sorted(const Json& json) { return nlohmann::json::parse(json.dump()); }

std::string ToText(const nlohmann::json& sorted) { return ToYaml(Json::parse(sorted.dump())); }

// The manifest in one form: nothing of what servers add, the namespace always said.
absl::StatusOr<std::string> Normal(const std::string& manifest, const v1::Object& object) {
  TRIVIUM_ASSIGN_OR_RETURN(const Json json, FromYaml(manifest));
  if (!json.is_object()) return absl::DataLossError("the manifest is no YAML mapping");
  nlohmann::json sorted = Sorted(json);
  sorted.erase("status");
  nlohmann::json& metadata = sorted["metadata"];
  if (!metadata.is_object()) metadata = nlohmann::json::object();
  for (const char* added :
       {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"}) {
    metadata.erase(added);
  }
  if (const std::string ns = NamespaceOf(object); !ns.empty()) metadata["namespace"] = ns;
  return ToText(sorted);
}

}  // namespace

absl::StatusOr<std::string> ManifestDiff(const v1::GetResult::Item* live, const policy::Parsed& given,
                                         const std::string& file) {
  if (live != nullptr && Meaning(live->object().object()) == Meaning(given.object)) return std::string();
  TRIVIUM_ASSIGN_OR_RETURN(const KindInfo* kind, KindOfObject(given.object));
  const std::string ns = NamespaceOf(given.object);
  const std::string name =
      absl::StrCat(kind->resource, "/", ns.empty() ? "" : ns + "/", DisplayName(given.object));
  const std::string before_name = absl::StrCat("live/", name);
  const std::string after_name = absl::StrCat(file, ":", given.line);
  TRIVIUM_ASSIGN_OR_RETURN(std::string after, Normal(given.text, given.object));
  if (live == nullptr) return UnifiedDiff("", after, before_name, after_name);
  std::string before;
  if (!live->manifest().empty()) {
    TRIVIUM_ASSIGN_OR_RETURN(before, Normal(live->manifest(), live->object().object()));
  }
  if (before.empty() || before == after) {
    // Without a manifest, or with one that now means something else: what both mean is compared.
    v1::Object was = live->object().object(), will_be = given.object;
    MutableMetaOf(&was)->Clear();
    MutableMetaOf(&will_be)->Clear();
    before = ToYaml(MessageJson(was));
    after = ToYaml(MessageJson(will_be));
  }
  return UnifiedDiff(before, after, before_name, after_name);
}

}  // namespace trivium::cli
