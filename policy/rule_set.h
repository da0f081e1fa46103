// What policies mean for one subject in one direction, and its compiled form. Pure; thread-safe after
// construction.
//
// The agent shares one rule set among all endpoints with the same policy (equal `key()`). Judging is two
// steps, as in the kernel: a peer has a class (the exact set of peer selectors it matches, together with the
// port numbers that named ports of egress rules have on it), and a class has flattened verdicts per protocol
// and port.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "base/id128.h"
#include "policy/cidr_groups.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

// A peer as judged: an identity of the mesh or a reserved one (by its labels), or a node-local CIDR identity.
// Exactly one is set. A CIDR peer stands for all addresses of `prefix` that no longer known prefix covers.
struct PeerRef {
  const v1::Identity* identity = nullptr;
  const v1::Cidr* prefix = nullptr;
};

// Which rule decided. `policy` is the object key ("NetworkPolicy/shop/db"), `origin` the rule's path in its
// manifest.
struct RuleRef {
  std::string policy;
  std::string origin;
  friend bool operator==(const RuleRef&, const RuleRef&) = default;
};

enum class Verdict { kAllow, kDeny };

struct Decision {
  Verdict verdict = Verdict::kDeny;
  bool by_rule = false;  // false: default (nothing selects the subject: allow; nothing allows: deny)
  RuleRef rule;          // if by_rule
};

// One entry of a class: the longest matching one decides. protocol_bits 0 or 8, port_bits 0..16 (0 unless
// protocol_bits is 8). For ICMP and ICMPv6 the port is type << 8 | code, with port_bits 8 for "any code".
struct VerdictEntry {
  uint8_t protocol = 0;
  uint8_t protocol_bits = 0;
  uint16_t port = 0;
  uint8_t port_bits = 0;
  Verdict verdict = Verdict::kAllow;
  uint32_t rule = 0;  // index into rules(); kDefaultRule for the default
  friend bool operator==(const VerdictEntry&, const VerdictEntry&) = default;
};
inline constexpr uint32_t kDefaultRule = 0xffffffff;

class RuleSet {
 public:
  // `policies` are those of the subject's own cluster, in any order; those that do not select it are ignored.
  // `cidr_groups` resolve CidrPeer.group. Ingress always contains the built-in rule that a pod's own node
  // reaches it.
  static std::shared_ptr<const RuleSet> Build(const v1::Identity& subject, v1::Rule::Direction direction,
                                              absl::Span<const v1::Policy* const> policies,
                                              absl::Span<const v1::CidrGroup* const> cidr_groups = {});
  // The same, with the groups found by index.
  static std::shared_ptr<const RuleSet> Build(const v1::Identity& subject, v1::Rule::Direction direction,
                                              absl::Span<const v1::Policy* const> policies,
                                              const CidrGroups& cidr_groups);

  // Equal for rule sets that judge alike (and name the same rules): endpoints share by it.
  const std::string& key() const { return key_; }
  v1::Rule::Direction direction() const { return direction_; }
  const std::string& cluster() const { return cluster_; }  // the subject's
  const std::vector<RuleRef>& rules() const { return rules_; }

  // What one policy contributes in this direction. Equal parts mean the same and name the same rules.
  struct Part {
    std::string policy;   // object key
    bool closes = false;  // what no rule allows is denied
    Id128 meaning;        // of its rules
    friend bool operator==(const Part&, const Part&) = default;
  };
  // By policy, in order, without those that mean nothing in this direction.
  const std::vector<Part>& parts() const { return parts_; }

  // The peers that rules name, each once, groups resolved.
  const std::vector<v1::Peer>& selectors() const { return selectors_; }
  // A rule for any peer names ports: who has named ports may have a class without matching any selector.
  bool judges_names_of_everyone() const { return judges_names_of_everyone_; }

  // "" is class 0: a peer that matches no selector.
  std::string ClassOf(const PeerRef& peer) const;
  // The same for a peer of which it is known which selectors() it matches: their indexes, ascending.
  std::string ClassOf(const PeerRef& peer, absl::Span<const uint32_t> matched) const;
  // The policies with rules that apply to the class.
  std::vector<std::string> PoliciesOf(const std::string& class_key) const;
  // The verdicts of a class: disjoint or nested prefixes, minimal enough for a map; what no entry covers is
  // denied.
  std::vector<VerdictEntry> Flatten(const std::string& class_key) const;
  // Every prefix (from CIDR peers and their excepts) that needs an identity of its own, sorted, without
  // duplicates.
  const std::vector<v1::Cidr>& prefixes() const { return prefixes_; }

  // The plain meaning, straight from the rules, not by way of classes: the judge that the compiled form is
  // tested by, and what `policy trace` prints. Port as in VerdictEntry (for ICMP type << 8 | code).
  Decision Decide(const PeerRef& peer, v1::Protocol protocol, uint16_t port) const;

  // What Decide looks at, rule by rule, parallel to rules(): which parts of it mean this connection.
  struct RuleMatch {
    bool deny = false;
    bool peer = false;
    bool port = false;
    bool every_port = false;  // whatever the port
  };
  std::vector<RuleMatch> MatchRules(const PeerRef& peer, v1::Protocol protocol, uint16_t port) const;

 private:
  RuleSet() = default;
  struct Compiled;
  std::string key_;
  v1::Rule::Direction direction_ = v1::Rule::INGRESS;
  std::string cluster_;
  std::vector<RuleRef> rules_;
  std::vector<Part> parts_;
  std::vector<v1::Peer> selectors_;
  bool judges_names_of_everyone_ = false;
  std::vector<v1::Cidr> prefixes_;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace trivium::policy
