#include "policy/trace.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "policy/cidr.h"
#include "policy/labels.h"
#include "policy/peer_match.h"
#include "policy/rule_text.h"
#include "policy/selector.h"
#include "schema/object.h"

namespace trivium::policy {
namespace {

constexpr size_t kMaxWouldAllow = 10;
constexpr size_t kMaxListed = 4;  // of alternatives in one sentence

template <typename Items, typename Text>
std::string Alternatives(const Items& items, const Text& text) {
  std::vector<std::string> texts;
  for (const auto& item : items) {
    if (texts.size() == kMaxListed) {
      texts.push_back(absl::StrCat("... (", items.size() - static_cast<int>(kMaxListed), " more)"));
      break;
    }
    texts.push_back(text(item));
  }
  return absl::StrJoin(texts, " or ");
}

class Explainer {
 public:
  Explainer(const TraceQuery& query, absl::Span<const v1::CidrGroup* const> groups)
      : query_(query),
        groups_(groups),
        cluster_(LabelOf(*query.subject, kClusterLabel)),
        in_(query.direction == v1::Rule::INGRESS) {}

  std::string subject() const { return in_ ? "the destination" : "the source"; }
  std::string peer() const { return in_ ? "the source" : "the destination"; }
  std::string direction() const { return in_ ? "ingress" : "egress"; }
  std::string port() const { return policy::PortText(query_.protocol, query_.port); }

  // Why a rule's peers and ports mean this connection.
  std::string WhyMatches(const v1::Rule& rule) const {
    std::string text = rule.any_peer() ? "any peer" : "";
    if (text.empty()) {
      for (const v1::Peer& each : rule.peers()) {
        if (!Means(each)) continue;
        text = absl::StrCat(peer(), " is ", PeerText(each));
        break;
      }
    }
    if (rule.any_port()) return absl::StrCat(text, "; any port");
    return absl::StrCat(text, "; ", port(), " is in ", Alternatives(rule.ports(), RangeText));
  }

  // Why its ports do not.
  std::string WhyNotPort(const v1::Rule& rule) const {
    if (rule.ports().empty()) return "it has no ports";
    std::string text = absl::StrCat(peer(), " matches, but the rule is for ",
                                    Alternatives(rule.ports(), RangeText), ", not for ", port());
    for (const v1::PortRange& range : rule.ports()) {
      if (!range.name().empty()) absl::StrAppend(&text, "; ", NamedPortText(range.name()));
    }
    return text;
  }

  // Why its peers do not mean the peer, by the one that comes closest; `misses` counts what it lacks.
  std::string WhyNotPeer(const v1::Rule& rule, size_t* misses) const {
    *misses = 1;
    if (rule.peers().empty()) return "the port matches, but the rule names no peer";
    std::string best;
    for (const v1::Peer& each : rule.peers()) {
      size_t lacks = 1;
      std::string text = WhyNot(each, &lacks);
      if (!best.empty() && lacks >= *misses) continue;
      *misses = lacks;
      best = std::move(text);
    }
    return absl::StrCat(
        rule.any_port() ? "" : "the port matches, but ", best,
        rule.peers_size() == 1 ? "" : absl::StrCat(" (the closest of ", rule.peers_size(), " peers)"));
  }

 private:
  bool Means(const v1::Peer& each) const {
    if (!each.has_cidr() || each.cidr().has_cidr()) return PeerMatches(each, query_.peer, cluster_);
    return std::any_of(groups_.begin(), groups_.end(), [&](const v1::CidrGroup* group) {
      return RefersTo(each.cidr(), *group) &&
             std::any_of(group->cidrs().begin(), group->cidrs().end(), [&](const v1::Cidr& member) {
               v1::Peer one;
               *one.mutable_cidr()->mutable_cidr() = member;
               *one.mutable_cidr()->mutable_except() = each.cidr().except();
               return PeerMatches(one, query_.peer, cluster_);
             });
    });
  }

  // The destination's port of that name.
  std::string NamedPortText(const std::string& name) const {
    const v1::Identity* owner = in_ ? query_.subject : query_.peer.identity;
    std::vector<std::string> numbers;
    if (owner != nullptr) {
      for (const v1::NamedPort& named : owner->named_ports()) {
        if (named.name() != name) continue;
        numbers.push_back(policy::PortText(named.protocol(), static_cast<uint16_t>(named.port())));
      }
    }
    if (numbers.empty()) return absl::StrCat("the destination has no port named ", name);
    return absl::StrCat("port ", name, " of the destination is ", absl::StrJoin(numbers, " and "));
  }

