// Pipeline's part that concerns the endpoints of this node and the policies that select them.
#include <algorithm>
#include <cstring>
#include <optional>

#include "nodeagent/compile/keys.h"
#include "nodeagent/desired/pipeline.h"
#include "policy/labels.h"
#include "policy/selector.h"
#include "schema/object.h"

namespace trivium {
namespace {

endpoint_policy_key EndpointPolicyKey(uint32_t endpoint, uint32_t direction) {
  endpoint_policy_key key{};
  key.endpoint = endpoint;
  key.direction = direction;
  return key;
}

constexpr v1::Rule::Direction kDirections[2] = {v1::Rule::INGRESS, v1::Rule::EGRESS};
static_assert(DIRECTION_INGRESS == 0 && DIRECTION_EGRESS == 1);

}  // namespace

void Pipeline::SetLocalEndpoint(const LocalEndpoint& endpoint) {
  ++local_changes_;
  numbers_.EndpointInUse(endpoint.number);
  auto [it, inserted] = locals_.try_emplace(endpoint.uid);
  Local& local = it->second;
  if (!inserted && (local.spec.ips != endpoint.ips || local.spec.number != endpoint.number)) {
    WithdrawLocal(&local);
  }
  local.spec = endpoint;
  std::erase_if(local.spec.ips, [](const std::string& ip) { return !IsAddress(ip); });
  ResolveEndpoint(&local);
}

void Pipeline::RemoveLocalEndpoint(const Id128& uid) {
  const auto it = locals_.find(uid);
  if (it == locals_.end()) return;
  ++local_changes_;
  WithdrawLocal(&it->second);
  LeaveSubject(it->second.identity);
  removed_endpoints_.insert(it->second.spec.number);
  locals_.erase(it);
}

// Takes back what it wants of the maps, its policy first of all.
void Pipeline::WithdrawLocal(Local* local) {
  const uint64_t owner = AddressTable::Owner(options_.cluster_id, local->spec.uid);
  for (const uint32_t direction : {DIRECTION_INGRESS, DIRECTION_EGRESS}) {
    maps_.endpoint_policy.Remove(EndpointPolicyKey(local->spec.number, direction));
  }
  for (const std::string& ip : local->spec.ips) {
    maps_.endpoints.Remove(EndpointMapKey(options_.space, ip));
    if (local->claims) addresses_.Withdraw(IpcacheKey(options_.space, ip), owner);
  }
  local->claims = false;
}

void Pipeline::LeaveSubject(uint32_t identity) {
  const auto it = subjects_.find(identity);
  if (it == subjects_.end() || --it->second.endpoints > 0) return;
  for (const uint32_t rule_set : it->second.rule_set) rule_sets_.Release(rule_set);
  Unmatch(identity, &it->second);
  subjects_.erase(it);
  retired_in_use_.erase(identity);
}

void Pipeline::SetNodeNumber(uint32_t number) {
  if (number == node_number_) return;
  ++local_changes_;
  node_number_ = number;
  registered_here_.clear();
  if (number == 0) return;
  for (const auto& [uid, registered] : registered_) {
    if (registered.node == number) registered_here_.insert(uid);
  }
}

// A number that is not there yet counts: nothing is resolved for it before its identity comes.
uint32_t Pipeline::FallbackOf(const LocalEndpoint& spec) const {
  const auto peer = peers_.find(spec.fallback_identity);
  if (peer == peers_.end() || peer->second.object == nullptr) return spec.fallback_identity;
  const v1::Identity& identity = peer->second.object->identity();
  const bool same = policy::CanonicalForm({identity.labels().begin(), identity.labels().end()},
                                          {identity.named_ports().begin(), identity.named_ports().end()}) ==
                    spec.fallback_form;
  return same ? spec.fallback_identity : 0;
}

void Pipeline::ResolveEndpoint(Local* local) {
  ++local_changes_;
  const LocalEndpoint& spec = local->spec;
  const auto registered = registered_.find(spec.uid);
  const bool is_registered = registered != registered_.end();
  const uint32_t identity = is_registered ? registered->second.identity : FallbackOf(spec);
  if (identity != local->identity) {
    LeaveSubject(local->identity);
    local->identity = identity;
    if (identity != 0 && ++subjects_[identity].endpoints == 1) MarkDirty(identity, kBothDirections);
  }
  if (!is_registered) {
    AddressClaim claim{AddressTable::Owner(options_.cluster_id, spec.uid), 0, {}};
    claim.value.identity = identity;
    claim.value.cluster = options_.cluster_id;
    claim.value.node = node_number_;
    for (const std::string& ip : spec.ips) {
      const ipcache_key key = IpcacheKey(options_.space, ip);
      if (identity != 0) {
        addresses_.Claim(key, claim);
      } else if (local->claims) {
        addresses_.Withdraw(key, claim.owner);
      }
    }
    local->claims = identity != 0;
  }
  WantEndpoint(*local);
}

void Pipeline::WantEndpoint(const Local& local) {
  const LocalEndpoint& spec = local.spec;
  const auto subject = subjects_.find(local.identity);
  const bool resolved = local.identity != 0 && peers_.contains(local.identity);
  for (const uint32_t direction : {DIRECTION_INGRESS, DIRECTION_EGRESS}) {
    const endpoint_policy_key key = EndpointPolicyKey(spec.number, direction);
    endpoint_policy_value value{};
    if (resolved && subject != subjects_.end()) value.rule_set = subject->second.rule_set[direction];
    if (spec.audit) value.flags = ENDPOINT_POLICY_AUDIT;
    if (value.rule_set != 0) {
      maps_.endpoint_policy.Set(key, value);
    } else if (!resolved || !dirty_subjects_.contains(local.identity)) {
      maps_.endpoint_policy.Remove(key);
    }
  }
  endpoint_value value{};
  value.endpoint = spec.number;
  value.ifindex = spec.ifindex;
  value.identity = resolved ? local.identity : static_cast<uint32_t>(IDENTITY_INIT);
  std::memcpy(value.pod_mac, spec.pod_mac.data(), std::min(spec.pod_mac.size(), sizeof value.pod_mac));
  std::memcpy(value.host_mac, spec.host_mac.data(), std::min(spec.host_mac.size(), sizeof value.host_mac));
  for (const std::string& ip : spec.ips) maps_.endpoints.Set(EndpointMapKey(options_.space, ip), value);
}

void Pipeline::MatchPolicies(uint32_t identity, Subject* subject) {
  subject->policies.clear();
  subject->matched = peers_.at(identity).object;
  subject_labels_.Add(identity, subject->matched->identity());
  for (std::string& key : policies_.CandidatesFor(subject->matched->identity())) {
    ++counters_.policies_matched;
    const v1::Policy& policy = policies_.Find(key)->object->policy();
    if (policy::Selects(policy, subject->matched->identity())) subject->policies.insert(std::move(key));
  }
}

void Pipeline::Unmatch(uint32_t identity, Subject* subject) {
  if (subject->matched == nullptr) return;
  subject_labels_.Remove(identity, subject->matched->identity());
  subject->matched = nullptr;
}

void Pipeline::OnPrefixes(const std::vector<CidrIdentities::Change>& changes) {
  for (const CidrIdentities::Change& change : changes) {
    if (change.added) {
      peers_[change.identity] = {nullptr, change.prefix, 0};
      rule_sets_.PeerAdded(change.identity);
    } else {
      const Peer before{nullptr, change.prefix, 0};
      peers_.erase(change.identity);
      rule_sets_.PeerChanged(change.identity, &before);
    }
  }
}

// Another run of the agent may have left the same rule sets in force: they keep their numbers, so that
// nothing is rewritten and no flow judged anew.
void Pipeline::AdoptRuleSets(uint32_t identity, const std::shared_ptr<const policy::RuleSet> (&sets)[2]) {
  for (const auto& [uid, local] : locals_) {
    if (local.identity != identity) continue;
    for (const uint32_t direction : {DIRECTION_INGRESS, DIRECTION_EGRESS}) {
      const std::optional<endpoint_policy_value> actual =
          maps_.endpoint_policy.Actual(EndpointPolicyKey(local.spec.number, direction));
      if (!actual.has_value() || rule_sets_.IsLive(actual->rule_set)) continue;
      if (sets[direction] == nullptr) continue;
      rule_sets_.Adopt(actual->rule_set, sets[direction],
                       [this](const std::string& policy) { return policies_.RevisionOf(policy); });
    }
  }
}

void Pipeline::ResolveSubjects() {
  // Prefixes that only dropped rule sets told apart.
  for (const auto& rules : rule_sets_.TakeDropped()) OnPrefixes(cidrs_.Leave(rules->prefixes()));
  if (dirty_subjects_.empty()) return;
  struct Built {
    uint8_t directions = 0;
    std::shared_ptr<const policy::RuleSet> sets[2];
  };
  std::map<uint32_t, Built> built;
  for (const auto& [identity, directions] : dirty_subjects_) {
    const auto subject = subjects_.find(identity);
    const auto peer = peers_.find(identity);
    if (subject == subjects_.end()) continue;
    Built& mine = built[identity];
    mine.directions = directions;
    if (peer == peers_.end() || peer->second.object == nullptr) continue;
    const ObjectPtr object = peer->second.object;  // prefixes change the table below
    if (subject->second.matched == nullptr) MatchPolicies(identity, &subject->second);
    std::vector<const v1::Policy*> policies;
    for (const std::string& key : subject->second.policies) {
      policies.push_back(&policies_.Find(key)->object->policy());
    }
    for (const uint32_t direction : {DIRECTION_INGRESS, DIRECTION_EGRESS}) {
      if ((directions & 1 << direction) == 0) continue;
      mine.sets[direction] =
          policy::RuleSet::Build(object->identity(), kDirections[direction], policies, cidr_groups_);
      ++counters_.rule_sets_built;
      OnPrefixes(cidrs_.Use(mine.sets[direction]->prefixes()));
    }
  }
  const bool foreign = !reconciler_.NothingForeign();
  for (auto& [identity, mine] : built) {
    Subject& subject = subjects_.at(identity);
    if (foreign) AdoptRuleSets(identity, mine.sets);
    for (const uint32_t direction : {DIRECTION_INGRESS, DIRECTION_EGRESS}) {
      if ((mine.directions & 1 << direction) == 0) continue;
      const uint32_t old = subject.rule_set[direction];
      subject.rule_set[direction] =
          mine.sets[direction] == nullptr
              ? 0
              : rule_sets_.Acquire(mine.sets[direction], [this](const std::string& policy) {
                  return policies_.RevisionOf(policy);
                });
      rule_sets_.Release(old);
    }
  }
  dirty_subjects_.clear();
  ++local_changes_;
  // From here on, rule sets that are new use their prefixes themselves.
  for (const auto& rules : rule_sets_.TakeInstalled()) OnPrefixes(cidrs_.Use(rules->prefixes()));
  for (const auto& [identity, mine] : built) {
    for (const auto& rules : mine.sets) {
      if (rules != nullptr) OnPrefixes(cidrs_.Leave(rules->prefixes()));
    }
  }
  for (const auto& [uid, local] : locals_) {
    if (built.contains(local.identity)) WantEndpoint(local);
  }
}

Pipeline::EndpointView Pipeline::View(const Id128& uid) const {
  EndpointView view;
  const auto it = locals_.find(uid);
  if (it == locals_.end()) return view;
  const Local& local = it->second;
  if (local.identity != 0) view.identity = local.identity;
  view.registered = registered_.contains(uid);
  view.resolved = local.identity != 0 && peers_.contains(local.identity);
  uint32_t* const rule_sets[2] = {&view.ingress_rule_set, &view.egress_rule_set};
  view.enforced = view.resolved;
  for (const uint32_t direction : {DIRECTION_INGRESS, DIRECTION_EGRESS}) {
    const endpoint_policy_key key = EndpointPolicyKey(local.spec.number, direction);
    const endpoint_policy_value* wanted = maps_.endpoint_policy.Desired(key);
    const std::optional<endpoint_policy_value> actual = maps_.endpoint_policy.Actual(key);
    if (actual.has_value()) {
      *rule_sets[direction] = actual->rule_set;
      view.audited |= (actual->flags & ENDPOINT_POLICY_AUDIT) != 0;
    }
    if (wanted == nullptr || !actual.has_value() || !SameBytes(*wanted, *actual)) view.enforced = false;
  }
  for (const std::string& ip : local.spec.ips) {
    const endpoint_key key = EndpointMapKey(options_.space, ip);
    const endpoint_value* wanted = maps_.endpoints.Desired(key);
    const std::optional<endpoint_value> actual = maps_.endpoints.Actual(key);
    if (wanted == nullptr || !actual.has_value() || !SameBytes(*wanted, *actual)) view.addressed = false;
  }
  view.enforced &= view.addressed;
  // A subject that waits to be built anew has not been judged by what is known now.
  if (dirty_subjects_.contains(local.identity)) view.enforced = false;
  return view;
}

}  // namespace trivium
