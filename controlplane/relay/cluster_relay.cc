#include "controlplane/relay/cluster_relay.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

// While the database contradicts the stream there is nothing to do but to look again.
constexpr absl::Duration kLookAgain = absl::Seconds(1);
// Events that wait before the log is read on.
constexpr size_t kEnoughWaiting = 512;
constexpr size_t kSmallestEvent = 64 * 1024;

// The last revision all of whose events are in the stream.
uint64_t Complete(const EventPosition& position) {
  return position.partial() ? position.revision - 1 : position.revision;
}

}  // namespace

ClusterRelay::ClusterRelay(ClusterRef cluster, const Drivers& drivers, Options options)
    : cluster_(std::move(cluster)),
      drivers_(drivers),
      options_([this, &options] {
        options.stream.name = EventStreamName(cluster_.name);
        options.stream.subjects = subjects::EveryEvent(cluster_.name);
        return std::move(options);
      }()),
      backoff_(options_.retry_floor, options_.retry_cap, drivers.random),
      max_event_bytes_(options_.publisher.max_event_bytes) {}

void ClusterRelay::Start() { Resync(); }

// ---- Where the stream ends -------------------------------------------------------------------------------

void ClusterRelay::Resync() {
  if (draining_) return FinishDrain();
  ended_.reset();
  drivers_.stream->Ensure(options_.stream,
                          [this, alive = alive_.Watch()](const absl::StatusOr<StreamState>& state) {
                            if (alive.expired()) return;
                            if (!state.ok()) return ResyncLater(state.status(), backoff_.Next());
                            state_ = *state;
                            EnsureConsumer(0);
                          });
}

void ClusterRelay::EnsureConsumer(size_t next) {
  if (next == options_.consumers.size()) return ReadLast();
  drivers_.stream->EnsureConsumer(
      options_.stream.name, options_.consumers[next],
      [this, alive = alive_.Watch(), next](const absl::Status& status) {
        if (alive.expired()) return;
        if (!status.ok()) {
          return ResyncLater(Annotate(status, absl::StrCat("consumer ", options_.consumers[next].name)),
                             backoff_.Next());
        }
        EnsureConsumer(next + 1);
      });
}

void ClusterRelay::ReadLast() {
  drivers_.stream->Last(
      options_.stream.name, options_.stream.subjects,
      [this, alive = alive_.Watch()](const absl::StatusOr<std::optional<StoredEvent>>& last) {
        if (alive.expired()) return;
        if (!last.ok()) return ResyncLater(last.status(), backoff_.Next());
        if (last->has_value()) return OnLast(**last);
        ReadCursor();
      });
}

void ClusterRelay::OnLast(const StoredEvent& last) {
  if (last.sequence > state_.last_sequence) {  // published between the two reads
    return ResyncLater(absl::AbortedError("another relay publishes"), options_.standby);
  }
  const absl::StatusOr<EventPosition> position =
      ParseEventPosition(cluster_.name, last.id, last.Header(kChangesHeader), last.Header(kBatchHeader));
  if (!position.ok()) return ResyncLater(position.status(), options_.retry_cap);
  BeginAt(*position, last.sequence, last.id);
}

void ClusterRelay::ReadCursor() {
  drivers_.cursors->ReadEventCursor(
      cluster_, drivers_.executor,
      [this, alive = alive_.Watch()](const absl::StatusOr<std::optional<EventCursor>>& cursor) {
        if (alive.expired()) return;
        if (!cursor.ok()) return ResyncLater(cursor.status(), backoff_.Next());
        OnCursor(*cursor);
      });
}

