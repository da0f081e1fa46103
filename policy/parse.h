// From manifests, as people write them, to objects. Strict: whatever is not understood or not enforced is an
// error that names file, line, the field's path and what would be right. Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

struct ParseContext {
  std::string file;                           // for messages
  std::string cluster;                        // whose policies these become
  std::string default_namespace = "default";  // for namespaced manifests without one
};

struct Parsed {
  v1::Object object;  // Policy, Namespace or CidrGroup; Meta empty
  std::string text;   // that document alone, as written; an item of a List alone, as JSON
  int line = 0;       // where it starts
};

inline constexpr size_t kMaxManifestBytes = 4 * 1024 * 1024;
inline constexpr size_t kMaxManifestDepth = 64;
inline constexpr size_t kMaxManifestNodes = 200000;  // values in one document

// Kinds: networking.k8s.io/v1 NetworkPolicy; cilium.io/v2 CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy
// and CiliumCIDRGroup; v1 Namespace; v1 List of them. One bad document refuses all.
// A document with nothing in it is skipped; a text with no document at all is an error, as is one object
// twice in one text. The error (kInvalidArgument) has a line for each fault, at most twenty: "file:line:
// spec.ingress[0].ports[1].port: ...".
absl::StatusOr<std::vector<Parsed>> ParseManifests(absl::string_view text, const ParseContext& context);

}  // namespace trivium::policy
