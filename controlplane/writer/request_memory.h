// Which requests have been committed, so that a repetition is answered and never done twice: ids as the log
// carries them (whoever wrote them), and the answers that this process gave. Bounded. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "base/id128.h"
#include "schema/codec.h"

namespace trivium {

class RequestMemory {
 public:
  // Callers repeat a request within this time; what was committed longer ago is found in SQL alone.
  static constexpr absl::Duration kHorizon = absl::Minutes(2);
  // What is older is forgotten; above that many, what is younger too, and then unknown ids are looked up in
  // SQL.
  static constexpr absl::Duration kKeep = absl::Minutes(3);
  static constexpr size_t kMaxIds = 4'000'000;
  static constexpr size_t kMaxAnswers = 16'384;

  // Ids learned from a batch of the log.
  void Learn(const Batch& batch, absl::Duration monotonic);
  // Every id committed since then (monotonic time, possibly before this process began) is known: says whoever
  // has read the log that far. A mirror that took a snapshot knows nothing of before: call it with the
  // present.
  void SetCompleteSince(absl::Duration monotonic) { complete_since_ = monotonic; }
  // Whether an id that is not known cannot have been committed within the horizon.
  bool Complete(absl::Duration monotonic) const { return monotonic - complete_since_ >= kHorizon; }
  bool Known(const Id128& request_id) const { return ids_.contains(request_id); }

  void Remember(const Id128& request_id, std::string actor, std::string reply);
  // The reply that this actor got, if it is still remembered.
  std::optional<std::string> Answer(const Id128& request_id, const std::string& actor) const;

 private:
  void LearnId(const std::string& bytes, absl::Duration monotonic);

  absl::flat_hash_set<Id128> ids_;
  std::deque<std::pair<Id128, absl::Duration>> order_;
  absl::Duration complete_since_ = absl::InfiniteDuration();
  absl::flat_hash_map<Id128, std::pair<std::string, std::string>> answers_;  // actor, reply
  std::deque<Id128> answer_order_;
};

}  // namespace trivium
