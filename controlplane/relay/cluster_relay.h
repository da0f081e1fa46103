// Tails one cluster's log and publishes its events: no change is left out and none is published twice,
// however often this process, the stream's server or the database is killed.
//
// Its cursor is the last message of the stream itself. Every message is fenced by that one, so that of
// several relays, or of one that was thought dead, each event comes through once; the loser reads the cursor
// again. The database's cursor is used only when the stream is empty: the limits may have taken everything.
// It says at which message of the stream it stood, and the stream remembers how many it has ever held, so
// that what was published after it is counted, not guessed.
//
// Where the history itself breaks, a marker says so (controlplane/relay/event.h): a new epoch, a log that was
// compacted before it was read, a stream that begins. Where the database is behind what was published, or
// contradicts it, nothing is published until a control plane has begun a new epoch. All on one executor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "bus/event_stream.h"
#include "controlplane/relay/event_publisher.h"
#include "controlplane/store/event_cursors.h"

namespace trivium {

class ClusterRelay {
 public:
  struct Options {
    StreamConfig stream;                    // name and subjects are the cluster's
    std::vector<ConsumerConfig> consumers;  // that must be there
    EventPublisher::Options publisher;
    absl::Duration poll_every = absl::Milliseconds(250);
    size_t page_rows = 200;
    size_t page_bytes = 1024 * 1024;
    absl::Duration standby = absl::Seconds(1);       // after somebody else has published
    absl::Duration cursor_every = absl::Seconds(2);  // the database's, at most
    absl::Duration retry_floor = absl::Milliseconds(100);
    absl::Duration retry_cap = absl::Seconds(5);
  };
  struct Drivers {
    Store* store = nullptr;
    EventCursors* cursors = nullptr;
    EventStream* stream = nullptr;
    Executor* executor = nullptr;
    Clock* clock = nullptr;
    Random* random = nullptr;
  };
  struct Counters {
    uint64_t published = 0;                       // events, markers included
    uint64_t begins = 0, epochs = 0, losses = 0;  // those of them that were markers, by kind
    uint64_t lost_races = 0;                      // another relay was first
    uint64_t failures = 0;                        // of the stream or the database, each begins anew
  };

  // Nothing is owned.
  ClusterRelay(ClusterRef cluster, const Drivers& drivers, Options options);
  ClusterRelay(const ClusterRelay&) = delete;
  ClusterRelay& operator=(const ClusterRelay&) = delete;

  void Start();
  // Publishes no more; what is under way is waited for and the cursor written; then `done`.
  void Drain(absl::AnyInvocable<void()> done);

  const std::string& cluster() const { return cluster_.name; }
  const Counters& counters() const { return counters_; }
  // Revisions that the log is ahead of the stream; nullopt before both were read.
  std::optional<uint64_t> behind() const;
  // How long something has been waiting to be published.
  absl::Duration behind_for() const;
  // Why it does not publish, for its operator; empty: it does.
  const std::string& problem() const { return problem_; }

 private:
  // From the stream to a place to publish from.
  void Resync();
  void EnsureConsumer(size_t next);
  void ReadLast();
  void OnLast(const StoredEvent& last);
  void ReadCursor();
  void OnCursor(const std::optional<EventCursor>& cursor);
  void BeginAt(const EventPosition& position, uint64_t sequence, const std::string& last_id);
  void OpenPublisher(std::optional<PreviousEvent> marker, uint64_t marker_sequence);
  void ResyncLater(const absl::Status& why, absl::Duration delay);

  // From the log to the publisher.
  void Tail();
  void OnHead(const StoredHead& head);
  void ReadPage(uint64_t bound);
  void OnRows(const std::vector<LogRow>& rows, uint64_t bound);
  void OnFork(const Batch& batch, uint64_t bound);
  void FindEpoch(uint64_t low, uint64_t high);
  void OnEpoch(uint64_t base, uint64_t next_epoch);
  void PassOver(const std::string& marker);
  void Mark(const EventPosition& at, const std::string& reason);
  void Push(std::vector<Event> events);
  void TailLater(absl::Duration delay);
  void Wait(const std::string& problem);

  void OnStored(const EventPosition& position, uint64_t sequence);
  void OnFailure(const absl::Status& status);
  void KeepCursor();
  void WriteCursor(absl::AnyInvocable<void()> done);
  void FinishDrain();
  void NoteHead();
  // Expires with the publisher, or with this.
  std::weak_ptr<char> Current() const { return generation_; }

  const ClusterRef cluster_;
  const Drivers drivers_;
  const Options options_;
  Backoff backoff_;

  StreamState state_;  // as it was read last
  std::unique_ptr<EventPublisher> publisher_;
  std::unique_ptr<EventPublisher> ended_;  // until its call returns
  bool forgotten_ = false;                 // the server knows the last message's id no more
  size_t max_event_bytes_;

  EventPosition position_;  // pushed to the publisher
  bool have_position_ = false;
  Fence fence_;
  uint64_t skip_ = 0;  // events after the position that are known to be published

  StoredHead head_;
  bool have_head_ = false;
  uint64_t next_epoch_ = 0;  // where the rows up to the page's bound end, if not 0
  bool tailing_ = false;     // a read of the database is under way
  bool paused_ = false;      // until the publisher has room
  Executor::TimerId timer_ = Executor::kNoTimer;

  EventCursor stored_;  // the last event that is in the stream for certain
  EventPosition stored_position_;
  EventCursor written_;
  bool writing_ = false;

  std::string problem_;
  std::optional<absl::Duration> behind_since_;
  absl::AnyInvocable<void()> drained_;
  bool draining_ = false;
  Counters counters_;
  std::shared_ptr<char> generation_ = std::make_shared<char>(0);  // of the publisher
  Alive alive_;
};

}  // namespace trivium
