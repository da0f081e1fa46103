// Manifests as text. What is taken can be written as JSON and read again as the same; a document's own text,
// which is what SQL keeps and `get -o yaml` gives back, means the same object.
#include <vector>

#include "policy/parse.h"
#include "policy/yaml_tree.h"
#include "tests/fuzz/fuzz.h"

using namespace trivium;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text = fuzz::Text(data, size);
  const auto documents = policy::SplitYaml(text, "f");
  if (!documents.ok()) return 0;
  for (const policy::YamlDocument& document : *documents) {
    const absl::StatusOr<policy::YamlNode> tree = policy::ParseYaml(document, "f");
    if (!tree.ok()) continue;
    const std::string json = policy::ToJson(*tree);
    const absl::StatusOr<policy::YamlNode> again = policy::ParseYaml({json, 1}, "f");
    fuzz::Require(again.ok(),
                  "its JSON cannot be read: " + std::string(again.status().message()) + "\n" + json);
    fuzz::Require(policy::ToJson(*again) == json, "its JSON reads as something else: " + json);
  }
  const policy::ParseContext context{"f", "c1", "default"};
  const auto parsed = policy::ParseManifests(text, context);
  if (!parsed.ok()) return 0;
  for (const policy::Parsed& one : *parsed) {
    const auto alone = policy::ParseManifests(one.text, context);
    fuzz::Require(alone.ok() && alone->size() == 1, "its own text is refused: " + one.text);
    fuzz::Require(alone->front().object.SerializeAsString() == one.object.SerializeAsString(),
                  "its own text means another object: " + one.text);
  }
  return 0;
}
