// The kinds of object that users name on the command line. Pure.
#pragma once

#include <string>

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

// Any spelling kubectl would take: singular, plural, short, with or without the group, any case.
// kInvalidArgument lists what there is.
absl::StatusOr<const KindInfo*> FindKind(absl::string_view word);

// What an object is: of policies their own kind. kInternal for what users cannot name.
absl::StatusOr<const KindInfo*> KindOfObject(const v1::Object& object);

}  // namespace trivium::cli