  std::string WhyNot(const v1::Peer& each, size_t* lacks) const {
    if (!each.has_labels()) {
      std::string text =
          absl::StrCat("the rule is for ", PeerText(each), ", and ", peer(), " is ", PartyText());
      if (each.has_cidr() && query_.peer.identity != nullptr) {
        absl::StrAppend(&text, ": a CIDR never means a pod or node of the mesh");
      }
      return text;
    }
    if (query_.peer.identity == nullptr) {
      *lacks = static_cast<size_t>(each.labels().requirements_size());
      return absl::StrCat("the rule is for pods with ", SelectorText(each.labels()), ", and ", peer(), " is ",
                          PartyText());
    }
    std::vector<std::string> faults;
    for (const v1::Requirement& requirement : each.labels().requirements()) {
      v1::Selector one;
      *one.add_requirements() = requirement;
      if (!Matches(one, *query_.peer.identity)) {
        faults.push_back(absl::StrCat(RequirementText(requirement), " (", Has(requirement), ")"));
      }
    }
    *lacks = faults.size();
    return absl::StrCat("the rule wants ", absl::StrJoin(faults, " and "), " of ", peer());
  }

  // What the peer has of the key that a requirement is about.
  std::string Has(const v1::Requirement& requirement) const {
    absl::string_view key = requirement.key();
    const bool any = absl::ConsumePrefix(&key, "any:");
    std::vector<std::string> values;
    for (const v1::Label& label : query_.peer.identity->labels()) {
      const absl::string_view name = label.key();
      const size_t colon = name.find(':');
      const bool same = any ? colon != absl::string_view::npos && name.substr(colon + 1) == key : name == key;
      if (same) values.push_back(label.value());
    }
    return values.empty() ? "it has no such label" : absl::StrCat("it has ", absl::StrJoin(values, " and "));
  }

  std::string PartyText() const {
    if (query_.peer.prefix != nullptr) {
      const std::string text = CidrText(*query_.peer.prefix);
      return absl::StrCat(text.substr(0, text.find('/')), ", outside the mesh");
    }
    for (const v1::Label& label : query_.peer.identity->labels()) {
      if (absl::StartsWith(label.key(), "reserved:")) return label.key().substr(9);
    }
    return "a pod";
  }

