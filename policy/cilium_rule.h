// The parts of a Cilium policy's rule. Internal to policy/: what cilium_policy.cc puts together.
//
// Followed: the field's own reading of its format (api.Rule of cilium/cilium 1.20): a list of peers that is
// there but empty names nobody; a list that is absent names everyone, if ports are named, and nobody else.
#pragma once

#include <string>

#include "policy/manifest.h"
#include "policy/yaml_reader.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

// Whose policy a rule is part of.
struct CiliumHome {
  std::string cluster;
  std::string ns;             // empty: clusterwide
  bool subject_init = false;  // the subject is chosen by reserved:init, which has no namespace
};

// What a direction's fields are called.
struct CiliumPeerFields {
  const char* endpoints;
  const char* cidr;
  const char* cidr_set;
  const char* entities;
};
inline constexpr CiliumPeerFields kFromFields = {"fromEndpoints", "fromCIDR", "fromCIDRSet", "fromEntities"};
inline constexpr CiliumPeerFields kToFields = {"toEndpoints", "toCIDR", "toCIDRSet", "toEntities"};

// The selector of endpoints of a subject or a peer, its scope written out.
v1::Selector ReadCiliumSubject(const YamlValue& value, const CiliumHome& home);

// What a rule says of its peers.
enum class CiliumPeers { kAbsent, kNobody, kSome };
CiliumPeers ReadCiliumPeers(const YamlFields& fields, const CiliumPeerFields& names, const CiliumHome& home,
                            v1::Rule* rule);

// toPorts and icmps. False: the rule names ports, but none at all, so that it opens nothing.
bool ReadCiliumPorts(const YamlValue& to_ports, const YamlValue& icmps, bool deny, v1::Rule* rule);

}  // namespace trivium::policy
