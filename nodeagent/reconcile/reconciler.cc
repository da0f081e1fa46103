#include "nodeagent/reconcile/reconciler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nodeagent/compile/keys.h"

namespace trivium {
namespace {

bool IsLocal(uint32_t identity) { return identity >= IDENTITY_FIRST_LOCAL; }

known_key KnownKey(uint32_t identity) {
  known_key key{};
  key.identity = identity;
  return key;
}

// A class of a rule set.
uint64_t ClassOfSet(uint32_t rule_set, uint32_t class_id) {
  return static_cast<uint64_t>(rule_set) << 32 | class_id;
}

// Records that a map still has room for.
size_t RoomIn(const MapIo& io, MapId map, size_t held) {
  const size_t capacity = io.Info(map).capacity;
  return capacity - std::min(capacity, held);
}

// Counts down the room that a map has beside what is kept for others: at most `kept`, and a sixteenth.
class Room {
 public:
  Room(const MapIo& io, MapId map, size_t held, size_t kept = ~size_t{0})
      : map_(map), capacity_(io.Info(map).capacity), kept_(std::min(kept, capacity_ / 16)) {
    const size_t room = RoomIn(io, map, held);
    left_ = room - std::min(room, kept_);
  }
  // For one more record; false: there is none left.
  bool Take() {
    if (left_ > 0) {
      --left_;
      return true;
    }
    ++refused_;
    return false;
  }
  void Report(MapWriter* writer) const {
    if (refused_ == 0) return;
    writer->Refuse(map_, refused_,
                   absl::ResourceExhaustedError(absl::StrCat(
                       "map ", MapName(map_), " is full, but for ", kept_, " of its ", capacity_,
                       " records, which are kept for reserved identities and for new rule sets")));
  }

