#include "policy/cidr_groups.h"

#include <algorithm>

#include "policy/selector.h"

namespace trivium::policy {

void CidrGroups::Set(const v1::CidrGroup& group) {
  Remove(group.name());
  Held& held = by_name_[group.name()];
  held.group = group;
  const std::map<std::string, std::string> sorted(group.labels().begin(), group.labels().end());
  for (const auto& [key, value] : sorted) {
    v1::Label* label = held.labels.add_labels();
    label->set_key(key);
    label->set_value(value);
  }
  held.number = next_++;
  by_number_[held.number] = &held;
  labels_.Add(held.number, held.labels);
}

void CidrGroups::Remove(const std::string& name) {
  const auto it = by_name_.find(name);
  if (it == by_name_.end()) return;
  labels_.Remove(it->second.number, it->second.labels);
  by_number_.erase(it->second.number);
  by_name_.erase(it);
}

std::vector<const v1::CidrGroup*> CidrGroups::Of(const v1::CidrPeer& peer) const {
  std::vector<const v1::CidrGroup*> groups;
  if (!peer.has_group_selector()) {
    if (const auto it = by_name_.find(peer.group()); it != by_name_.end())
      groups.push_back(&it->second.group);
    return groups;
  }
  for (const uint32_t number : labels_.Candidates(peer.group_selector())) {
    const Held& held = *by_number_.at(number);
    if (Matches(peer.group_selector(), held.labels)) groups.push_back(&held.group);
  }
  std::sort(groups.begin(), groups.end(),
            [](const v1::CidrGroup* a, const v1::CidrGroup* b) { return a->name() < b->name(); });
  return groups;
}

}  // namespace trivium::policy
