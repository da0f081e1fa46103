#include "policy/rule_set.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "policy/cidr.h"
#include "policy/cidr_groups.h"
#include "policy/flatten.h"
#include "policy/labels.h"
#include "policy/peer_match.h"
#include "policy/selector.h"
#include "schema/digest.h"
#include "schema/object.h"

namespace trivium::policy {
namespace {

constexpr char kBuiltInHost[] = "built-in: node reaches its pods";
constexpr v1::Protocol kPortProtocols[] = {v1::PROTOCOL_TCP, v1::PROTOCOL_UDP, v1::PROTOCOL_SCTP};

// Ports first..last of one protocol.
struct PortSpan {
  uint8_t protocol = 0;
  uint32_t first = 0;
  uint32_t last = 0;
};

v1::Cidr EveryAddress(size_t bytes) {
  v1::Cidr cidr;
  cidr.set_address(std::string(bytes, '\0'));
  return cidr;
}

}  // namespace

struct RuleSet::Compiled {
  // A named port of an egress rule: its number is the peer's affair.
  struct PortName {
    std::string name;
    v1::Protocol protocol;
    friend auto operator<=>(const PortName&, const PortName&) = default;
  };
  struct Rule {
    bool deny = false;
    bool any_peer = false;
    std::vector<uint32_t> selectors;  // into RuleSet::selectors_
    bool any_port = false;
    std::vector<PortSpan> spans;
    std::vector<uint32_t> names;  // into `names`
  };

  Outcome otherwise;  // what holds where no rule does
  std::string cluster;
  std::vector<PortName> names;
  std::vector<Rule> rules;                      // parallel to RuleSet::rules_
  std::vector<uint32_t> for_everyone;           // rules with any_peer
  std::vector<std::vector<uint32_t>> rules_of;  // those that name a selector, by its index

  // The rules that apply to a peer that matches these selectors, in order.
  std::vector<uint32_t> Applying(absl::Span<const uint32_t> matched) const {
    std::vector<uint32_t> applying = for_everyone;
    for (const uint32_t selector : matched) {
      if (selector >= rules_of.size()) continue;
      applying.insert(applying.end(), rules_of[selector].begin(), rules_of[selector].end());
    }
    std::sort(applying.begin(), applying.end());
    applying.erase(std::unique(applying.begin(), applying.end()), applying.end());
    return applying;
  }

  bool Has(const v1::Peer& peer, const PeerRef& ref) const { return PeerMatches(peer, ref, cluster); }

  // The spans that named port `name` stands for on this peer.
  std::vector<PortSpan> Resolve(uint32_t name, const PeerRef& ref) const {
    std::vector<PortSpan> spans;
    if (ref.identity == nullptr) return spans;
    for (const v1::NamedPort& port : ref.identity->named_ports()) {
      if (port.name() != names[name].name) continue;
      if (names[name].protocol != v1::PROTOCOL_ANY && names[name].protocol != port.protocol()) continue;
      spans.push_back({static_cast<uint8_t>(port.protocol()), port.port(), port.port()});
    }
    return spans;
  }
};

namespace {

// A class in its parsed form: which selectors match, and the spans of each named port.
struct ClassParts {
  std::vector<uint32_t> selectors;  // ascending
  std::map<uint32_t, std::vector<PortSpan>> names;
};

// "3,7" or "3,7|0=6:80;1=17:53,6:53": selectors, then named ports as index=protocol:port.
std::string ToClassKey(const ClassParts& parts) {
  std::string key;
  for (const uint32_t selector : parts.selectors) absl::StrAppend(&key, key.empty() ? "" : ",", selector);
  char separator = '|';
  for (const auto& [name, spans] : parts.names) {
    if (spans.empty()) continue;
    absl::StrAppend(&key, std::string(1, separator), name, "=");
    for (size_t i = 0; i < spans.size(); ++i) {
      absl::StrAppend(&key, i == 0 ? "" : ",", spans[i].protocol, ":", spans[i].first);
    }
    separator = ';';
  }
  return key;
}

uint32_t Number(absl::string_view text) {
  uint32_t number = 0;
  return absl::SimpleAtoi(text, &number) ? number : 0;  // only text that ToClassKey wrote comes here
}

ClassParts FromClassKey(const std::string& key) {
  ClassParts parts;
  const std::vector<std::string> halves = absl::StrSplit(key, '|');
  for (absl::string_view selector : absl::StrSplit(halves[0], ',', absl::SkipEmpty())) {
    parts.selectors.push_back(Number(selector));
  }
  if (halves.size() == 1) return parts;
  for (absl::string_view entry : absl::StrSplit(halves[1], ';')) {
    const std::pair<absl::string_view, absl::string_view> named = absl::StrSplit(entry, '=');
    std::vector<PortSpan>& spans = parts.names[Number(named.first)];
    for (absl::string_view span : absl::StrSplit(named.second, ',')) {
      const std::pair<absl::string_view, absl::string_view> at = absl::StrSplit(span, ':');
      const uint32_t port = Number(at.second);
      spans.push_back({static_cast<uint8_t>(Number(at.first)), port, port});
    }
  }
  return parts;
}

// One protocol's spans, turned into stretches of ports with one outcome each.
class Sweep {
 public:
  void Add(const PortSpan& span, bool deny, uint32_t rule) {
    events_[span.first].push_back({deny, rule, true});
    events_[span.last + 1].push_back({deny, rule, false});
  }

