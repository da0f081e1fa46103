#include "controlplane/status/agent_table.h"

#include <spdlog/spdlog.h>

#include <tuple>
#include <utility>

#include "absl/strings/str_split.h"
#include "schema/subjects.h"

namespace trivium {

AgentTable::AgentTable(ClusterMirror* mirror, Store* store, Executor* executor, Clock* clock,
                       absl::Duration write_every)
    : mirror_(mirror), store_(store), executor_(executor), clock_(clock), write_every_(write_every) {
  mirror_->Observe([this, alive = alive_.Watch()](const Batch* batch) {
    if (!alive.expired() && batch != nullptr) Forget(*batch);
  });
}

absl::Status AgentTable::Start(Bus* bus) {
  return bus->Subscribe(subjects::EveryAgentStatus(mirror_->ref().name), "", executor_,
                        [this, alive = alive_.Watch()](const Message& message) {
                          if (!alive.expired()) OnReport(message);
                        });
}

void AgentTable::OnReport(const Message& message) {
  const std::vector<std::string> tokens = absl::StrSplit(message.subject, '.');
  v1::AgentStatus status;
  if (tokens.size() != 6 || tokens[3] != mirror_->ref().name || !status.ParseFromString(message.payload) ||
      status.node() != tokens[4] || status.cluster() != tokens[3]) {
    ++malformed_;
    spdlog::warn("a report that is malformed or in another's name subject={} says={}/{}", message.subject,
                 status.cluster(), status.node());
    return;
  }
  const std::string& node = tokens[4];
  const auto it = entries_.find(node);
  if (it == entries_.end()) {
    if (mirror_->mirror().Find(v1::KIND_NODE, node) == nullptr && entries_.size() >= kMaxStrangers) return;
  } else {
    const v1::AgentStatus& held = it->second.status;
    // An agent that restarts counts from the beginning again.
    if (std::make_tuple(status.start_ms(), status.sequence()) <=
        std::make_tuple(held.start_ms(), held.sequence())) {
      return;
    }
  }
  Entry& entry = entries_[node];
  entry.status = std::move(status);
  entry.seen_ms = absl::ToUnixMillis(clock_->Now());
  unwritten_.insert(node);
  WriteLater();
  for (const auto& observer : observers_) observer(entry.status);
}

const AgentTable::Entry* AgentTable::Find(const std::string& node) const {
  const auto it = entries_.find(node);
  return it == entries_.end() ? nullptr : &it->second;
}

void AgentTable::Forget(const Batch& batch) {
  for (const v1::Change& change : batch.changes.changes()) {
    if (change.op() != v1::Change::DELETE || change.kind() != v1::KIND_NODE) continue;
    entries_.erase(change.key());
    unwritten_.erase(change.key());
  }
}

void AgentTable::WriteLater() {
  if (std::exchange(write_planned_, true)) return;
  executor_->PostAfter(write_every_, [this, alive = alive_.Watch()] {
    if (!alive.expired()) Write();
  });
}

void AgentTable::Write() {
  std::vector<v1::AgentStatus> rows;
  for (const std::string& node : std::exchange(unwritten_, {})) {
    const auto it = entries_.find(node);
    if (it == entries_.end() || mirror_->mirror().Find(v1::KIND_NODE, node) == nullptr) continue;
    rows.push_back(it->second.status);
  }
  if (rows.empty()) {
    write_planned_ = false;
    return;
  }
  std::vector<std::string> nodes;
  for (const v1::AgentStatus& row : rows) nodes.push_back(row.node());
  store_->WriteAgents(mirror_->ref(), std::move(rows), executor_,
                      [this, alive = alive_.Watch(), nodes](const absl::Status& status) {
                        if (alive.expired()) return;
                        write_planned_ = false;
                        if (!status.ok()) {
                          spdlog::warn("cannot write agents' reports nodes={} error=\"{}\"", nodes.size(),
                                       std::string(status.message()));
                          for (const std::string& node : nodes) {
                            if (entries_.contains(node)) unwritten_.insert(node);
                          }
                        }
                        if (!unwritten_.empty()) WriteLater();
                      });
}

}  // namespace trivium