void ClusterRelay::OnCursor(const std::optional<EventCursor>& cursor) {
  fence_ = {state_.last_sequence, ""};
  if (!cursor.has_value()) {  // nothing was ever published
    have_position_ = false;
    skip_ = 0;
    OpenPublisher(std::nullopt, 0);
    return;
  }
  const absl::StatusOr<EventPosition> position =
      ParseEventPosition(cluster_.name, cursor->event, absl::StrCat(cursor->changes), cursor->batch.ToHex());
  if (!position.ok()) return ResyncLater(position.status(), options_.retry_cap);
  written_ = *cursor;
  if (cursor->stream == state_.made && cursor->sequence <= state_.last_sequence) {
    return BeginAt(*position, cursor->sequence, "");
  }
  // Another stream than the one that the cursor stood in: it begins with a word about where.
  position_ = {position->epoch, Complete(*position), 0, 0, Id128{}, ""};
  have_position_ = true;
  skip_ = 0;
  OpenPublisher(std::nullopt, 0);
  EventPosition begin = position_;
  begin.marker = "begin";
  Mark(begin, "the stream was made anew; what was published before it is in no stream any more");
}

void ClusterRelay::BeginAt(const EventPosition& position, uint64_t sequence, const std::string& last_id) {
  position_ = stored_position_ = position;
  have_position_ = true;
  stored_ = {EventId(cluster_.name, position), position.changes, position.batch, sequence, state_.made};
  skip_ = state_.last_sequence - sequence;
  // The fence is the stream's last message. Its id is left out if it is not there to be read, or if the
  // server has said that it knows it no more; the sequence alone fences as well.
  fence_ = {state_.last_sequence, skip_ > 0 || std::exchange(forgotten_, false) ? "" : last_id};
  drivers_.stream->Last(
      options_.stream.name, subjects::EveryEventOf(cluster_.name, kLogEvents),
      [this, alive = alive_.Watch()](const absl::StatusOr<std::optional<StoredEvent>>& last) {
        if (alive.expired()) return;
        if (!last.ok()) return ResyncLater(last.status(), backoff_.Next());
        if (!last->has_value()) return OpenPublisher(std::nullopt, 0);
        const absl::StatusOr<EventPosition> at = ParseEventPosition(cluster_.name, (*last)->id, "", "");
        if (!at.ok()) return ResyncLater(at.status(), options_.retry_cap);
        OpenPublisher(PreviousEvent{(*last)->id, at->revision}, (*last)->sequence);
      });
}

void ClusterRelay::OpenPublisher(std::optional<PreviousEvent> marker, uint64_t marker_sequence) {
  EventPublisher::Options publisher = options_.publisher;
  publisher.max_event_bytes = max_event_bytes_;
  publisher_ = std::make_unique<EventPublisher>(
      drivers_.stream, publisher,
      EventPublisher::Place{options_.stream.name, cluster_.name, fence_, std::move(marker), marker_sequence},
      EventPublisher::Owner{
          [this](const EventPosition& position, uint64_t sequence) { OnStored(position, sequence); },
          [this](const absl::Status& status) { OnFailure(status); }});
  paused_ = false;
  problem_.clear();
  TailLater(absl::ZeroDuration());
}

void ClusterRelay::ResyncLater(const absl::Status& why, absl::Duration delay) {
  ended_ = std::move(publisher_);
  generation_ = std::make_shared<char>(0);  // what is being read is of no use any more
  tailing_ = false;
  if (absl::IsAborted(why)) {
    ++counters_.lost_races;
  } else {
    ++counters_.failures;
    if (problem_ != why.message()) {
      spdlog::warn("publishing events is interrupted cluster={} error=\"{}\"", cluster_.name,
                   std::string(why.message()));
    }
    problem_ = std::string(why.message());
  }
  drivers_.executor->PostAfter(delay, [this, alive = alive_.Watch()] {
    if (!alive.expired()) Resync();
  });
}

// ---- What comes next in the log --------------------------------------------------------------------------

void ClusterRelay::TailLater(absl::Duration delay) {
  if (timer_ != Executor::kNoTimer) drivers_.executor->Cancel(timer_);
  timer_ = drivers_.executor->PostAfter(delay, [this, alive = alive_.Watch()] {
    if (alive.expired()) return;
    timer_ = Executor::kNoTimer;
    Tail();
  });
}

// Nothing can be published; it is said once, and looked at again.
void ClusterRelay::Wait(const std::string& problem) {
  if (problem_ != problem) {
    spdlog::error("no events are published cluster={} reason=\"{}\"", cluster_.name, problem);
  }
  problem_ = problem;
  TailLater(kLookAgain);
}

