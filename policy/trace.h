// Why a connection is allowed or denied in one direction: the decision of RuleSet, the policies behind it,
// and for a denial what comes close to allowing it. For people; the verdict itself is RuleSet::Decide's.
// Pure; thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/types/span.h"
#include "policy/rule_set.h"
#include "trivium/v1/objects.pb.h"

namespace trivium::policy {

struct TracedRule {
  RuleRef rule;
  Verdict action = Verdict::kAllow;
  std::string reason;  // which peer and port match, or what does not
};

struct Trace {
  Decision decision;
  std::string reason;                   // one sentence
  std::vector<TracedRule> selecting;    // policies that select the subject, without origin
  std::vector<TracedRule> matching;     // rules that mean this connection, the deciding one first
  std::vector<TracedRule> would_allow;  // for a denial: what would have to be otherwise, the closest first
};

// As RuleSet::Build and Decide take them.
struct TraceQuery {
  const v1::Identity* subject = nullptr;
  v1::Rule::Direction direction = v1::Rule::INGRESS;
  PeerRef peer;
  v1::Protocol protocol = v1::PROTOCOL_TCP;
  uint16_t port = 0;  // for ICMP type << 8 | code
};

Trace Explain(const TraceQuery& query, absl::Span<const v1::Policy* const> policies,
              absl::Span<const v1::CidrGroup* const> groups);

// "NetworkPolicy shop/db spec.ingress[0]", "CiliumClusterwideNetworkPolicy base": from an object's key.
std::string RuleText(const RuleRef& rule);
// "TCP/443", "ICMP type 8".
std::string PortText(v1::Protocol protocol, uint16_t port);

}  // namespace trivium::policy
