#include "controlplane/writer/request_memory.h"

#include <algorithm>

namespace trivium {

void RequestMemory::Learn(const Batch& batch, absl::Duration monotonic) {
  for (const v1::Change& change : batch.changes.changes()) {
    LearnId(change.request_id(), monotonic);
    for (const std::string& replaced : change.replaced_request_ids()) LearnId(replaced, monotonic);
  }
}

void RequestMemory::LearnId(const std::string& bytes, absl::Duration monotonic) {
  const absl::StatusOr<Id128> id = Id128::FromBytes(bytes);
  if (!id.ok() || id->IsZero() || !ids_.insert(*id).second) return;
  order_.emplace_back(*id, monotonic);
  while (order_.size() > kMaxIds || order_.front().second < monotonic - kKeep) {
    complete_since_ = std::max(complete_since_, order_.front().second);
    ids_.erase(order_.front().first);
    order_.pop_front();
  }
}

void RequestMemory::Remember(const Id128& request_id, std::string actor, std::string reply) {
  if (!answers_.try_emplace(request_id, std::move(actor), std::move(reply)).second) return;
  answer_order_.push_back(request_id);
  if (answer_order_.size() > kMaxAnswers) {
    answers_.erase(answer_order_.front());
    answer_order_.pop_front();
  }
}

std::optional<std::string> RequestMemory::Answer(const Id128& request_id, const std::string& actor) const {
  const auto it = answers_.find(request_id);
  if (it == answers_.end() || it->second.first != actor) return std::nullopt;
  return it->second.second;
}

}  // namespace trivium
