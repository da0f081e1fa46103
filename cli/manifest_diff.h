// What `diff` compares: a live object and the manifest that would replace it. Pure.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "policy/parse.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium::cli {

// "" if an apply would change nothing; else the unified diff of both manifests, keys in order and without
// what servers add. `live` null: there is none. `file` is where the manifest comes from.
absl::StatusOr<std::string> ManifestDiff(const v1::GetResult::Item* live, const policy::Parsed& given,
                                         const std::string& file);

}  // namespace trivium::cli