void ClusterRelay::Tail() {
  KeepCursor();
  if (draining_ || tailing_ || publisher_ == nullptr) return;
  if (publisher_->waiting() >= kEnoughWaiting) {
    paused_ = true;
    return;
  }
  tailing_ = true;
  drivers_.store->ReadHead(cluster_, drivers_.executor,
                           [this, current = Current()](const absl::StatusOr<StoredHead>& head) {
                             if (current.expired()) return;
                             tailing_ = false;
                             if (!head.ok()) return Wait(std::string(head.status().message()));
                             OnHead(*head);
                           });
}

void ClusterRelay::OnHead(const StoredHead& head) {
  head_ = head;
  have_head_ = true;
  next_epoch_ = 0;
  NoteHead();
  if (!have_position_) return PassOver("begin");
  if (head.epoch < position_.epoch || (head.epoch == position_.epoch && head.revision < position_.revision)) {
    return Wait(absl::StrCat("the database is at epoch ", head.epoch, " revision ", head.revision,
                             ", the stream at epoch ", position_.epoch, " revision ", position_.revision,
                             ": it was restored, and no control plane has begun a new epoch yet"));
  }
  if (head.epoch > position_.epoch) return FindEpoch(head.log_floor, head.revision);
  if (Complete(position_) == head.revision) {
    problem_.clear();
    return TailLater(options_.poll_every);
  }
  ReadPage(head.revision);
}

void ClusterRelay::ReadPage(uint64_t bound) {
  tailing_ = true;
  drivers_.store->ReadLog(
      cluster_, Complete(position_), options_.page_rows, options_.page_bytes, drivers_.executor,
      [this, current = Current(), bound](const absl::StatusOr<std::vector<LogRow>>& rows) {
        if (current.expired()) return;
        tailing_ = false;
        if (absl::IsOutOfRange(rows.status())) return PassOver("lost");
        if (!rows.ok()) return Wait(std::string(rows.status().message()));
        OnRows(*rows, bound);
      });
}

void ClusterRelay::OnRows(const std::vector<LogRow>& rows, uint64_t bound) {
  std::vector<Event> events;
  EventPosition at = position_;
  for (const LogRow& row : rows) {
    if (row.revision > bound) break;
    const absl::StatusOr<Batch> batch = DecodeBatch(row.envelope);
    if (!batch.ok()) {
      return Wait(absl::StrCat("revision ", row.revision, ": ", std::string(batch.status().message())));
    }
    if (batch->epoch != at.epoch) break;  // a new head says more
    const bool rest = batch->revision == at.revision;
    if (!rest && batch->revision != at.revision + 1) {
      return Wait(absl::StrCat("the log has revision ", batch->revision, " after ", at.revision));
    }
    if (!at.batch.IsZero() && at.batch != (rest ? batch->batch : batch->prev_batch))
      return OnFork(*batch, bound);
    std::vector<Event> all = EventsOf(*batch);
    const size_t from = rest ? std::min<size_t>(at.index + 1, all.size()) : 0;
    std::move(all.begin() + static_cast<std::ptrdiff_t>(from), all.end(), std::back_inserter(events));
    const uint32_t changes = static_cast<uint32_t>(all.size());
    at = {batch->epoch, batch->revision, changes == 0 ? 0 : changes - 1, changes, batch->batch, ""};
  }
  const bool moved = !(at == position_);
  position_ = at;
  Push(std::move(events));
  TailLater(moved ? absl::ZeroDuration() : options_.poll_every);
}

// The row does not follow what was published: another history under the same epoch.
void ClusterRelay::OnFork(const Batch& batch, uint64_t bound) {
  if (next_epoch_ != 0) {
    return Mark({next_epoch_, bound, 0, 0, Id128{}, "epoch"},
                "the database was restored; events before it are of a lost history");
  }
  Wait(absl::StrCat("revision ", batch.revision,
                    " of the log does not follow what was published: the database "
                    "was restored, and no control plane has begun a new epoch yet"));
}