  const TraceQuery& query_;
  const absl::Span<const v1::CidrGroup* const> groups_;
  const std::string cluster_;
  const bool in_;
};

std::string Count(size_t n, absl::string_view one, absl::string_view many) {
  return n == 1 ? std::string(one) : absl::StrCat(n, " ", many);
}

std::string Sentence(const Trace& trace, const Explainer& explain, size_t closing) {
  if (trace.decision.by_rule) {
    return absl::StrCat(trace.decision.verdict == Verdict::kAllow ? "allowed by " : "denied by ",
                        RuleText(trace.decision.rule));
  }
  if (trace.selecting.empty()) {
    return absl::StrCat("no policy selects ", explain.subject(), ": everything is allowed");
  }
  if (closing == 0) {
    return absl::StrCat("no policy closes ", explain.direction(), " of ", explain.subject(),
                        ", and no rule denies this");
  }
  return absl::StrCat(Count(closing, "a policy closes ", "policies close "), explain.direction(), " of ",
                      explain.subject(), ", and no rule allows this");
}

}  // namespace

std::string RuleText(const RuleRef& rule) {
  const std::vector<std::string> parts = absl::StrSplit(rule.policy, '/');
  std::string text = parts.size() != 3
                         ? rule.policy
                         : absl::StrCat(parts[0], " ", parts[1], parts[1].empty() ? "" : "/", parts[2]);
  if (!rule.origin.empty()) absl::StrAppend(&text, text.empty() ? "" : " ", rule.origin);
  return text;
}

std::string PortText(v1::Protocol protocol, uint16_t port) {
  if (IsIcmp(protocol)) return absl::StrCat(ProtocolName(protocol), " type ", port >> 8);
  return absl::StrCat(ProtocolName(protocol), "/", port);
}

namespace {

// What the subject's policies have in one direction: their rules by the name that RuleSet gives them (equal
// names in order), and which policies there are.
struct Selected {
  struct Policy {
    std::string key;
    bool closes = false;  // what no rule allows is denied
  };
  std::multimap<std::pair<std::string, std::string>, const v1::Rule*> rules;
  std::vector<Policy> policies;
};

const v1::Rule* BuiltIn() {
  auto* rule = new v1::Rule();
  rule->add_peers()->set_entity(v1::ENTITY_HOST);
  rule->set_any_port(true);
  return rule;
}

Selected Select(const TraceQuery& query, absl::Span<const v1::Policy* const> policies) {
  Selected selected;
  for (const v1::Policy* policy : policies) {
    bool selects = false, closes = false;
    const std::string key = PolicyKey(policy->kind(), policy->namespace_(), policy->name());
    for (const v1::PolicyBlock& block : policy->blocks()) {
      if (!Matches(block.subject(), *query.subject)) continue;
      selects = true;
      closes |=
          query.direction == v1::Rule::INGRESS ? block.default_deny_ingress() : block.default_deny_egress();
      for (const v1::Rule& rule : block.rules()) {
        if (rule.direction() == query.direction) selected.rules.emplace(std::pair(key, rule.origin()), &rule);
      }
    }
    if (selects) selected.policies.push_back({key, closes});
  }
  std::sort(selected.policies.begin(), selected.policies.end(),
            [](const auto& a, const auto& b) { return a.key < b.key; });
  return selected;
}

}  // namespace

Trace Explain(const TraceQuery& query, absl::Span<const v1::Policy* const> policies,
              absl::Span<const v1::CidrGroup* const> groups) {
  const auto rule_set = RuleSet::Build(*query.subject, query.direction, policies, groups);
  Selected selected = Select(query, policies);
  const Explainer explain(query, groups);
  Trace trace;
  trace.decision = rule_set->Decide(query.peer, query.protocol, query.port);

  size_t closing = 0;
  for (const Selected::Policy& policy : selected.policies) {
    closing += policy.closes ? 1 : 0;
    trace.selecting.push_back(
        {{policy.key, ""},
         Verdict::kAllow,
         absl::StrCat(policy.closes ? "closes " : "does not close ", explain.direction())});
  }
  const std::vector<RuleSet::RuleMatch> matches =
      rule_set->MatchRules(query.peer, query.protocol, query.port);
  std::vector<std::pair<size_t, TracedRule>> near;
  bool allowed_by_some = false;
  for (size_t i = 0; i < matches.size(); ++i) {
    const RuleSet::RuleMatch& match = matches[i];
    const RuleRef& ref = rule_set->rules()[i];
    // The built-in rule is of no policy.
    static const v1::Rule* const built_in = BuiltIn();
    const auto found = selected.rules.find({ref.policy, ref.origin});
    const v1::Rule& rule = found == selected.rules.end() ? *built_in : *found->second;
    if (found != selected.rules.end()) selected.rules.erase(found);
    TracedRule traced{ref, match.deny ? Verdict::kDeny : Verdict::kAllow, ""};
    if (match.peer && match.port) {
      traced.reason = explain.WhyMatches(rule);
      allowed_by_some |= !match.deny;
      const bool decides = trace.decision.by_rule && traced.rule == trace.decision.rule;
      trace.matching.insert(decides ? trace.matching.begin() : trace.matching.end(), std::move(traced));
    } else if (!match.deny && match.peer != match.port && !ref.policy.empty()) {
      size_t misses = 1;
      traced.reason = match.peer ? explain.WhyNotPort(rule) : explain.WhyNotPeer(rule, &misses);
      near.emplace_back(misses, std::move(traced));
    }
  }
  trace.reason = Sentence(trace, explain, closing);
  if (trace.decision.verdict == Verdict::kAllow) return trace;

  // Every deny that matches must go, and unless something allows it then, one of the near ones must match.
  for (const TracedRule& rule : trace.matching) {
    if (rule.action != Verdict::kDeny) continue;
    trace.would_allow.push_back(rule);
    trace.would_allow.back().reason =
        absl::StrCat("must not match: ", rule.reason,
                     allowed_by_some || closing == 0 ? "" : "; and some rule must allow it then");
  }
  if (!allowed_by_some && closing != 0) {
    std::stable_sort(near.begin(), near.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [misses, rule] : near) {
      if (trace.would_allow.size() == kMaxWouldAllow) break;
      trace.would_allow.push_back(std::move(rule));
    }
  }
  return trace;
}

}  // namespace trivium::policy
