// The bus over NATS servers (core NATS; nats.c underneath). Connects in the background, follows the rules of
// docs/nats.md: reconnects for ever with jitter, finds a dead peer by pings within seconds, writes with a
// deadline, never unsubscribes on a live connection.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "bus/bus.h"

namespace trivium {

struct NatsOptions {
  // "tls://host:port"; tried in random order. The server's certificate must name the host (DNS or IP SAN).
  std::vector<std::string> servers;
  // PEM files. All three, or none for a connection without TLS (tests).
  std::string ca;
  std::string cert;
  std::string key;
  // Who this is ("<cluster>:<role>:<name>"): the connection's name and its inbox prefix.
  std::string principal;

  absl::Duration connect_timeout = absl::Seconds(2);  // of one server
  absl::Duration ping_interval = absl::Seconds(1);
  int max_pings_out = 2;  // unanswered, then the connection counts as dead
  // Longest time that Publish may wait for the socket; then the connection is given up.
  absl::Duration write_deadline = absl::Seconds(1);
  // After the whole list of servers was tried in vain: this long, plus up to the jitter.
  absl::Duration reconnect_wait = absl::Milliseconds(150);
  absl::Duration reconnect_jitter = absl::Milliseconds(250);
  // What one subscription may have waiting on its executor; beyond that messages are dropped.
  size_t max_pending_messages = 16384;
  size_t max_pending_bytes = 64 * 1024 * 1024;
};

struct NatsCounters {
  uint64_t dropped = 0;  // messages that found their subscription's bound reached
  uint64_t disconnects = 0;
  uint64_t rebuilds = 0;  // connections replaced, by the owner or because the driver gave one up
  uint64_t refused = 0;   // publishes and subscriptions that a server did not permit
};

// Executors given to it must outlive it. Destruction closes the connection and waits for that (a few seconds
// at most); no handler starts after it, apart from those running on other threads at that moment.
class NatsBus final : public Bus {
 public:
  // kInvalidArgument for options that can never work: no server, a file that is missing or no PEM, a
  // principal that is no subject token. A server that is down is no error: see WatchState.
  static absl::StatusOr<std::unique_ptr<NatsBus>> Create(NatsOptions options, Random* random = RealRandom());
  ~NatsBus() override;
  NatsBus(const NatsBus&) = delete;
  NatsBus& operator=(const NatsBus&) = delete;

  absl::Status Publish(absl::string_view subject, absl::string_view payload) override;
  absl::Status Subscribe(const std::string& subject, const std::string& queue, Executor* executor,
                         Handler handler) override;
  void Request(const std::string& subject, std::string payload, absl::Duration timeout, Executor* executor,
               ReplyHandler on_reply) override;
  // The same with headers, each a name and a text without line breaks.
  void RequestWithHeaders(const std::string& subject,
                          const std::vector<std::pair<std::string, std::string>>& headers,
                          std::string payload, absl::Duration timeout, Executor* executor,
                          ReplyHandler on_reply);
  absl::Status Flush(absl::Duration timeout) override;
  void FlushAsync(absl::Duration timeout, Executor* executor,
                  absl::AnyInvocable<void(absl::Status)> done) override;
  void WatchState(Executor* executor, std::function<void(State)> on_change) override;
  void Rebuild() override;

  NatsCounters counters() const;

 private:
  class Core;
  explicit NatsBus(std::shared_ptr<Core> core);

  std::shared_ptr<Core> core_;
};

}  // namespace trivium
