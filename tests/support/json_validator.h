// Checks a document against a JSON Schema: the subset that schema/json_schema.cc writes (type, properties,
// required, additionalProperties, items, minItems, enum, const, pattern, minimum, maximum, if/then, not). A
// keyword that it does not know is a breach, so that nothing is passed over in silence.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace trivium {

// What is wrong, each with where; empty: the document is right.
std::vector<std::string> JsonBreaches(const nlohmann::ordered_json& schema,
                                      const nlohmann::ordered_json& document, const std::string& at = "$");

}  // namespace trivium
