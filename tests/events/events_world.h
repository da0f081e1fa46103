// The server of one cluster's events, configured by `triviumctl mesh init`: cluster "aws", the mesh's own log
// beside it, a relay, and subscribers "audit" (everything of aws), "dns" (endpoints and services) and "fleet"
// (the mesh's log).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bus/nats_bus.h"
#include "bus/nats_event_stream.h"
#include "tests/support/nats_fixture.h"

namespace trivium {

class EventsWorld {
 public:
  EventsWorld();  // not started

  NatsServer& server() { return server_; }
  std::string folder() const { return folder_.path() + "/out"; }
  int port() const { return port_; }
  // For a principal of the mesh: its certificate, at the events' server.
  NatsOptions Options(const std::string& principal) const;
  LoopExecutor* executor() { return &executor_; }
  // Asks again and again, on the executor; false after a minute.
  bool Await(const std::function<bool()>& condition);

 private:
  static std::string Make(const TempFolder& folder, int port);

  TempFolder folder_;
  const int port_;
  NatsServer server_;
  LoopExecutor executor_{"test"};
};

// A relay's own connection, called synchronously.
class EventsClient {
 public:
  EventsClient(EventsWorld* world, const std::string& principal);
  ~EventsClient();

  absl::StatusOr<StreamState> Ensure(const StreamConfig& config);
  absl::Status EnsureConsumer(const std::string& stream, const ConsumerConfig& config);
  absl::StatusOr<std::optional<StoredEvent>> Last(const std::string& stream, const std::string& subjects);
  // At the stream's end, with an id of its own.
  absl::StatusOr<uint64_t> Publish(const std::string& stream, const std::string& subject,
                                   const std::string& payload);

 private:
  EventsWorld* const world_;
  std::unique_ptr<NatsBus> bus_;
  std::unique_ptr<NatsEventStream> stream_;
  int published_ = 0;
};

}  // namespace trivium
