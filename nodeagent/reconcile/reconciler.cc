#include "nodeagent/reconcile/reconciler.h"

#include <algorithm>
#include <utility>

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

constexpr auto kAll = [](const auto&, const auto&) { return true; };

}  // namespace

Reconciler::Reconciler(Options options, KernelMaps* maps, RuleSetTable* rule_sets, const Peers* peers)
    : options_(options), maps_(maps), rule_sets_(rule_sets), peers_(peers) {}

void Reconciler::Adopted() { RefreshInForce(absl::ZeroDuration()); }

FlushReport Reconciler::Flush(MapIo* io, absl::Duration now) {
  MapWriter writer(io);
  FlushReport report;
  const bool closed = Close(&writer);
  WriteRuleSets(&writer);
  WriteCidrIdentities(&writer);
  SwapPolicies(&writer, closed);
  RefreshInForce(now);
  WriteRemote(&writer);
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
  // What failed now or in an earlier flush still leads to what is gone.
  return rekeyed_.empty() && maps_->ipcache.extra().empty() &&
         std::none_of(maps_->known.extra().begin(), maps_->known.extra().end(),
                      [](const auto& entry) { return !IsLocal(entry.first.identity); }) &&
         std::none_of(maps_->ipcache.stale().begin(), maps_->ipcache.stale().end(),
                      [&](const auto& entry) { return passes_on(entry.first, entry.second); });
}

void Reconciler::WriteRuleSets(MapWriter* writer) {
  writer->Upsert(MapId::kPolicyVerdict, &maps_->verdicts, kAll);
  // A class whose verdicts are not all there may allow what a missing longer prefix denies: nobody joins it.
  absl::flat_hash_set<uint64_t> unfinished;
  for (const auto& [key, actual] : maps_->verdicts.stale()) {
    unfinished.insert(ClassOfSet(key.rule_set, key.class_id));
  }
  writer->Upsert(MapId::kPolicyClass, &maps_->classes,
                 [&](const policy_class_key& key, const policy_class_value& value) {
                   return !unfinished.contains(ClassOfSet(key.rule_set, value.class_id)) &&
                          !rekeyed_.contains(key.identity);
                 });
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

void Reconciler::WriteCidrIdentities(MapWriter* writer) {
  const absl::flat_hash_set<uint32_t> unclassified = Unclassified();
  writer->Upsert(MapId::kKnown, &maps_->known, [&](const known_key& key, const auto&) {
    return IsLocal(key.identity) && !unclassified.contains(key.identity);
  });
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

void Reconciler::WriteRemote(MapWriter* writer) {
  // A rule set that another run of the agent left in force, and that this one could not replace yet, has no
  // entries for newcomers: they stay unknown.
  const bool foreign = std::any_of(in_force_.begin(), in_force_.end(),
                                   [&](uint32_t rule_set) { return !rule_sets_->IsLive(rule_set); });
  const absl::flat_hash_set<uint32_t> unclassified = Unclassified();
  writer->Upsert(MapId::kKnown, &maps_->known, [&](const known_key& key, const auto&) {
    return !unclassified.contains(key.identity) && (!foreign || key.identity <= IDENTITY_MAX_RESERVED);
  });
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
  for (const auto& [key, actual] : maps_->classes.stale()) behind.insert(ClusterOf(key.identity));
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
