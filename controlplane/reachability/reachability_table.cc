#include "controlplane/reachability/reachability_table.h"

#include <algorithm>

#include "controlplane/reachability/changes.h"
#include "policy/selector.h"

namespace trivium {
namespace {

constexpr v1::Rule::Direction kDirections[] = {v1::Rule::INGRESS, v1::Rule::EGRESS};
constexpr size_t kMatchesPerJudgement = 16;  // of policies' subjects, for what one peer costs

// Of a policy that selects it.
SelectionRow SelectionOf(const v1::Policy& policy, const v1::Identity& identity) {
  SelectionRow row{identity.id(), policy.kind(), policy.namespace_(), policy.name()};
  for (const v1::PolicyBlock& block : policy.blocks()) {
    if (!policy::Matches(block.subject(), identity)) continue;
    row.closes_ingress |= block.default_deny_ingress();
    row.closes_egress |= block.default_deny_egress();
  }
  return row;
}

}  // namespace

uint64_t ReachabilityTable::LeastRows(const ReachabilityWorld& world) {
  const auto own = std::count_if(world.peers.begin(), world.peers.end(),
                                 [](const auto& entry) { return entry.second.own; });
  return 2 * static_cast<uint64_t>(own) * world.peers.size();
}

void ReachabilityTable::Begin(ReachabilityWorld world, bool whole) {
  whole_ = whole;
  if (whole) {
    subjects_.clear();
    tables_.clear();
    world_ = ReachabilityWorld();
  }
  const ReachabilityChanges changes = ChangesBetween(world_, world);
  groups_ = policy::CidrGroups();
  for (const auto& [key, group] : world.groups) groups_.Set(*group);
  world_ = std::move(world);

  replaced_.clear();
  for (const uint32_t id : changes.gone_subjects) {
    const auto found = subjects_.find(id);
    if (found == subjects_.end()) continue;
    Release(found->second);
    subjects_.erase(found);
    replaced_.insert(id);
  }
  to_build_ = changes.subjects;
  next_build_ = 0;
  changed_peers_ = changes.peers;
  all_peers_.clear();
  for (const auto& [id, peer] : world_.peers) all_peers_.push_back(id);
  judging_.clear();
  next_judging_ = 0;
  planned_judging_ = false;
  kept_.clear();
  next_kept_ = 0;
  only_written_ = !whole;
}

void ReachabilityTable::Release(const Subject& subject) {
  for (VerdictTable* table : subject.tables) --table->users;
}

VerdictTable* ReachabilityTable::Hold(std::shared_ptr<const policy::RuleSet> rules) {
  std::unique_ptr<VerdictTable>& table = tables_[rules->key()];
  if (table == nullptr) table = std::make_unique<VerdictTable>(std::move(rules));
  ++table->users;
  return table.get();
}

void ReachabilityTable::Build(uint32_t id) {
  ++counters_.built;
  const v1::Identity& identity = *world_.peers.at(id).identity;
  Subject subject;
  std::vector<const v1::Policy*> selecting;
  for (const auto& [key, policy] : world_.policies) {
    if (!policy::Selects(*policy, identity)) continue;
    selecting.push_back(policy.get());
    subject.selections.push_back(SelectionOf(*policy, identity));
    subject.selections.back().identity = id;
  }
  for (size_t i = 0; i < subject.tables.size(); ++i) {
    subject.tables[i] = Hold(policy::RuleSet::Build(identity, kDirections[i], selecting, groups_));
  }
  const auto found = subjects_.find(id);
  const bool same = found != subjects_.end() && found->second.tables == subject.tables &&
                    found->second.selections == subject.selections;
  if (found != subjects_.end()) Release(found->second);
  if (!same) replaced_.insert(id);
  subjects_[id] = std::move(subject);
}

void ReachabilityTable::PlanJudging() {
  planned_judging_ = true;
  std::erase_if(tables_, [](const auto& entry) { return entry.second->users == 0; });
  for (const auto& [key, table] : tables_) {
    judging_.push_back(Judging{table.get(), table->judged ? &changed_peers_ : &all_peers_});
  }
}

bool ReachabilityTable::Step(size_t judgements) {
  for (size_t spent = 0; spent < judgements;) {
    if (next_build_ < to_build_.size()) {
      Build(to_build_[next_build_++]);
      spent += 2 + world_.policies.size() / kMatchesPerJudgement;
      continue;
    }
    if (!planned_judging_) PlanJudging();
    if (next_judging_ == judging_.size()) {
      PlanWrites();
      return true;
    }
    Judging& judging = judging_[next_judging_];
    if (judging.next == judging.peers->size()) {
      judging.table->judged = true;
      ++next_judging_;
      continue;
    }
    const uint32_t id = (*judging.peers)[judging.next++];
    const auto peer = world_.peers.find(id);
    if (peer == world_.peers.end()) {
      judging.table->Forget(id);
    } else {
      judging.table->Judge(id, *peer->second.identity);
      ++counters_.judged;
    }
    ++spent;
  }
  return false;
}

void ReachabilityTable::PlanWrites() {
  rows_ = 0;
  kept_.clear();
  for (const auto& [id, subject] : subjects_) {
    rows_ += subject.selections.size();
    for (const VerdictTable* table : subject.tables) rows_ += table->rows();
    if (!replaced_.contains(id) && !changed_peers_.empty()) kept_.push_back(id);
  }
}

void ReachabilityTable::AppendRowsAbout(uint32_t identity, const Subject& subject, uint32_t peer,
                                        std::vector<ReachabilityRow>* rows) const {
  const auto found = world_.peers.find(peer);
  if (found == world_.peers.end()) return;
  ReachabilityRow row;
  row.identity = identity;
  row.peer = peer;
  row.peer_home = found->second.home;
  row.peer_cluster_id = found->second.cluster_id;
  for (const VerdictTable* table : subject.tables) table->AppendRows(row, rows);
}

std::optional<ReachabilityWrite> ReachabilityTable::NextWrite(size_t rows) {
  ReachabilityWrite write;
  while (!replaced_.empty() && write.rows.size() + write.replaced.size() < rows) {
    const uint32_t id = *replaced_.begin();
    replaced_.erase(replaced_.begin());
    write.replaced.push_back(id);
    const auto subject = subjects_.find(id);
    if (subject == subjects_.end()) continue;
    for (const uint32_t peer : all_peers_) AppendRowsAbout(id, subject->second, peer, &write.rows);
    for (const VerdictTable* table : subject->second.tables) table->AppendPrefixRows(id, &write.rows);
    write.selections.insert(write.selections.end(), subject->second.selections.begin(),
                            subject->second.selections.end());
  }
  if (!write.replaced.empty()) return write;

  while (next_kept_ < kept_.size() && write.rows.size() + write.kept.size() < rows) {
    const uint32_t id = kept_[next_kept_++];
    write.kept.push_back(id);
    for (const uint32_t peer : changed_peers_) AppendRowsAbout(id, subjects_.at(id), peer, &write.rows);
  }
  if (!write.kept.empty()) {
    write.changed_peers = changed_peers_;
    return write;
  }

  if (std::exchange(only_written_, true)) return std::nullopt;
  write.only.emplace();
  for (const auto& [id, subject] : subjects_) write.only->push_back(id);
  return write;
}

}  // namespace trivium
