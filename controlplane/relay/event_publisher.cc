#include "controlplane/relay/event_publisher.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace trivium {

EventPublisher::EventPublisher(EventStream* stream, Options options, Place place, Owner owner)
    : stream_(stream),
      options_(options),
      place_(std::move(place)),
      owner_(std::move(owner)),
      fence_(place_.fence),
      marker_(place_.marker) {}

void EventPublisher::Push(std::vector<Event> events) {
  for (Event& event : events) queue_.push_back(std::move(event));
  Pump();
}

void EventPublisher::Pump() {
  while (!failed_ && !looking_up_ && !queue_.empty() && under_way_.size() < options_.max_events &&
         (under_way_.empty() || bytes_under_way_ < options_.max_bytes)) {
    const Event& event = queue_.front();
    const bool is_marker = !event.position.marker.empty();
    if (last_.size() >= options_.max_subjects) {
      // What is under way cannot be looked up yet.
      if (!under_way_.empty()) return;
      last_.clear();
      marker_is_ours_ = false;
    }
    const auto known = last_.find(event.subject);
    if (!is_marker && known == last_.end() && !marker_is_ours_) return LookUp(event.subject);
    std::optional<PreviousEvent> previous;
    if (!is_marker) previous = known == last_.end() ? marker_ : known->second;
    Send(event, previous);
    const PreviousEvent now{event.id, event.position.revision};
    if (is_marker) {  // it counts as an event on every subject
      last_.clear();
      marker_ = now;
      marker_is_ours_ = true;
    } else {
      last_[event.subject] = now;
    }
    queue_.pop_front();
  }
}

void EventPublisher::LookUp(const std::string& subject) {
  looking_up_ = true;
  stream_->Last(
      place_.stream, subject,
      [this, alive = alive_.Watch(), subject](const absl::StatusOr<std::optional<StoredEvent>>& found) {
        if (alive.expired()) return;
        looking_up_ = false;
        if (!found.ok()) return Fail(found.status());
        std::optional<PreviousEvent> previous = marker_;
        if (found->has_value() && (!marker_ || (*found)->sequence > place_.marker_sequence)) {
          const absl::StatusOr<EventPosition> position = ParseEventPosition(
              place_.cluster, (*found)->id, (*found)->Header(kChangesHeader), (*found)->Header(kBatchHeader));
          if (!position.ok()) return Fail(position.status());
          previous = PreviousEvent{(*found)->id, position->revision};
        }
        last_[subject] = previous;
        Pump();
      });
}

void EventPublisher::Send(const Event& event, const std::optional<PreviousEvent>& previous) {
  EventMessage message{event.subject, event.id, {}, EventText(event, previous, options_.max_event_bytes)};
  if (event.position.changes > 0) {
    message.headers.emplace_back(kChangesHeader, absl::StrCat(event.position.changes));
  }
  if (!event.position.batch.IsZero()) {
    message.headers.emplace_back(kBatchHeader, event.position.batch.ToHex());
  }
  const uint64_t sequence = fence_.last_sequence + 1;
  under_way_.push_back({event.position, sequence, message.payload.size(), false});
  bytes_under_way_ += message.payload.size();
  stream_->Publish(place_.stream, std::move(message), fence_, options_.timeout,
                   [this, alive = alive_.Watch(), sequence](const absl::StatusOr<uint64_t>& answer) {
                     if (!alive.expired()) OnAnswer(sequence, answer);
                   });
  fence_ = {sequence, event.id};
}

void EventPublisher::OnAnswer(uint64_t sequence, const absl::StatusOr<uint64_t>& answer) {
  if (failed_) return;
  if (!answer.ok()) return Fail(answer.status());
  if (*answer != sequence) {
    return Fail(absl::AbortedError(
        absl::StrCat("message ", sequence, " of ", place_.stream, " was stored as ", *answer)));
  }
  for (Sent& sent : under_way_) {
    if (sent.sequence == sequence) sent.stored = true;
  }
  while (!under_way_.empty() && under_way_.front().stored) {
    const Sent sent = std::move(under_way_.front());
    under_way_.pop_front();
    bytes_under_way_ -= sent.bytes;
    owner_.on_stored(sent.position, sent.sequence);
  }
  Pump();
}

void EventPublisher::Fail(const absl::Status& status) {
  if (std::exchange(failed_, true)) return;
  owner_.on_failure(status);
}

}  // namespace trivium