// Epochs never fall along the log: the first row of a higher one than the position's is between two
// revisions.
void ClusterRelay::FindEpoch(uint64_t low, uint64_t high) {
  const uint64_t middle = low + (high - low) / 2;
  if (low == high && low == head_.revision) return OnEpoch(low, head_.epoch);
  tailing_ = true;
  drivers_.store->ReadLog(
      cluster_, middle, 1, 1, drivers_.executor,
      [this, current = Current(), low, high, middle](const absl::StatusOr<std::vector<LogRow>>& rows) {
        if (current.expired()) return;
        tailing_ = false;
        if (absl::IsOutOfRange(rows.status())) return TailLater(absl::ZeroDuration());  // compacted meanwhile
        if (!rows.ok()) return Wait(std::string(rows.status().message()));
        if (rows->empty()) return TailLater(options_.poll_every);
        const absl::StatusOr<Batch> batch = DecodeBatch(rows->front().envelope);
        if (!batch.ok()) {
          return Wait(
              absl::StrCat("revision ", rows->front().revision, ": ", std::string(batch.status().message())));
        }
        const bool higher = batch->epoch > position_.epoch;
        if (low == high) return OnEpoch(low, higher ? batch->epoch : head_.epoch);
        FindEpoch(higher ? low : middle + 1, higher ? middle : high);
      });
}

// Everything after `base` is of a higher epoch, the first of it of `next_epoch`.
void ClusterRelay::OnEpoch(uint64_t base, uint64_t next_epoch) {
  if (base > Complete(position_)) {  // first what the old one still has
    if (head_.log_floor > Complete(position_)) return PassOver("lost");
    next_epoch_ = next_epoch;
    return ReadPage(base);
  }
  Mark({next_epoch, base, 0, 0, Id128{}, "epoch"},
       base < position_.revision
           ? "the database was restored; the events after this revision are of a lost history"
           : "a new epoch");
}

// On from what the log still holds.
void ClusterRelay::PassOver(const std::string& marker) {
  tailing_ = true;
  drivers_.store->ReadHead(cluster_, drivers_.executor,
                           [this, current = Current(), marker](const absl::StatusOr<StoredHead>& head) {
                             if (current.expired()) return;
                             tailing_ = false;
                             if (!head.ok()) return Wait(std::string(head.status().message()));
                             head_ = *head;
                             if (have_position_ && head_.log_floor <= Complete(position_))
                               return TailLater(absl::ZeroDuration());
                             tailing_ = true;
                             drivers_.store->ReadLog(
                                 cluster_, head->log_floor, 1, 1, drivers_.executor,
                                 [this, current, marker](const absl::StatusOr<std::vector<LogRow>>& rows) {
                                   if (current.expired()) return;
                                   tailing_ = false;
                                   if (absl::IsOutOfRange(rows.status()))
                                     return TailLater(absl::ZeroDuration());
                                   if (!rows.ok()) return Wait(std::string(rows.status().message()));
                                   uint64_t epoch = head_.epoch;
                                   if (!rows->empty()) {
                                     const absl::StatusOr<Batch> batch = DecodeBatch(rows->front().envelope);
                                     if (!batch.ok()) return Wait(std::string(batch.status().message()));
                                     epoch = batch->epoch;
                                   }
                                   Mark({epoch, head_.log_floor, 0, 0, Id128{}, marker},
                                        marker == "begin"
                                            ? "events begin after this revision"
                                            : "the log was compacted before these revisions were read");
                                 });
                           });
}

void ClusterRelay::Mark(const EventPosition& at, const std::string& reason) {
  const std::optional<EventPosition> before =
      have_position_ ? std::optional<EventPosition>(position_) : std::nullopt;
  Event marker = MarkerOf(cluster_.name, at, before, reason, absl::ToUnixMicros(drivers_.clock->Now()));
  spdlog::warn("a marker among the events cluster={} marker={} epoch={} revision={} reason=\"{}\"",
               cluster_.name, at.marker, at.epoch, at.revision, reason);
  uint64_t* const counter = at.marker == "begin"   ? &counters_.begins
                            : at.marker == "epoch" ? &counters_.epochs
                                                   : &counters_.losses;
  ++*counter;
  position_ = at;
  have_position_ = true;
  std::vector<Event> events;
  events.push_back(std::move(marker));
  Push(std::move(events));
  TailLater(absl::ZeroDuration());
}

