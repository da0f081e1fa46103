#include "nodeagent/compile/rule_set_table.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nodeagent/compile/keys.h"

namespace trivium {
namespace {

policy_class_key ClassKey(uint32_t rule_set, uint32_t identity) {
  policy_class_key key{};
  key.rule_set = rule_set;
  key.identity = identity;
  return key;
}

}  // namespace

RuleSetTable::RuleSetTable(KernelMaps* maps, const Peers* peers, Fresh fresh)
    : maps_(maps), peers_(peers), fresh_(std::move(fresh)) {}

std::string RuleSetTable::ShareKey(const policy::RuleSet& rules) {
  return absl::StrCat(rules.direction(), "/", rules.key());
}

policy_verdict_value RuleSetTable::VerdictValue(const Live& live, const policy::VerdictEntry& entry) const {
  policy_verdict_value value{};
  value.action = entry.verdict == policy::Verdict::kAllow ? POLICY_ALLOW : POLICY_DENY;
  value.cookie = entry.rule < live.cookies.size() ? live.cookies[entry.rule] : 0;
  return value;
}

void RuleSetTable::WantVerdicts(uint32_t number, const Live& live, uint32_t class_id,
                                const std::string& class_key, bool want) {
  ++counters_.flattened;
  for (const policy::VerdictEntry& entry : live.rules->Flatten(class_key)) {
    const policy_verdict_key key = VerdictKey(number, class_id, entry);
    if (want) {
      maps_->verdicts.Set(key, VerdictValue(live, entry));
    } else {
      maps_->verdicts.Remove(key);
    }
  }
}

void RuleSetTable::AddPeer(uint32_t number, Live* live, uint32_t identity, const Peer& peer) {
  ++counters_.classified;
  const std::string class_key = live->rules->ClassOf(peer.ref());
  const policy_class_key key = ClassKey(number, identity);
  const policy_class_value* before = maps_->classes.Desired(key);
  const uint32_t left = before == nullptr ? 0 : before->class_id;
  if (class_key.empty()) {
    maps_->classes.Remove(key);
  } else {
    auto [id, inserted] = live->class_ids.try_emplace(class_key, live->next_class);
    if (inserted) ++live->next_class;
    Class& wanted = live->classes[id->second];
    if (wanted.key.empty()) {
      wanted.key = class_key;
      WantVerdicts(number, *live, id->second, class_key, true);
    }
    ++wanted.peers;
    policy_class_value value{};
    value.class_id = id->second;
    maps_->classes.Set(key, value);
  }
  if (left != 0) LeaveClass(number, live, left);
}

void RuleSetTable::LeaveClass(uint32_t number, Live* live, uint32_t class_id) {
  const auto it = live->classes.find(class_id);
  if (it == live->classes.end() || --it->second.peers > 0) return;
  // A class that comes back gets a new number: the old one's verdicts may still be on their way out.
  WantVerdicts(number, *live, class_id, it->second.key, false);
  live->class_ids.erase(it->second.key);
  live->classes.erase(it);
}

void RuleSetTable::PeerChanged(uint32_t identity) {
  const auto peer = peers_->find(identity);
  if (peer == peers_->end()) return;
  for (auto& [number, live] : live_) AddPeer(number, &live, identity, peer->second);
}

void RuleSetTable::PeerRemoved(uint32_t identity) {
  for (auto& [number, live] : live_) {
    const policy_class_key key = ClassKey(number, identity);
    const policy_class_value* before = maps_->classes.Desired(key);
    if (before == nullptr) continue;
    const uint32_t left = before->class_id;
    maps_->classes.Remove(key);
    LeaveClass(number, &live, left);
  }
}

RuleSetTable::Live RuleSetTable::Make(std::shared_ptr<const policy::RuleSet> rules) {
  Live live;
  live.share_key = ShareKey(*rules);
  live.rules = std::move(rules);
  return live;
}

void RuleSetTable::Install(uint32_t number, Live live) {
  by_share_key_[live.share_key] = number;
  Live& installed = live_[number] = std::move(live);
  WantVerdicts(number, installed, 0, "", true);
  for (const auto& [identity, peer] : *peers_) AddPeer(number, &installed, identity, peer);
}

uint32_t RuleSetTable::Acquire(std::shared_ptr<const policy::RuleSet> rules, const RevisionOf& revision_of) {
  if (const auto it = by_share_key_.find(ShareKey(*rules)); it != by_share_key_.end()) {
    ++live_[it->second].users;
    return it->second;
  }
  Live live = Make(std::move(rules));
  for (const policy::RuleRef& rule : live.rules->rules()) {
    live.cookies.push_back(
        cookies_.Acquire({rule.policy, rule.origin, revision_of(rule.policy)}, fresh_.cookie));
  }
  live.users = 1;
  const uint32_t number = fresh_.rule_set();
  Install(number, std::move(live));
  ++counters_.created;
  return number;
}

void RuleSetTable::Release(uint32_t number) {
  const auto it = live_.find(number);
  if (it != live_.end() && it->second.users > 0) --it->second.users;
}

const policy::RuleSet* RuleSetTable::Find(uint32_t number) const {
  const auto it = live_.find(number);
  return it == live_.end() ? nullptr : it->second.rules.get();
}

std::vector<v1::Cidr> RuleSetTable::Prefixes() const {
  std::vector<v1::Cidr> prefixes;
  for (const auto& [number, live] : live_) {
    prefixes.insert(prefixes.end(), live.rules->prefixes().begin(), live.rules->prefixes().end());
  }
  return prefixes;
}

std::vector<uint32_t> RuleSetTable::Unused() const {
  std::vector<uint32_t> unused;
  for (const auto& [number, live] : live_) {
    if (live.users == 0) unused.push_back(number);
  }
  std::sort(unused.begin(), unused.end());
  return unused;
}

void RuleSetTable::Drop(uint32_t number) {
  const auto it = live_.find(number);
  if (it == live_.end() || it->second.users > 0) return;
  const Live& live = it->second;
  for (const auto& [identity, peer] : *peers_) maps_->classes.Remove(ClassKey(number, identity));
  WantVerdicts(number, live, 0, "", false);
  for (const auto& [class_id, wanted] : live.classes) WantVerdicts(number, live, class_id, wanted.key, false);
  for (const uint32_t cookie : live.cookies) cookies_.Release(cookie);
  by_share_key_.erase(live.share_key);
  live_.erase(it);
  ++counters_.dropped;
}

bool RuleSetTable::Adopt(uint32_t number, std::shared_ptr<const policy::RuleSet> rules,
                         const RevisionOf& revision_of) {
  Live live = Make(std::move(rules));
  if (live_.contains(number) || by_share_key_.contains(live.share_key)) return false;
  // What the kernel says: classes of identities, verdicts of classes.
  PodMap<policy_verdict_key, policy_verdict_value> verdicts;
  absl::flat_hash_map<uint32_t, size_t> verdicts_of;
  for (const auto& [key, value] : maps_->verdicts.extra()) {
    if (key.rule_set != number) continue;
    verdicts.emplace(key, value);
    ++verdicts_of[key.class_id];
    live.next_class = std::max(live.next_class, key.class_id + 1);
  }
  for (const auto& [key, value] : maps_->classes.extra()) {
    if (key.rule_set == number) live.next_class = std::max(live.next_class, value.class_id + 1);
  }
  // Which of its classes is which of ours: as the identities say that packets are judged by.
  absl::flat_hash_map<uint32_t, std::string> key_of{{0, ""}};
  absl::flat_hash_map<std::string, uint32_t> id_of{{"", 0}};
  for (const auto& [identity, peer] : *peers_) {
    known_key known{};
    known.identity = identity;
    if (!maps_->known.Actual(known).has_value()) continue;
    const std::optional<policy_class_value> actual = maps_->classes.Actual(ClassKey(number, identity));
    const uint32_t class_id = actual.has_value() ? actual->class_id : 0;
    const std::string class_key = live.rules->ClassOf(peer.ref());
    const auto a = key_of.try_emplace(class_id, class_key).first;
    const auto b = id_of.try_emplace(class_key, class_id).first;
    if (a->second != class_key || b->second != class_id) return false;
  }
  std::vector<std::optional<uint32_t>> cookies(live.rules->rules().size());
  for (const auto& [class_key, class_id] : id_of) {
    const std::vector<policy::VerdictEntry> entries = live.rules->Flatten(class_key);
    if (entries.size() != verdicts_of[class_id]) return false;
    for (const policy::VerdictEntry& entry : entries) {
      const auto actual = verdicts.find(VerdictKey(number, class_id, entry));
      if (actual == verdicts.end() || actual->second.action != VerdictValue(live, entry).action) return false;
      if (entry.rule < cookies.size()) cookies[entry.rule] = actual->second.cookie;
    }
  }
  for (size_t i = 0; i < cookies.size(); ++i) {
    const policy::RuleRef& rule = live.rules->rules()[i];
    const Cookies::Origin origin{rule.policy, rule.origin, revision_of(rule.policy)};
    const Cookies::Origin* taken = cookies[i].has_value() ? cookies_.Find(*cookies[i]) : nullptr;
    const bool usable = cookies[i].value_or(0) != 0 && (taken == nullptr || *taken == origin);
    live.cookies.push_back(cookies_.Acquire(origin, [&] { return usable ? *cookies[i] : fresh_.cookie(); }));
  }
  live.class_ids = std::move(id_of);
  live.class_ids.erase("");
  Install(number, std::move(live));
  // A class that no peer has any more is not ours.
  Live& installed = live_[number];
  absl::erase_if(installed.class_ids,
                 [&](const auto& entry) { return !installed.classes.contains(entry.second); });
  ++counters_.adopted;
  return true;
}

}  // namespace trivium
