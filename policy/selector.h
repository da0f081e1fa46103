// Does a selector match an identity? Pure; thread-safe.
#pragma once

#include "absl/types/span.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

// `labels` sorted by key, as in v1::Identity. A requirement whose key has the source "any:" matches any
// source.
bool Matches(const v1::Selector& selector, const v1::Identity& identity);

// Whether a policy selects the identity as its subject.
bool Selects(const v1::Policy& policy, const v1::Identity& identity);

// Whether the peer's group, by name or by labels, is this one.
bool RefersTo(const v1::CidrPeer& peer, const v1::CidrGroup& group);
// Whether a peer of some rule of the policy does.
bool RefersTo(const v1::Policy& policy, const v1::CidrGroup& group);

// Whether `cidr` covers all of `prefix` (same family, not longer).
bool Covers(const v1::Cidr& cidr, const v1::Cidr& prefix);

}  // namespace trivium::policy
