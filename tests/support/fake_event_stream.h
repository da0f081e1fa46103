// Streams in memory with the semantics of bus/nats_event_stream.h, and faults on demand. The streams lie in a
// FakeStreamServer that outlives its clients, as a server does. One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "bus/event_stream.h"

namespace trivium {

class FakeStreamServer {
 public:
  struct Stream {
    StreamConfig config;
    std::string made;
    uint64_t first = 1;
    uint64_t last = 0;
    std::string last_id;  // what the server remembers of it
    std::map<uint64_t, StoredEvent> messages;
    std::map<std::string, uint64_t> ids;  // within the duplicate window
    std::map<std::string, ConsumerConfig> consumers;
  };

  // What becomes of a publish.
  enum class Fate {
    kStored,
    kLost,        // never reaches the server
    kAnswerLost,  // stored; nobody hears of it
    kLate,        // kDeadlineExceeded first, and then it reaches the server all the same
  };
  using Judge = std::function<Fate(const EventMessage&)>;

  // Null if there is none.
  Stream* Find(const std::string& name);
  void Delete(const std::string& name) { streams_.erase(name); }
  // The limits take all messages; ids that are older than the window are forgotten, sequences are not.
  void Expire(const std::string& name);
  // The duplicate window is over: no id but the last one's is known.
  void EndWindow();
  // A restart after that: none is.
  void ForgetIds();
  // Down: everything answers kUnavailable.
  void SetUp(bool up) { up_ = up; }
  void SetJudge(Judge judge) { judge_ = std::move(judge); }
  void SetMaxPayload(size_t bytes) { max_payload_ = bytes; }

 private:
  friend class FakeEventStream;
  absl::StatusOr<uint64_t> Store(const std::string& name, const EventMessage& message, const Fence& fence);

  std::map<std::string, Stream> streams_;
  bool up_ = true;
  uint64_t made_ = 0;
  size_t max_payload_ = 8 * 1024 * 1024;
  Judge judge_;
};

class FakeEventStream final : public EventStream {
 public:
  // Nothing is owned.
  FakeEventStream(FakeStreamServer* server, Executor* executor) : server_(server), executor_(executor) {}

  void Ensure(const StreamConfig& config, Callback<StreamState> done) override;
  void EnsureConsumer(const std::string& stream, const ConsumerConfig& config, Done done) override;
  void Last(const std::string& stream, const std::string& subjects,
            Callback<std::optional<StoredEvent>> done) override;
  void Publish(const std::string& stream, EventMessage message, const Fence& fence, absl::Duration timeout,
               Callback<uint64_t> done) override;

 private:
  template <typename T>
  void Answer(absl::StatusOr<T> answer, Callback<T> done);

  FakeStreamServer* const server_;
  Executor* const executor_;
  Alive alive_;
};

}  // namespace trivium
