// Streams of events in JetStream. JetStream is requests and answers in JSON over core NATS; they go over a
// NatsBus, so that connections, threads and deadlines are those of the bus, and acknowledgements come on the
// executor in whatever order the server gives them. (js_PublishAsync of nats.c 3.4 neither keeps the order of
// what is sent again nor ends when a server is gone.)
#pragma once

#include <memory>
#include <string>

#include "bus/event_stream.h"
#include "bus/nats_bus.h"

namespace trivium {

class NatsEventStream final : public EventStream {
 public:
  // Nothing is owned; both outlive it. `timeout`: of every request but Publish.
  NatsEventStream(NatsBus* bus, Executor* executor, absl::Duration timeout = absl::Seconds(5));

  void Ensure(const StreamConfig& config, Callback<StreamState> done) override;
  void EnsureConsumer(const std::string& stream, const ConsumerConfig& config, Done done) override;
  void Last(const std::string& stream, const std::string& subjects,
            Callback<std::optional<StoredEvent>> done) override;
  void Publish(const std::string& stream, EventMessage message, const Fence& fence, absl::Duration timeout,
               Callback<uint64_t> done) override;

 private:
  void Call(const std::string& subject, std::string payload, Callback<std::string> done);

  NatsBus* const bus_;
  Executor* const executor_;
  const absl::Duration timeout_;
  Alive alive_;
};

}  // namespace trivium
