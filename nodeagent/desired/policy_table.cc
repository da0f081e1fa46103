#include "nodeagent/desired/policy_table.h"

#include <set>
#include <utility>

namespace trivium {

void PolicyTable::Index(const std::string& key, Policy* policy) {
  for (const v1::PolicyBlock& block : policy->object->policy().blocks()) {
    subjects_.Add(next_block_, block.subject());
    key_of_block_[next_block_] = key;
    policy->blocks.push_back(next_block_++);
  }
}

void PolicyTable::Unindex(Policy* policy) {
  for (const uint32_t block : std::exchange(policy->blocks, {})) {
    subjects_.Remove(block);
    key_of_block_.erase(block);
  }
}

PolicyTable::ObjectPtr PolicyTable::Set(const std::string& key, ObjectPtr object, uint64_t revision) {
  Policy& policy = policies_[key];
  Unindex(&policy);
  ObjectPtr before = std::exchange(policy.object, std::move(object));
  policy.revision = revision;
  Index(key, &policy);
  return before;
}

PolicyTable::ObjectPtr PolicyTable::Remove(const std::string& key) {
  const auto it = policies_.find(key);
  if (it == policies_.end()) return nullptr;
  Unindex(&it->second);
  ObjectPtr before = std::move(it->second.object);
  policies_.erase(it);
  return before;
}

const PolicyTable::Policy* PolicyTable::Find(const std::string& key) const {
  const auto it = policies_.find(key);
  return it == policies_.end() ? nullptr : &it->second;
}

uint64_t PolicyTable::RevisionOf(const std::string& key) const {
  const Policy* policy = Find(key);
  return policy == nullptr ? 0 : policy->revision;
}

std::vector<std::string> PolicyTable::CandidatesFor(const v1::Identity& identity) const {
  std::set<std::string> keys;
  for (const uint32_t block : subjects_.Candidates(identity)) keys.insert(key_of_block_.at(block));
  return {keys.begin(), keys.end()};
}

uint8_t PolicyTable::DirectionsOf(const v1::Policy& policy) {
  uint8_t directions = 0;
  for (const v1::PolicyBlock& block : policy.blocks()) {
    if (block.default_deny_ingress()) directions |= kIngressBit;
    if (block.default_deny_egress()) directions |= kEgressBit;
    for (const v1::Rule& rule : block.rules()) {
      directions |= rule.direction() == v1::Rule::INGRESS ? kIngressBit : kEgressBit;
    }
  }
  return directions;
}

}  // namespace trivium
