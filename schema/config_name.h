// The names of clusters, nodes and instances in configuration files. Pure; thread-safe.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "base/yaml_section.h"

namespace trivium {

// One that is a subject's token, a file's name and a certificate's subject. Errors name file, line, key and
// what would be right.
absl::Status ReadName(const YamlSection& section, const char* key, std::string* out);

}  // namespace trivium