  // A deny outdoes an allow, an allow for every port (the base) is named before one for some, and otherwise
  // the first rule is named.
  std::vector<Stretch> Stretches(const Outcome& base) const {
    std::vector<Stretch> stretches = {{0, base}};
    std::multiset<uint32_t> denies, allows;
    for (const auto& [at, events] : events_) {
      for (const Event& event : events) {
        std::multiset<uint32_t>& open = event.deny ? denies : allows;
        if (event.begins) {
          open.insert(event.rule);
        } else {
          open.erase(open.find(event.rule));
        }
      }
      if (at >= kPorts) break;
      Outcome outcome = base;
      if (!denies.empty()) {
        outcome = Outcome{Verdict::kDeny, *denies.begin()};
      } else if (base.rule == kDefaultRule && !allows.empty()) {
        outcome = Outcome{Verdict::kAllow, *allows.begin()};
      }
      if (at == 0) {
        stretches.front().outcome = outcome;
      } else if (!(stretches.back().outcome == outcome)) {
        stretches.push_back({at, outcome});
      }
    }
    return stretches;
  }

 private:
  static constexpr uint32_t kPorts = 65536;
  struct Event {
    bool deny;
    uint32_t rule;
    bool begins;
  };
  // By port. Every end has its begin at a lower port.
  std::map<uint32_t, std::vector<Event>> events_;
};

// Puts one rule's parts together.
class Builder {
 public:
  Builder(const v1::Identity& subject, const CidrGroups& groups) : subject_(subject), groups_(groups) {}

  // The peers of a rule, with groups resolved.
  std::vector<v1::Peer> PeersOf(const v1::Rule& rule) const {
    std::vector<v1::Peer> peers;
    for (const v1::Peer& peer : rule.peers()) {
      if (!peer.has_cidr() || peer.cidr().has_cidr()) {
        peers.push_back(peer);
        continue;
      }
      for (const v1::CidrGroup* group : groups_.Of(peer.cidr())) {  // one that is not there has no members
        for (const v1::Cidr& member : group->cidrs()) {
          v1::Peer one;
          *one.mutable_cidr()->mutable_cidr() = member;
          *one.mutable_cidr()->mutable_except() = peer.cidr().except();
          peers.push_back(std::move(one));
        }
      }
    }
    return peers;
  }

