// How `get` prints: -o. Pure; value types.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "cli/json_path.h"

namespace trivium::cli {

struct GetFormat {
  enum class Kind { kTable, kWide, kJson, kYaml, kName, kJsonPath } kind = Kind::kTable;
  JsonPath path;  // kJsonPath

  bool whole() const { return kind == Kind::kJson || kind == Kind::kYaml || kind == Kind::kJsonPath; }
};

// "", wide, json, yaml, name, jsonpath=TEMPLATE. kInvalidArgument names what there is.
absl::StatusOr<GetFormat> ParseGetFormat(const std::string& text);

// One or several objects in JSON, in YAML or by the template.
std::string FormatJson(const GetFormat& format, const Json& json);

}  // namespace trivium::cli
