// The kinds of object that users name on the command line. Pure.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::cli {

struct KindInfo {
  v1::Kind kind;
  const char* name;         // "NetworkPolicy": what requests carry
  const char* resource;     // "networkpolicy.networking.k8s.io": what is printed
  const char* plural;       // "networkpolicies"
  const char* short_name;   // "netpol"; "" if there is none
  const char* api_version;  // "networking.k8s.io/v1"
  bool namespaced;
  bool of_mesh;  // stands in the mesh's own log, not in a cluster's
};

absl::Span<const KindInfo> AllKinds();

// Any spelling kubectl would take: singular, plural, short, with or without the group, any case; and what
// Kubernetes and Cilium call the same thing (pods, cep, ciliumidentities, ciliumnodes). kInvalidArgument
// lists what there is, the nearest first.
absl::StatusOr<const KindInfo*> FindKind(absl::string_view word);

// What a word stands for where several kinds may be asked for: "policies" is every kind of policy, "all"
// every kind that lives in a cluster; else FindKind.
absl::StatusOr<std::vector<const KindInfo*>> FindKinds(absl::string_view word);

// Every word that FindKinds takes and people type: plurals, short names and names of groups.
std::vector<std::string> KindWords();

// What an object is: of policies their own kind. kInternal for what users cannot name.
absl::StatusOr<const KindInfo*> KindOfObject(const v1::Object& object);

}  // namespace trivium::cli
