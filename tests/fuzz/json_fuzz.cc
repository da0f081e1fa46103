// JSON is read by the YAML reader: it must see what a JSON reader sees, and refuse nothing that is JSON but
// for what the limits name.
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "policy/parse.h"
#include "policy/yaml_tree.h"
#include "tests/fuzz/fuzz.h"

using namespace trivium;
using nlohmann::ordered_json;

namespace {

// Keys twice in one map are the strict reader's business; here they would only hide what is compared.
bool Same(const ordered_json& json, const policy::YamlNode& node, bool* has_twins) {
  using Kind = policy::YamlNode::Kind;
  switch (json.type()) {
    case ordered_json::value_t::null:
      return node.kind == Kind::kNull;
    case ordered_json::value_t::boolean:
      return node.kind == Kind::kScalar && policy::TypeOf(node) == policy::ScalarType::kBool &&
             node.text == (json.get<bool>() ? "true" : "false");
    case ordered_json::value_t::string:
      return node.kind == Kind::kScalar && policy::TypeOf(node) == policy::ScalarType::kString &&
             node.text == json.get<std::string>();
    case ordered_json::value_t::array: {
      if (node.kind != Kind::kSequence || node.children.size() != json.size()) return false;
      for (size_t i = 0; i < json.size(); ++i) {
        if (!Same(json[i], node.children[i], has_twins)) return false;
      }
      return true;
    }
    case ordered_json::value_t::object: {
      if (node.kind != Kind::kMap) return false;
      if (node.children.size() != json.size()) {
        *has_twins = true;
        return true;
      }
      size_t i = 0;
      for (const auto& [key, value] : json.items()) {
        if (node.keys[i].text != key || !Same(value, node.children[i], has_twins)) return false;
        ++i;
      }
      return true;
    }
    default: {
      if (node.kind != Kind::kScalar) return false;
      const policy::ScalarType type = policy::TypeOf(node);
      return type == policy::ScalarType::kInteger || type == policy::ScalarType::kFloat;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text = fuzz::Text(data, size);
  const auto ignored = policy::ParseManifests(text, {"f", "c1", "default"});
  const ordered_json json =
      ordered_json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.is_structured()) return 0;
  // As it came, and as programs print it: some keep to ASCII, some put it in lines.
  for (const std::string& form : {std::string(text), json.dump(), json.dump(2, ' ', true)}) {
    const auto documents = policy::SplitYaml(form, "f");
    const auto tree = documents.ok() && documents->size() == 1
                          ? policy::ParseYaml(documents->front(), "f")
                          : absl::InvalidArgumentError("not one document");
    if (!tree.ok()) {
      // A line may end before a colon in JSON, not in YAML; DEL and lone carriage returns are no part of a
      // manifest.
      const bool limit = absl::StrContains(tree.status().message(), "nested deeper") ||
                         absl::StrContains(tree.status().message(), "a key of ") ||
                         absl::StrContains(tree.status().message(), "a key with ");
      fuzz::Require(limit || form == text || absl::StrContains(form, '\x7f'),
                    absl::StrCat("JSON is refused: ", tree.status().message(), "\n", form));
      continue;
    }
    bool has_twins = false;
    fuzz::Require(Same(json, *tree, &has_twins) || has_twins,
                  absl::StrCat("JSON reads as something else: ", form, "\n", policy::ToJson(*tree)));
  }
  return 0;
}
