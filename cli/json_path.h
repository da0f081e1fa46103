// JSONPath as kubectl's -o jsonpath= takes it. Pure; value type.
//
// Understood: text outside of braces as it stands (\n, \t and \\ too); inside: "quoted text", .field,
// ['field'], .field\.with\.dots, [3], [-1], [1:3], [*], .*, ..field, [?(@.field == "value")] with ==, !=, <,
// <=, >, >= or the field alone, and {range PATH} ... {end}. Several values are printed with a blank between;
// what is not there is printed as nothing.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "cli/object_json.h"

namespace trivium::cli {

class JsonPath {
 public:
  // kInvalidArgument says at which character and what is wanted there.
  static absl::StatusOr<JsonPath> Parse(absl::string_view text);

  std::string Print(const Json& json) const;

 private:
  struct Program;
  std::shared_ptr<const Program> program_;
};

}  // namespace trivium::cli
