// Pipeline's part that says which policies do not stand in the maps, and why.
#include <map>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "nodeagent/desired/pipeline.h"

namespace trivium {
namespace {

// What is missing of one rule set, or of one map.
struct Missing {
  std::set<std::string> policies;  // that mean less than they should
  std::optional<MapId> map;
};

// The policies of which the two rule sets say different things.
std::set<std::string> Differing(const policy::RuleSet* wanted, const policy::RuleSet* in_force) {
  std::map<std::string, const policy::RuleSet::Part*> parts;
  if (in_force != nullptr) {
    for (const policy::RuleSet::Part& part : in_force->parts()) parts[part.policy] = &part;
  }
  std::set<std::string> differing;
  if (wanted != nullptr) {
    for (const policy::RuleSet::Part& part : wanted->parts()) {
      const auto it = parts.find(part.policy);
      const bool same = it != parts.end() && *it->second == part;
      if (it != parts.end()) parts.erase(it);
      if (!same) differing.insert(part.policy);
    }
  }
  for (const auto& [policy, part] : parts) differing.insert(policy);  // deleted, and still in force
  return differing;
}

}  // namespace

std::string Pipeline::ReasonOf(MapId map) const {
  const auto it = map_problems_.find(map);
  if (it != map_problems_.end()) return std::string(it->second.message());
  for (const auto& [other, status] : map_problems_) {
    if (!status.ok()) return std::string(status.message());
  }
  return absl::StrCat("map ", MapName(map), " is not up to date");
}

std::vector<Pipeline::NotEnforced> Pipeline::PoliciesNotEnforced() const {
  // By rule set: entries that its peers lack, and those of a rule set that is not in force.
  std::map<uint32_t, Missing> missing;
  absl::flat_hash_set<uint64_t> seen;  // classes of rule sets
  const auto note = [&](uint32_t rule_set, uint32_t class_id, MapId map) {
    if (!seen.insert(static_cast<uint64_t>(rule_set) << 32 | class_id).second) return;
    Missing& of = missing[rule_set];
    if (!of.map.has_value()) of.map = map;
    if (!reconciler_.InForce(rule_set)) return;
    for (std::string& policy : rule_sets_.PoliciesOfClass(rule_set, class_id)) {
      of.policies.insert(std::move(policy));
    }
  };
  for (const auto& [key, actual] : maps_.verdicts.stale()) {
    note(key.rule_set, key.class_id, MapId::kPolicyVerdict);
  }
  for (const auto& [key, actual] : maps_.classes.stale()) {
    note(key.rule_set, maps_.classes.Desired(key)->class_id, MapId::kPolicyClass);
  }
  std::map<std::string, NotEnforced> found;
  for (const auto& [uid, local] : locals_) {
    std::map<std::string, std::string> reasons;  // by policy, for this endpoint
    for (const uint32_t direction : {DIRECTION_INGRESS, DIRECTION_EGRESS}) {
      endpoint_policy_key key{};
      key.endpoint = local.spec.number;
      key.direction = direction;
      const endpoint_policy_value* wanted = maps_.endpoint_policy.Desired(key);
      if (wanted == nullptr) continue;
      const std::optional<endpoint_policy_value> actual = maps_.endpoint_policy.Actual(key);
      const auto lacks = missing.find(wanted->rule_set);
      std::set<std::string> policies;
      std::string reason;
      if (actual.has_value() && actual->rule_set == wanted->rule_set) {
        if (lacks == missing.end()) continue;
        policies = lacks->second.policies;
        reason = ReasonOf(*lacks->second.map);
      } else {
        policies = Differing(rule_sets_.Find(wanted->rule_set),
                             actual.has_value() ? rule_sets_.Find(actual->rule_set) : nullptr);
        const absl::Status refusal = reconciler_.RefusalOf(wanted->rule_set);
        if (!refusal.ok()) {
          reason = std::string(refusal.message());
        } else {
          reason = ReasonOf(lacks == missing.end() ? MapId::kEndpointPolicy : *lacks->second.map);
        }
      }
      for (const std::string& policy : policies) reasons.try_emplace(policy, reason);
    }
    for (const auto& [policy, reason] : reasons) {
      NotEnforced& entry = found[policy];
      if (entry.policy.empty()) entry = {policy, reason, 0};
      ++entry.endpoints;
    }
  }
  std::vector<NotEnforced> out;
  for (auto& [policy, entry] : found) out.push_back(std::move(entry));
  return out;
}

}  // namespace trivium
