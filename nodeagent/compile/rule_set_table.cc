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
    : maps_(maps), peers_(peers), fresh_(std::move(fresh)), selectors_(peers) {}

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

void RuleSetTable::Classify(uint32_t number, Live* live, uint32_t identity, const std::string& class_key) {
  ++counters_.classified;
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

void RuleSetTable::PeerChanged(uint32_t identity, const Peer* before) {
  constexpr uint32_t kNone = 0xffffffff;               // sorts behind every index
  std::vector<std::pair<uint32_t, uint32_t>> touched;  // rule set, index of a selector that matches now
  if (before != nullptr) {
    for (const SelectorCache::Selector selector : selectors_.Remove(identity, *before)) {
      for (const SelectorCache::User& user : selectors_.Users(selector)) {
        touched.emplace_back(user.rule_set, kNone);
      }
    }
  }
  const auto peer = peers_->find(identity);
  if (peer != peers_->end()) {
    for (const SelectorCache::Selector selector : selectors_.Add(identity, peer->second)) {
      for (const SelectorCache::User& user : selectors_.Users(selector)) {
        touched.emplace_back(user.rule_set, user.index);
      }
    }
  }
  const auto has_names = [](const Peer& each) {
    return each.object != nullptr && each.object->identity().named_ports_size() > 0;
  };
  if ((before != nullptr && has_names(*before)) || (peer != peers_->end() && has_names(peer->second))) {
    for (const uint32_t number : judging_everyone_) touched.emplace_back(number, kNone);
  }
  std::sort(touched.begin(), touched.end());
  std::vector<uint32_t> matched;
  for (size_t i = 0; i < touched.size();) {
    const uint32_t number = touched[i].first;
    matched.clear();
    for (; i < touched.size() && touched[i].first == number; ++i) {
      if (touched[i].second != kNone) matched.push_back(touched[i].second);
    }
    Live& live = live_.at(number);
    Classify(number, &live, identity,
             peer == peers_->end() ? "" : live.rules->ClassOf(peer->second.ref(), matched));
  }
}

void RuleSetTable::AcquireSelectors(uint32_t number, Live* live) {
  const std::vector<v1::Peer>& selectors = live->rules->selectors();
  for (uint32_t i = 0; i < selectors.size(); ++i) {
    live->selectors.push_back(selectors_.Acquire(selectors[i], live->rules->cluster(), {number, i}));
  }
}

void RuleSetTable::ReleaseSelectors(uint32_t number, const Live& live) {
  for (uint32_t i = 0; i < live.selectors.size(); ++i) selectors_.Release(live.selectors[i], {number, i});
}

void RuleSetTable::EachMember(const Live& live, const Member& visit) const {
  constexpr uint32_t kNone = 0xffffffff;
  std::vector<std::pair<uint32_t, uint32_t>> members;  // identity, index of a selector that matches it
  for (uint32_t i = 0; i < live.selectors.size(); ++i) {
    for (const uint32_t identity : selectors_.Members(live.selectors[i])) members.emplace_back(identity, i);
  }
  if (live.rules->judges_names_of_everyone()) {
    for (const uint32_t identity : selectors_.identities()) members.emplace_back(identity, kNone);
  }
  std::sort(members.begin(), members.end());
  std::vector<uint32_t> matched;
  for (size_t i = 0; i < members.size();) {
    const uint32_t identity = members[i].first;
    matched.clear();
    for (; i < members.size() && members[i].first == identity; ++i) {
      if (members[i].second != kNone) matched.push_back(members[i].second);
    }
    const auto peer = peers_->find(identity);
    if (peer != peers_->end()) visit(identity, peer->second, matched);
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
  installed_.push_back(installed.rules);
  if (installed.rules->judges_names_of_everyone()) policy::Insert(&judging_everyone_, number);
  WantVerdicts(number, installed, 0, "", true);
  EachMember(installed, [&](uint32_t identity, const Peer& peer, const std::vector<uint32_t>& matched) {
    Classify(number, &installed, identity, installed.rules->ClassOf(peer.ref(), matched));
  });
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
  AcquireSelectors(number, &live);
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

std::vector<std::string> RuleSetTable::PoliciesOfClass(uint32_t number, uint32_t class_id) const {
  const auto live = live_.find(number);
  if (live == live_.end()) return {};
  const auto wanted = live->second.classes.find(class_id);
  const bool is_class = wanted != live->second.classes.end();
  if (!is_class && class_id != 0) return {};
  return live->second.rules->PoliciesOf(is_class ? wanted->second.key : "");
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
  EachMember(live, [&](uint32_t identity, const Peer&, const std::vector<uint32_t>&) {
    maps_->classes.Remove(ClassKey(number, identity));
  });
  WantVerdicts(number, live, 0, "", false);
  for (const auto& [class_id, wanted] : live.classes) WantVerdicts(number, live, class_id, wanted.key, false);
  for (const uint32_t cookie : live.cookies) cookies_.Release(cookie);
  ReleaseSelectors(number, live);
  policy::Erase(&judging_everyone_, number);
  by_share_key_.erase(live.share_key);
  dropped_.push_back(live.rules);
  live_.erase(it);
  ++counters_.dropped;
}

bool RuleSetTable::Adopt(uint32_t number, std::shared_ptr<const policy::RuleSet> rules,
                         const RevisionOf& revision_of) {
  Live live = Make(std::move(rules));
  if (live_.contains(number) || by_share_key_.contains(live.share_key)) return false;
  AcquireSelectors(number, &live);
  if (Recognize(number, &live, revision_of)) return true;
  ReleaseSelectors(number, live);
  return false;
}

const RuleSetTable::Left& RuleSetTable::LeftOf(uint32_t number) {
  if (!left_.has_value()) {
    left_.emplace();
    for (const auto& [key, value] : maps_->verdicts.extra()) {
      (*left_)[key.rule_set].verdicts.emplace_back(key, value);
    }
    for (const auto& [key, value] : maps_->classes.extra()) {
      (*left_)[key.rule_set].classes.emplace_back(key.identity, value.class_id);
    }
  }
  return (*left_)[number];
}

bool RuleSetTable::Recognize(uint32_t number, Live* recognized, const RevisionOf& revision_of) {
  Live& live = *recognized;
  // What the kernel says: classes of identities, verdicts of classes.
  const Left& left = LeftOf(number);
  PodMap<policy_verdict_key, policy_verdict_value> verdicts;
  absl::flat_hash_map<uint32_t, size_t> verdicts_of;
  for (const auto& [key, value] : left.verdicts) {
    verdicts.emplace(key, value);
    ++verdicts_of[key.class_id];
    live.next_class = std::max(live.next_class, key.class_id + 1);
  }
  absl::flat_hash_map<uint32_t, uint32_t> classes;
  const auto is_known = [this](uint32_t identity) {
    known_key known{};
    known.identity = identity;
    return maps_->known.Actual(known).has_value();
  };
  for (const auto& [identity, class_id] : left.classes) {
    live.next_class = std::max(live.next_class, class_id + 1);
    if (peers_->contains(identity) && is_known(identity)) classes[identity] = class_id;
  }
  // Which of its classes is which of ours: as the identities say that packets are judged by. Who has none
  // there and none here agrees.
  absl::flat_hash_map<uint32_t, std::string> key_of{{0, ""}};
  absl::flat_hash_map<std::string, uint32_t> id_of{{"", 0}};
  bool same = true;
  const auto agree = [&](uint32_t class_id, const std::string& class_key) {
    const auto a = key_of.try_emplace(class_id, class_key).first;
    const auto b = id_of.try_emplace(class_key, class_id).first;
    same = same && a->second == class_key && b->second == class_id;
  };
  EachMember(live, [&](uint32_t identity, const Peer& peer, const std::vector<uint32_t>& matched) {
    if (!same || !is_known(identity)) return;
    const auto node = classes.extract(identity);
    agree(node.empty() ? 0 : node.mapped(), live.rules->ClassOf(peer.ref(), matched));
  });
  for (const auto& [identity, class_id] : classes) agree(class_id, "");
  if (!same) return false;
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
  left_->erase(number);
  ++counters_.adopted;
  return true;
}

}  // namespace trivium