 private:
  const MapId map_;
  const size_t capacity_;
  const size_t kept_;
  size_t left_ = 0;
  size_t refused_ = 0;
};

constexpr auto kAll = [](const auto&, const auto&) { return true; };

}  // namespace

Reconciler::Reconciler(Options options, KernelMaps* maps, RuleSetTable* rule_sets, const Peers* peers)
    : options_(options), maps_(maps), rule_sets_(rule_sets), peers_(peers) {}

void Reconciler::Adopted() { RefreshInForce(absl::ZeroDuration()); }

FlushReport Reconciler::Flush(MapIo* io, absl::Duration now) {
  MapWriter writer(io);
  FlushReport report;
  const bool closed = Close(&writer);
  Admit(*io, &writer);
  WriteRuleSets(*io, &writer);
  WriteCidrIdentities(*io, &writer);
  SwapPolicies(&writer, closed);
  RefreshInForce(now);
  WriteRemote(*io, &writer);
  RemoveUnused(&writer, now, &report);
  report.problems = writer.problems();
  report.updates = writer.updates();
  report.deletes = writer.deletes();
  FindBehind(&report);
  return report;
}

bool Reconciler::Close(MapWriter* writer) {
  // An identity that is gone, or whose number means something else now.
  std::vector<known_key> unknown;
  for (const auto& [key, value] : maps_->known.extra()) {
    if (!IsLocal(key.identity)) unknown.push_back(key);
  }
  auto still_known = [&](uint32_t identity) { return maps_->known.Actual(KnownKey(identity)).has_value(); };
  for (const uint32_t identity : rekeyed_) {
    if (still_known(identity)) unknown.push_back(KnownKey(identity));
  }
  writer->Erase(MapId::kKnown, &maps_->known, std::move(unknown));
  absl::erase_if(rekeyed_, [&](uint32_t identity) { return !still_known(identity); });
  writer->Delete(MapId::kUnderlay, &maps_->underlay, kAll);
  writer->Delete(MapId::kEndpointPolicy, &maps_->endpoint_policy, kAll);
  writer->Delete(MapId::kEndpoints, &maps_->endpoints, kAll);
  writer->Upsert(MapId::kIpcacheLpm, &maps_->lpm,
                 [](const auto&, const ipcache_value& value) { return value.flags & IPCACHE_UNKNOWN; });
  writer->Delete(MapId::kIpcache, &maps_->ipcache, kAll);
  if (maps_->endpoint_policy.stale().empty()) return true;
  // Addresses that pass from one identity to another in the same step in which policies change lead nowhere
  // meanwhile: else the old identity would be judged by the new policy, which neither state does.
  auto passes_on = [&](const ipcache_key& key, const std::optional<ipcache_value>& actual) {
    return actual.has_value() && actual->identity != maps_->ipcache.Desired(key)->identity &&
           (actual->flags & IPCACHE_UNKNOWN) == 0;
  };
  std::vector<std::pair<ipcache_key, ipcache_value>> nowhere;
  for (const auto& [key, actual] : maps_->ipcache.stale()) {
    if (!passes_on(key, actual)) continue;
    ipcache_value value{};
    value.flags = IPCACHE_UNKNOWN;
    nowhere.emplace_back(key, value);
  }
  writer->Write(MapId::kIpcache, &maps_->ipcache, std::move(nowhere));
  // What failed now or in an earlier flush still leads to what is gone, or takes a pod that nobody has told
  // of for the world.
  return rekeyed_.empty() && maps_->ipcache.extra().empty() &&
         std::none_of(maps_->lpm.stale().begin(), maps_->lpm.stale().end(),
                      [&](const auto& entry) {
                        return (maps_->lpm.Desired(entry.first)->flags & IPCACHE_UNKNOWN) != 0;
                      }) &&
         std::none_of(maps_->known.extra().begin(), maps_->known.extra().end(),
                      [](const auto& entry) { return !IsLocal(entry.first.identity); }) &&
         std::none_of(maps_->ipcache.stale().begin(), maps_->ipcache.stale().end(),
                      [&](const auto& entry) { return passes_on(entry.first, entry.second); });
}

void Reconciler::Admit(const MapIo& io, MapWriter* writer) {
  refused_.clear();
  struct Need {
    size_t verdicts = 0, classes = 0;
  };
  std::map<uint32_t, Need> needs;  // older ones first
  for (const auto& [key, actual] : maps_->verdicts.stale()) {
    if (!actual.has_value() && !in_force_.contains(key.rule_set)) ++needs[key.rule_set].verdicts;
  }
  for (const auto& [key, actual] : maps_->classes.stale()) {
    if (!actual.has_value() && !in_force_.contains(key.rule_set)) ++needs[key.rule_set].classes;
  }
  if (needs.empty()) return;
  size_t verdicts = RoomIn(io, MapId::kPolicyVerdict, maps_->verdicts.actual_size());
  size_t classes = RoomIn(io, MapId::kPolicyClass, maps_->classes.actual_size());
  for (const auto& [rule_set, need] : needs) {
    auto refuse = [&, number = rule_set](MapId map, size_t wanted, size_t room) {
      refused_[number] = absl::ResourceExhaustedError(
          absl::StrCat("map ", MapName(map), " is full: a rule set needs ", wanted, " more records, ", room,
                       " of ", io.Info(map).capacity, " are free"));
      writer->Refuse(map, wanted, refused_[number]);
    };
    if (need.verdicts > verdicts) {
      refuse(MapId::kPolicyVerdict, need.verdicts, verdicts);
    } else if (need.classes > classes) {
      refuse(MapId::kPolicyClass, need.classes, classes);
    } else {
      verdicts -= need.verdicts;
      classes -= need.classes;
    }
  }
}

absl::Status Reconciler::RefusalOf(uint32_t rule_set) const {
  const auto it = refused_.find(rule_set);
  return it == refused_.end() ? absl::OkStatus() : it->second;
}

void Reconciler::WriteRuleSets(const MapIo& io, MapWriter* writer) {
  if (maps_->verdicts.stale().empty() && maps_->classes.stale().empty()) return DeleteClasses(writer);
  Room verdicts(io, MapId::kPolicyVerdict, maps_->verdicts.actual_size());
  // What a rule set in force still lacks came with a new identity.
  auto fits = [this](Room* room, uint32_t rule_set, bool grows) {
    if (refused_.contains(rule_set)) return false;
    return !grows || !in_force_.contains(rule_set) || room->Take();
  };
  writer->Upsert(MapId::kPolicyVerdict, &maps_->verdicts, [&](const policy_verdict_key& key, const auto&) {
    return fits(&verdicts, key.rule_set, !maps_->verdicts.stale().at(key).has_value());
  });
  verdicts.Report(writer);
  // A class whose verdicts are not all there may allow what a missing longer prefix denies: nobody joins it.
  absl::flat_hash_set<uint64_t> unfinished;
  for (const auto& [key, actual] : maps_->verdicts.stale()) {
    unfinished.insert(ClassOfSet(key.rule_set, key.class_id));
  }
  Room classes(io, MapId::kPolicyClass, maps_->classes.actual_size());
  writer->Upsert(MapId::kPolicyClass, &maps_->classes,
                 [&](const policy_class_key& key, const policy_class_value& value) {
                   if (unfinished.contains(ClassOfSet(key.rule_set, value.class_id)) ||
                       rekeyed_.contains(key.identity)) {
                     return false;
                   }
                   const bool is_new = !maps_->classes.stale().at(key).has_value();
                   return fits(&classes, key.rule_set, is_new && key.identity > IDENTITY_MAX_RESERVED);
                 });
  classes.Report(writer);
  DeleteClasses(writer);
}

// Classes of identities that no packet can be judged as any more.
void Reconciler::DeleteClasses(MapWriter* writer) {
  writer->Delete(MapId::kPolicyClass, &maps_->classes, [&](const policy_class_key& key, const auto&) {
    return rule_sets_->IsLive(key.rule_set) && !maps_->known.Actual(KnownKey(key.identity)).has_value();
  });
}

absl::flat_hash_set<uint32_t> Reconciler::Unclassified() const {
  absl::flat_hash_set<uint32_t> identities;
  for (const auto& [key, actual] : maps_->classes.stale()) {
    if (in_force_.contains(key.rule_set)) identities.insert(key.identity);
  }
  for (const auto& [key, actual] : maps_->classes.extra()) {
    if (rule_sets_->IsLive(key.rule_set)) identities.insert(key.identity);
  }
  return identities;
}

void Reconciler::WriteCidrIdentities(const MapIo& io, MapWriter* writer) {
  const absl::flat_hash_set<uint32_t> unclassified = Unclassified();
  // Reserved identities before all others: there is always room for them.
  writer->Upsert(MapId::kKnown, &maps_->known, [&](const known_key& key, const auto&) {
    return key.identity <= IDENTITY_MAX_RESERVED && !unclassified.contains(key.identity);
  });
  Room room(io, MapId::kKnown, maps_->known.actual_size(), IDENTITY_MAX_RESERVED);
  writer->Upsert(MapId::kKnown, &maps_->known, [&](const known_key& key, const auto&) {
    if (!IsLocal(key.identity) || unclassified.contains(key.identity)) return false;
    return maps_->known.stale().at(key).has_value() || room.Take();
  });
  room.Report(writer);
  writer->Upsert(MapId::kIpcacheLpm, &maps_->lpm, [&](const auto&, const ipcache_value& value) {
    return maps_->known.Actual(KnownKey(value.identity)).has_value();
  });
}

void Reconciler::SwapPolicies(MapWriter* writer, bool closed) {
  writer->Upsert(MapId::kEndpoints, &maps_->endpoints, kAll);
  if (!closed) return;
  // A rule set takes force only when it stands whole, the prefixes that it tells apart included.
  absl::flat_hash_set<uint32_t> unfinished;
  for (const auto& [key, actual] : maps_->verdicts.stale()) unfinished.insert(key.rule_set);
  for (const auto& [key, actual] : maps_->classes.stale()) unfinished.insert(key.rule_set);
  for (const auto& [key, actual] : maps_->classes.extra()) {
    if (rule_sets_->IsLive(key.rule_set)) unfinished.insert(key.rule_set);
  }
  PodSet<ipcache_lpm_key> missing;
  for (const auto& [key, actual] : maps_->lpm.stale()) missing.insert(key);
  auto whole = [&](uint32_t rule_set) {
    if (unfinished.contains(rule_set)) return false;
    if (missing.empty()) return true;
    const policy::RuleSet* rules = rule_sets_->Find(rule_set);
    if (rules == nullptr) return true;
    return std::none_of(rules->prefixes().begin(), rules->prefixes().end(), [&](const v1::Cidr& prefix) {
      return missing.contains(IpcacheLpmKey(options_.space, prefix));
    });
  };
  writer->Upsert(MapId::kEndpointPolicy, &maps_->endpoint_policy,
                 [&](const auto&, const endpoint_policy_value& value) { return whole(value.rule_set); });
}

void Reconciler::RefreshInForce(absl::Duration now) {
  absl::flat_hash_set<uint32_t> fresh;
  auto add = [&](const endpoint_policy_value& value) { fresh.insert(value.rule_set); };
  for (const auto& [key, value] : maps_->endpoint_policy.desired()) {
    if (!maps_->endpoint_policy.stale().contains(key)) add(value);
  }
  for (const auto& [key, actual] : maps_->endpoint_policy.stale()) {
    if (actual.has_value()) add(*actual);
  }
  for (const auto& [key, value] : maps_->endpoint_policy.extra()) add(value);
  for (const uint32_t rule_set : in_force_) {
    if (!fresh.contains(rule_set)) left_[rule_set] = now;
  }
  for (const uint32_t rule_set : fresh) left_.erase(rule_set);
  in_force_ = std::move(fresh);
}

bool Reconciler::NothingForeign() const {
  return std::all_of(in_force_.begin(), in_force_.end(),
                     [&](uint32_t rule_set) { return rule_sets_->IsLive(rule_set); });
}

void Reconciler::WriteRemote(const MapIo& io, MapWriter* writer) {
  // A rule set that another run of the agent left in force, and that this one could not replace yet, has no
  // entries for newcomers: they stay unknown.
  const bool foreign = !NothingForeign();
  const absl::flat_hash_set<uint32_t> unclassified = Unclassified();
  Room room(io, MapId::kKnown, maps_->known.actual_size());
  writer->Upsert(MapId::kKnown, &maps_->known, [&](const known_key& key, const auto&) {
    if (unclassified.contains(key.identity)) return false;
    if (key.identity <= IDENTITY_MAX_RESERVED) return true;
    return !foreign && (maps_->known.stale().at(key).has_value() || room.Take());
  });
  room.Report(writer);
  writer->Upsert(MapId::kNodes, &maps_->nodes, kAll);
  writer->Upsert(MapId::kUnderlay, &maps_->underlay, kAll);
  writer->Upsert(MapId::kIpcache, &maps_->ipcache, kAll);
}

bool Reconciler::GracePassed(uint32_t rule_set, absl::Duration now) const {
  const auto it = left_.find(rule_set);
  return it == left_.end() || now - it->second >= options_.grace;
}

void Reconciler::RemoveUnused(MapWriter* writer, absl::Duration now, FlushReport* report) {
  for (const uint32_t rule_set : rule_sets_->Unused()) {
    if (!in_force_.contains(rule_set) && GracePassed(rule_set, now)) rule_sets_->Drop(rule_set);
  }
  auto gone = [&](uint32_t rule_set) {
    return !rule_sets_->IsLive(rule_set) && !in_force_.contains(rule_set) && GracePassed(rule_set, now);
  };
  writer->Delete(MapId::kPolicyClass, &maps_->classes,
                 [&](const policy_class_key& key, const auto&) { return gone(key.rule_set); });
  // First the prefix, then its identity, then the identity's classes.
  writer->Delete(MapId::kIpcacheLpm, &maps_->lpm, kAll);
  absl::flat_hash_set<uint32_t> led_to;
  for (const auto& [key, value] : maps_->lpm.extra()) led_to.insert(value.identity);
  for (const auto& [key, actual] : maps_->lpm.stale()) {
    if (actual.has_value()) led_to.insert(actual->identity);
  }
  writer->Delete(MapId::kKnown, &maps_->known,
                 [&](const known_key& key, const auto&) { return !led_to.contains(key.identity); });
  DeleteClasses(writer);
  absl::flat_hash_set<uint64_t> joined;
  for (const auto& [key, value] : maps_->classes.extra()) {
    joined.insert(ClassOfSet(key.rule_set, value.class_id));
  }
  for (const auto& [key, actual] : maps_->classes.stale()) {
    if (actual.has_value()) joined.insert(ClassOfSet(key.rule_set, actual->class_id));
  }
  writer->Delete(MapId::kPolicyVerdict, &maps_->verdicts, [&](const policy_verdict_key& key, const auto&) {
    return (rule_sets_->IsLive(key.rule_set) || gone(key.rule_set)) &&
           !joined.contains(ClassOfSet(key.rule_set, key.class_id));
  });
  writer->Delete(MapId::kNodes, &maps_->nodes, kAll);

  for (auto it = left_.begin(); it != left_.end();) {
    if (now - it->second >= options_.grace) {
      left_.erase(it++);
      continue;
    }
    const absl::Duration deadline = it->second + options_.grace;
    report->next_deadline = std::min(report->next_deadline.value_or(deadline), deadline);
    ++it;
  }
}

uint32_t Reconciler::ClusterOf(uint32_t identity) const {
  const auto it = peers_->find(identity);
  return it == peers_->end() || it->second.cluster == 0 ? options_.own_cluster : it->second.cluster;
}

void Reconciler::FindBehind(FlushReport* report) const {
  absl::flat_hash_set<uint32_t>& behind = report->behind;
  const uint32_t own = options_.own_cluster;
  auto or_own = [own](uint32_t cluster) { return cluster == 0 ? own : cluster; };
  for (const auto& [key, actual] : maps_->ipcache.stale()) {
    behind.insert(or_own(maps_->ipcache.Desired(key)->cluster));
  }
  for (const auto& [key, value] : maps_->ipcache.extra()) behind.insert(or_own(value.cluster));
  for (const auto& [key, actual] : maps_->lpm.stale()) {
    behind.insert(maps_->lpm.Desired(key)->flags & IPCACHE_UNKNOWN ? 0 : own);
  }
  for (const auto& [key, value] : maps_->lpm.extra()) behind.insert(value.flags & IPCACHE_UNKNOWN ? 0 : own);
  for (const auto& [key, actual] : maps_->nodes.stale()) behind.insert(key.cluster);
  for (const auto& [key, value] : maps_->nodes.extra()) behind.insert(key.cluster);
  for (const auto& [key, actual] : maps_->underlay.stale()) {
    behind.insert(maps_->underlay.Desired(key)->cluster);
  }
  for (const auto& [key, value] : maps_->underlay.extra()) behind.insert(value.cluster);
  for (const auto& [key, actual] : maps_->known.stale()) behind.insert(ClusterOf(key.identity));
  for (const auto& [key, value] : maps_->known.extra()) behind.insert(or_own(value.cluster));
  // What a rule set lacks that is not in force yet keeps back its own policies, and nobody's identity.
  for (const auto& [key, actual] : maps_->classes.stale()) {
    behind.insert(in_force_.contains(key.rule_set) ? ClusterOf(key.identity) : own);
  }
  for (const auto& [key, value] : maps_->classes.extra()) {
    if (rule_sets_->IsLive(key.rule_set)) behind.insert(ClusterOf(key.identity));
  }
  if (!maps_->verdicts.stale().empty() || !maps_->endpoint_policy.InStep() || !maps_->endpoints.InStep()) {
    behind.insert(own);
  }
  for (const auto& [key, value] : maps_->verdicts.extra()) {
    if (rule_sets_->IsLive(key.rule_set)) behind.insert(own);
  }
  report->complete = behind.empty();
}

FlushReport Reconciler::FlushClosed(MapIo* io, const absl::flat_hash_set<uint32_t>& removed_endpoints) {
  MapWriter writer(io);
  FlushReport report;
  writer.Delete(
      MapId::kEndpointPolicy, &maps_->endpoint_policy,
      [&](const endpoint_policy_key& key, const auto&) { return removed_endpoints.contains(key.endpoint); });
  writer.Delete(MapId::kEndpoints, &maps_->endpoints, [&](const auto&, const endpoint_value& value) {
    return removed_endpoints.contains(value.endpoint);
  });
  std::vector<std::pair<endpoint_key, endpoint_value>> closed;
  for (const auto& [key, actual] : maps_->endpoints.stale()) {
    if (actual.has_value() || maps_->endpoints.HasFailed(key)) continue;
    endpoint_value value = *maps_->endpoints.Desired(key);
    value.identity = IDENTITY_INIT;
    closed.emplace_back(key, value);
  }
  writer.Write(MapId::kEndpoints, &maps_->endpoints, std::move(closed));
  RefreshInForce(absl::ZeroDuration());
  left_.clear();
  report.complete = false;
  report.problems = writer.problems();
  report.updates = writer.updates();
  report.deletes = writer.deletes();
  return report;
}

}  // namespace trivium
