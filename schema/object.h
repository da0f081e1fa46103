// What kind of object a message holds and by which key it is known. Keys are unique per cluster and kind:
//   Region, Cluster, CidrGroup, Node, Namespace   name
//   IdentityBlock, Identity                       decimal number
//   Endpoint                                      uid, 32 hex digits
//   Service                                       namespace/name
//   Backend                                       namespace/service/endpoint uid/port name
//   Policy                                        kind/namespace/name ("NetworkPolicy/shop/db"; empty
//   namespace if none) Liveness                                      cluster/node
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/id128.h"
#include "trivium/v1/feed.pb.h"
#include "trivium/v1/objects.pb.h"

namespace trivium {

// The mesh pseudo-cluster's name and number.
inline constexpr char kMeshCluster[] = "_mesh";
inline constexpr uint32_t kMeshClusterId = 0;

struct ObjectKey {
  v1::Kind kind = v1::KIND_UNSPECIFIED;
  std::string key;

  friend bool operator==(const ObjectKey&, const ObjectKey&) = default;
  friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ObjectKey& k) {
    return H::combine(std::move(h), static_cast<int>(k.kind), k.key);
  }
};

// KIND_UNSPECIFIED for an empty object.
v1::Kind KindOf(const v1::Object& object);
ObjectKey KeyOf(const v1::Object& object);
// The key that a change concerns.
ObjectKey KeyOf(const v1::Change& change);

std::string EndpointKey(const Id128& uid);
std::string PolicyKey(absl::string_view kind, absl::string_view ns, absl::string_view name);
std::string NamespacedKey(absl::string_view ns, absl::string_view name);

// "endpoint", "policy", ...: as in subjects, SQL and logs.
absl::string_view KindName(v1::Kind kind);

// What came as a manifest: its text is kept and given back.
bool IsManifestKind(v1::Kind kind);

const v1::Meta& MetaOf(const v1::Object& object);
v1::Meta* MutableMetaOf(v1::Object* object);

}  // namespace trivium
