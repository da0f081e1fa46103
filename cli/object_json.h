// Objects in the shape kubectl's users expect of -o json and -o yaml. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/kinds.h"
#include "schema/object_json.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::cli {

using json::Json;
using json::MessageJson;

// {"apiVersion", "kind", "metadata", "spec"}. With the item's manifest it is the user's own document, with
// uid, generation and resourceVersion (the revision of the last change) added to its metadata; without, what
// Trivium holds.
absl::StatusOr<Json> ObjectJson(const KindInfo& kind, const v1::GetResult::Item& item);

// {"apiVersion": "v1", "kind": "List", "items": [...]}
Json ListJson(std::vector<Json> items);

// A YAML document (with its final newline) of the same content.
std::string ToYaml(const Json& json);
// The inverse for one YAML document as people write it; scalars get the types that YAML's core schema gives
// them.
absl::StatusOr<Json> FromYaml(absl::string_view text);

}  // namespace trivium::cli