  // Ports of a rule that are numbers; the subject's named ports in ingress among them.
  void SpansOf(const v1::PortRange& range, std::vector<PortSpan>* spans) const {
    if (!range.name().empty()) {
      for (const v1::NamedPort& port : subject_.named_ports()) {
        if (port.name() != range.name()) continue;
        if (range.protocol() != v1::PROTOCOL_ANY && range.protocol() != port.protocol()) continue;
        spans->push_back({static_cast<uint8_t>(port.protocol()), port.port(), port.port()});
      }
      return;
    }
    uint32_t first = range.first(), last = range.last();
    if (range.protocol() == v1::PROTOCOL_ICMP || range.protocol() == v1::PROTOCOL_ICMPV6) {
      if (range.has_icmp_type()) {
        last = first << 8 | 0xff;  // every code of the type
        first = first << 8;
      } else {
        first = 0;
        last = 0xffff;
      }
    } else if (first == 0) {
      last = 0xffff;
    }
    if (range.protocol() != v1::PROTOCOL_ANY) {
      spans->push_back({static_cast<uint8_t>(range.protocol()), first, last});
      return;
    }
    for (const v1::Protocol protocol : kPortProtocols)
      spans->push_back({static_cast<uint8_t>(protocol), first, last});
  }

 private:
  const v1::Identity& subject_;
  const CidrGroups& groups_;
};

}  // namespace

std::shared_ptr<const RuleSet> RuleSet::Build(const v1::Identity& subject, v1::Rule::Direction direction,
                                              absl::Span<const v1::Policy* const> policies,
                                              absl::Span<const v1::CidrGroup* const> cidr_groups) {
  CidrGroups groups;
  for (const v1::CidrGroup* group : cidr_groups) groups.Set(*group);
  return Build(subject, direction, policies, groups);
}

std::shared_ptr<const RuleSet> RuleSet::Build(const v1::Identity& subject, v1::Rule::Direction direction,
                                              absl::Span<const v1::Policy* const> policies,
                                              const CidrGroups& cidr_groups) {
  const Builder builder(subject, cidr_groups);
  const std::shared_ptr<RuleSet> set(new RuleSet());
  const auto compiled = std::make_shared<Compiled>();
  set->direction_ = direction;
  compiled->cluster = LabelOf(subject, kClusterLabel);
  set->cluster_ = compiled->cluster;

  std::vector<v1::Peer>& selectors = set->selectors_;
  std::map<std::string, uint32_t> selector_numbers;
  std::vector<const std::string*> selector_texts;  // keys of selector_numbers
  std::map<Compiled::PortName, uint32_t> name_numbers;
  bool default_deny = false;
  std::string text = absl::StrCat(direction, "\n", compiled->cluster, "\n");  // what key_ is the hash of

  auto add = [&](const std::string& policy, const v1::Rule& rule) {
    // An action of a later version allows nothing here.
    if (rule.action() != v1::Rule::ALLOW && rule.action() != v1::Rule::DENY) return;
    Compiled::Rule out;
    out.deny = rule.action() == v1::Rule::DENY;
    out.any_peer = rule.any_peer();
    out.any_port = rule.any_port();
    for (const v1::Peer& peer : builder.PeersOf(rule)) {
      const auto [it, is_new] =
          selector_numbers.emplace(peer.SerializeAsString(), static_cast<uint32_t>(selectors.size()));
      if (is_new) {
        selectors.push_back(peer);
        selector_texts.push_back(&it->first);
      }
      out.selectors.push_back(it->second);
    }
    for (const v1::PortRange& range : rule.ports()) {
      if (range.name().empty() || direction == v1::Rule::INGRESS) {
        builder.SpansOf(range, &out.spans);
        continue;
      }
      const Compiled::PortName name{range.name(), range.protocol()};
      const auto [it, is_new] = name_numbers.emplace(name, static_cast<uint32_t>(compiled->names.size()));
      if (is_new) compiled->names.push_back(name);
      out.names.push_back(it->second);
    }
    absl::StrAppend(&text, policy, "\t", rule.origin(), "\t", out.deny, out.any_peer, out.any_port);
    for (const uint32_t s : out.selectors) {
      absl::StrAppend(&text, "\t", selector_texts[s]->size(), ":", *selector_texts[s]);
    }
    for (const PortSpan& s : out.spans) absl::StrAppend(&text, "\t", s.protocol, ":", s.first, "-", s.last);
    for (const uint32_t n : out.names) {
      absl::StrAppend(&text, "\t", compiled->names[n].protocol, ":", compiled->names[n].name);
    }
    text += '\n';
    const uint32_t number = static_cast<uint32_t>(compiled->rules.size());
    if (out.any_peer) {
      compiled->for_everyone.push_back(number);
      set->judges_names_of_everyone_ |= !out.names.empty();
    } else {
      compiled->rules_of.resize(selectors.size());
      for (const uint32_t s : out.selectors) compiled->rules_of[s].push_back(number);
    }
    compiled->rules.push_back(std::move(out));
    set->rules_.push_back({policy, rule.origin()});
  };

  if (direction == v1::Rule::INGRESS) {
    v1::Rule host;
    host.add_peers()->set_entity(v1::ENTITY_HOST);
    host.set_any_port(true);
    host.set_origin(kBuiltInHost);
    add("", host);
  }
  // The order of policies must not matter: names of rules in verdicts follow from it.
  std::map<std::string, const v1::Policy*> sorted;
  for (const v1::Policy* policy : policies) {
    sorted[PolicyKey(policy->kind(), policy->namespace_(), policy->name())] = policy;
  }
  for (const auto& [key, policy] : sorted) {
    const size_t from = text.size();
    Part part{key, false, {}};
    for (const v1::PolicyBlock& block : policy->blocks()) {
      if (!Matches(block.subject(), subject)) continue;
      const bool closes =
          direction == v1::Rule::INGRESS ? block.default_deny_ingress() : block.default_deny_egress();
      part.closes |= closes;
      default_deny |= closes;
      for (const v1::Rule& rule : block.rules()) {
        if (rule.direction() == direction) add(key, rule);
      }
    }
    if (!part.closes && text.size() == from) continue;  // it means nothing in this direction
    part.meaning = KeyHash(v1::KIND_POLICY, absl::string_view(text).substr(from));
    set->parts_.push_back(std::move(part));
  }
  compiled->otherwise.verdict = default_deny ? Verdict::kDeny : Verdict::kAllow;

  std::set<v1::Cidr, decltype(&CidrLess)> prefixes(&CidrLess);
  for (const v1::Peer& peer : selectors) {
    if (peer.has_cidr()) {
      prefixes.insert(peer.cidr().cidr());
      prefixes.insert(peer.cidr().except().begin(), peer.cidr().except().end());
    } else if (peer.has_labels()) {
      if (NamesFamily(peer.labels())) prefixes.insert({EveryAddress(4), EveryAddress(16)});
    } else if (peer.entity() == v1::ENTITY_WORLD_IPV4) {
      prefixes.insert(EveryAddress(4));
    } else if (peer.entity() == v1::ENTITY_WORLD_IPV6) {
      prefixes.insert(EveryAddress(16));
    }
  }
  set->prefixes_.assign(prefixes.begin(), prefixes.end());
  absl::StrAppend(&text, default_deny ? "deny" : "allow");
  set->key_ = KeyHash(v1::KIND_POLICY, text).ToHex();
  set->compiled_ = compiled;
  return set;
}

std::string RuleSet::ClassOf(const PeerRef& peer) const {
  std::vector<uint32_t> matched;
  for (uint32_t i = 0; i < selectors_.size(); ++i) {
    if (compiled_->Has(selectors_[i], peer)) matched.push_back(i);
  }
  return ClassOf(peer, matched);
}

std::string RuleSet::ClassOf(const PeerRef& peer, absl::Span<const uint32_t> matched) const {
  ClassParts parts;
  parts.selectors.assign(matched.begin(), matched.end());
  // A named port tells peers apart only where a rule that has it applies.
  if (!compiled_->names.empty() && peer.identity != nullptr && peer.identity->named_ports_size() > 0) {
    for (const uint32_t rule : compiled_->Applying(matched)) {
      for (const uint32_t name : compiled_->rules[rule].names) {
        parts.names[name] = compiled_->Resolve(name, peer);
      }
    }
  }
  return ToClassKey(parts);
}

std::vector<std::string> RuleSet::PoliciesOf(const std::string& class_key) const {
  std::vector<std::string> policies;
  for (const uint32_t rule : compiled_->Applying(FromClassKey(class_key).selectors)) {
    const std::string& policy = rules_[rule].policy;
    if (!policy.empty() && (policies.empty() || policies.back() != policy)) policies.push_back(policy);
  }
  return policies;
}

std::vector<VerdictEntry> RuleSet::Flatten(const std::string& class_key) const {
  const ClassParts parts = FromClassKey(class_key);
  Outcome base = compiled_->otherwise;  // where no port is named
  std::map<uint8_t, Sweep> sweeps;      // by protocol
  for (const uint32_t i : compiled_->Applying(parts.selectors)) {
    const Compiled::Rule& rule = compiled_->rules[i];
    if (rule.any_port) {
      // The first deny for every port ends it; else the first allow names the base.
      if (rule.deny) return {VerdictEntry{0, 0, 0, 0, Verdict::kDeny, i}};
      if (base.rule == kDefaultRule) base = Outcome{Verdict::kAllow, i};
    }
    for (const PortSpan& span : rule.spans) sweeps[span.protocol].Add(span, rule.deny, i);
    for (const uint32_t name : rule.names) {
      const auto resolved = parts.names.find(name);
      if (resolved == parts.names.end()) continue;
      for (const PortSpan& span : resolved->second) sweeps[span.protocol].Add(span, rule.deny, i);
    }
  }

  std::vector<VerdictEntry> entries;
  if (base.verdict == Verdict::kAllow) entries.push_back(VerdictEntry{0, 0, 0, 0, base.verdict, base.rule});
  for (const auto& [protocol, sweep] : sweeps)
    AppendPrefixes(protocol, sweep.Stretches(base), base, &entries);
  return entries;
}

std::vector<RuleSet::RuleMatch> RuleSet::MatchRules(const PeerRef& peer, v1::Protocol protocol,
                                                    uint16_t port) const {
  const auto covers = [&](const PortSpan& span) {
    return span.protocol == static_cast<uint8_t>(protocol) && span.first <= port && port <= span.last;
  };
  std::vector<RuleMatch> matches;
  for (const Compiled::Rule& rule : compiled_->rules) {
    RuleMatch& match =
        matches.emplace_back(RuleMatch{rule.deny, rule.any_peer, rule.any_port, rule.any_port});
    match.peer = match.peer || std::any_of(rule.selectors.begin(), rule.selectors.end(),
                                           [&](uint32_t s) { return compiled_->Has(selectors_[s], peer); });
    match.port = match.port || std::any_of(rule.spans.begin(), rule.spans.end(), covers);
    for (const uint32_t name : rule.names) {
      if (match.port) break;
      const std::vector<PortSpan> spans = compiled_->Resolve(name, peer);
      match.port = std::any_of(spans.begin(), spans.end(), covers);
    }
  }
  return matches;
}

Decision RuleSet::Decide(const PeerRef& peer, v1::Protocol protocol, uint16_t port) const {
  // Precedence of names as in Flatten: a deny for every port, any deny, an allow for every port, any allow.
  int best_rank = 4;
  size_t best = 0;
  const std::vector<RuleMatch> matches = MatchRules(peer, protocol, port);
  for (size_t i = 0; i < matches.size(); ++i) {
    if (!matches[i].peer || !matches[i].port) continue;
    const int rank = (matches[i].deny ? 0 : 2) + (matches[i].every_port ? 0 : 1);
    if (rank < best_rank) {
      best_rank = rank;
      best = i;
    }
  }
  if (best_rank == 4) return Decision{compiled_->otherwise.verdict, false, {}};
  return Decision{best_rank < 2 ? Verdict::kDeny : Verdict::kAllow, true, rules_[best]};
}

}  // namespace trivium::policy
