// Asks the policy library, each cell three times: by the plain meaning of the rules, by their compiled form
// (class, then longest prefix), and as `policy trace` explains it. All must agree.
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "policy/cidr.h"
#include "policy/rule_set.h"
#include "policy/trace.h"
#include "tests/conformance/judge.h"

namespace trivium::conformance {
namespace {

class ResolverJudge final : public Judge {
 public:
  void OnChange(uint32_t, v1::Kind, const std::string&, ObjectPtr, ObjectPtr, uint64_t) override {}

  absl::Status Settle(const World& world) override {
    rule_sets_.clear();
    policies_.clear();
    groups_.clear();
    for (const std::string& cluster : world.clusters()) {
      for (const auto& [key, stored] : world.mirror(cluster).All(v1::KIND_POLICY)) {
        policies_[cluster].push_back(&stored.object->policy());
      }
      for (const auto& [key, stored] : world.mirror(cluster).All(v1::KIND_CIDR_GROUP)) {
        groups_[cluster].push_back(&stored.object->cidr_group());
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Answer> New(const World& world, const Flow& flow) override {
    if (!flow.source.external()) {
      TRIVIUM_ASSIGN_OR_RETURN(Answer answer,
                               Side(world, flow, flow.source, flow.destination, v1::Rule::EGRESS));
      if (!answer.allowed) return answer;
    }
    if (!flow.destination.external())
      return Side(world, flow, flow.destination, flow.source, v1::Rule::INGRESS);
    return Answer{true, "nobody judges it"};
  }

  absl::Status Open(const World&, const Flow&, size_t) override { return absl::OkStatus(); }
  absl::StatusOr<Answer> Established(const World& world, const Flow& flow, size_t) override {
    return New(world, flow);  // today's verdict, in the connection's own direction
  }

 private:
  static const v1::Identity& IdentityOf(const World& world, const Host& host) {
    const Mirror& mirror = world.mirror(host.cluster);
    const v1::Endpoint& endpoint = mirror.Find(v1::KIND_ENDPOINT, EndpointKey(host.uid))->endpoint();
    return mirror.Find(v1::KIND_IDENTITY, absl::StrCat(endpoint.identity()))->identity();
  }

  // The longest entry that matches decides, as in the kernel's map; none: denied.
  static policy::Verdict Lookup(const std::vector<policy::VerdictEntry>& entries, v1::Protocol protocol,
                                uint16_t port) {
    int longest = -1;
    policy::Verdict verdict = policy::Verdict::kDeny;
    for (const policy::VerdictEntry& entry : entries) {
      const int bits = entry.protocol_bits + entry.port_bits;
      if (bits <= longest || (entry.protocol_bits != 0 && entry.protocol != protocol)) continue;
      if (entry.port_bits != 0 && (port ^ entry.port) >> (16 - entry.port_bits) != 0) continue;
      longest = bits;
      verdict = entry.verdict;
    }
    return verdict;
  }

  // The explanation gives the same verdict and rule, and its parts bear it out.
  static absl::Status CheckTrace(const policy::Trace& trace, const policy::Decision& decision,
                                 const Flow& flow) {
    const auto wrong = [&](absl::string_view what) {
      return absl::InternalError(absl::StrCat(flow.from, " -> ", flow.to, ": the trace ", what));
    };
    if (trace.decision.verdict != decision.verdict || trace.decision.by_rule != decision.by_rule ||
        !(trace.decision.rule == decision.rule)) {
      return wrong(absl::StrCat("says otherwise: ", trace.reason));
    }
    const bool allowed = decision.verdict == policy::Verdict::kAllow;
    bool denies = false;
    for (const policy::TracedRule& rule : trace.matching) {
      if (rule.reason.empty()) return wrong("does not say why a rule matches");
      denies |= rule.action == policy::Verdict::kDeny;
    }
    if (decision.by_rule != !trace.matching.empty()) return wrong("lists rules that did not decide");
    if (decision.by_rule && !(trace.matching[0].rule == decision.rule))
      return wrong("begins with another rule");
    if (allowed && denies) return wrong("lists a deny and allows");
    if (allowed && !trace.would_allow.empty()) return wrong("says what would allow what is allowed");
    if (!allowed && !denies && trace.selecting.empty()) return wrong("denies for no policy");
    for (const policy::TracedRule& rule : trace.would_allow) {
      if (rule.reason.empty()) return wrong("does not say what is missing");
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Answer> Side(const World& world, const Flow& flow, const Host& subject, const Host& peer,
                              v1::Rule::Direction direction) {
    const v1::Identity& identity = IdentityOf(world, subject);
    std::shared_ptr<const policy::RuleSet>& rules = rule_sets_[{subject.cluster, identity.id(), direction}];
    if (rules == nullptr) {
      rules =
          policy::RuleSet::Build(identity, direction, policies_[subject.cluster], groups_[subject.cluster]);
    }
    policy::PeerRef ref;
    v1::Cidr prefix;
    if (peer.external()) {
      prefix = policy::HostPrefix(peer.Ip(flow.family));
      ref.prefix = &prefix;
    } else {
      ref.identity = &IdentityOf(world, peer);
    }
    const bool icmp = flow.protocol == v1::PROTOCOL_ICMP || flow.protocol == v1::PROTOCOL_ICMPV6;
    const auto port = icmp ? static_cast<uint16_t>(flow.port << 8) : flow.port;
    const policy::Decision decision = rules->Decide(ref, flow.protocol, port);
    const policy::Verdict compiled = Lookup(rules->Flatten(rules->ClassOf(ref)), flow.protocol, port);
    if (compiled != decision.verdict) {
      return absl::InternalError(absl::StrCat(flow.from, " -> ", flow.to, ": the compiled form says ",
                                              compiled == policy::Verdict::kAllow ? "allow" : "deny",
                                              ", the rules say otherwise"));
    }
    TRIVIUM_RETURN_IF_ERROR(CheckTrace(policy::Explain({&identity, direction, ref, flow.protocol, port},
                                                       policies_[subject.cluster], groups_[subject.cluster]),
                                       decision, flow));
    return Answer{
        decision.verdict == policy::Verdict::kAllow,
        absl::StrCat(
            direction == v1::Rule::EGRESS ? "egress of the source: " : "ingress of the destination: ",
            decision.by_rule ? absl::StrCat(decision.rule.policy, " ", decision.rule.origin)
                             : "no rule matches")};
  }

  std::map<std::string, std::vector<const v1::Policy*>> policies_;
  std::map<std::string, std::vector<const v1::CidrGroup*>> groups_;
  std::map<std::tuple<std::string, uint32_t, int>, std::shared_ptr<const policy::RuleSet>> rule_sets_;
};

}  // namespace

std::unique_ptr<Judge> NewResolverJudge() { return std::make_unique<ResolverJudge>(); }

}  // namespace trivium::conformance