void ClusterRelay::Push(std::vector<Event> events) {
  const size_t known = static_cast<size_t>(std::min<uint64_t>(skip_, events.size()));
  if (known > 0) {
    skip_ -= known;
    stored_position_ = events[known - 1].position;
    stored_ = {events[known - 1].id, stored_position_.changes, stored_position_.batch,
               stored_.sequence + known, state_.made};
    events.erase(events.begin(), events.begin() + static_cast<std::ptrdiff_t>(known));
  }
  if (!events.empty() && publisher_ != nullptr) publisher_->Push(std::move(events));
}

// ---- What became of it -----------------------------------------------------------------------------------

void ClusterRelay::OnStored(const EventPosition& position, uint64_t sequence) {
  ++counters_.published;
  backoff_.Reset();
  problem_.clear();
  stored_position_ = position;
  stored_ = {EventId(cluster_.name, position), position.changes, position.batch, sequence, state_.made};
  NoteHead();
  if (draining_) return FinishDrain();
  if (paused_ && publisher_->waiting() < kEnoughWaiting / 2) {
    paused_ = false;
    TailLater(absl::ZeroDuration());
  }
}

void ClusterRelay::OnFailure(const absl::Status& status) {
  if (absl::IsAborted(status)) {
    const double share = static_cast<double>(drivers_.random->Next() >> 11) * 0x1.0p-53;
    ResyncLater(status, options_.standby * (0.5 + share));
  } else {
    if (absl::IsFailedPrecondition(status)) forgotten_ = true;
    if (absl::IsInvalidArgument(status)) max_event_bytes_ = std::max(kSmallestEvent, max_event_bytes_ / 2);
    ResyncLater(status, backoff_.Next());
  }
  if (draining_) FinishDrain();
}

// The database's cursor, every now and then.
void ClusterRelay::KeepCursor() {
  if (writing_ || stored_.event.empty() || stored_ == written_) return;
  writing_ = true;
  drivers_.executor->PostAfter(options_.cursor_every, [this, alive = alive_.Watch()] {
    if (!alive.expired() && !draining_) WriteCursor([] {});
  });
}

void ClusterRelay::WriteCursor(absl::AnyInvocable<void()> done) {
  writing_ = true;
  drivers_.cursors->WriteEventCursor(
      cluster_, stored_, drivers_.executor,
      [this, alive = alive_.Watch(), cursor = stored_,
       done = std::move(done)](const absl::Status& status) mutable {
        if (alive.expired()) return;
        writing_ = false;
        if (status.ok()) written_ = cursor;  // else the next one; the stream's own last message is the cursor
        done();
      });
}

void ClusterRelay::Drain(absl::AnyInvocable<void()> done) {
  drained_ = std::move(done);
  draining_ = true;
  FinishDrain();
}

void ClusterRelay::FinishDrain() {
  if (!drained_ || (publisher_ != nullptr && publisher_->waiting() > 0)) return;
  absl::AnyInvocable<void()> done = std::exchange(drained_, nullptr);
  if (stored_.event.empty() || stored_ == written_) {
    drivers_.executor->Post(std::move(done));
  } else {
    WriteCursor(std::move(done));
  }
}

// ---- What is seen of it ----------------------------------------------------------------------------------

void ClusterRelay::NoteHead() {
  const std::optional<uint64_t> now = behind();
  if (!now.has_value() || *now == 0) {
    behind_since_.reset();
  } else if (!behind_since_.has_value()) {
    behind_since_ = drivers_.clock->Monotonic();
  }
}

std::optional<uint64_t> ClusterRelay::behind() const {
  if (!have_head_ || stored_.event.empty()) return std::nullopt;
  const uint64_t complete = Complete(stored_position_);
  return head_.revision > complete ? head_.revision - complete : 0;
}

absl::Duration ClusterRelay::behind_for() const {
  return behind_since_.has_value() ? drivers_.clock->Monotonic() - *behind_since_ : absl::ZeroDuration();
}

}  // namespace trivium
