// One connection of nats.c from its birth to its end: what its C API, threads and callbacks need to be safe.
// Internal to bus/; NatsBus replaces links, a link never comes back once it is closed or abandoned.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bus/nats_bus.h"
#include "bus/receiver.h"

namespace trivium::bus_internal {

class NatsLink : public std::enable_shared_from_this<NatsLink> {
 public:
  // Told of changes, in order, from threads of the driver. Must not block.
  class Observer {
   public:
    virtual ~Observer() = default;
    // Up: connected, and every subscription so far has been sent.
    virtual void OnLinkState(NatsLink* link, bool up) = 0;
    // It will never be up again: replace it.
    virtual void OnLinkEnd(NatsLink* link, const std::string& why) = 0;
    // A server refused a publish or a subscription of this principal.
    virtual void OnRefused(const std::string& what) = 0;
  };
  struct Wanted {
    std::string subject;
    std::string queue;
    std::shared_ptr<Receiver> receiver;
  };

  // kInvalidArgument as NatsBus::Create says.
  static absl::Status CheckOptions(const NatsOptions& options);

  // Begins to connect on a thread of its own.
  static std::shared_ptr<NatsLink> Start(const NatsOptions& options, std::weak_ptr<Observer> observer,
                                         std::vector<Wanted> wanted);
  ~NatsLink();

  using Headers = std::vector<std::pair<std::string, std::string>>;
  // Thread-safe. `reply_to` may be empty.
  absl::Status Publish(const std::string& subject, const std::string& reply_to, absl::string_view payload,
                       const Headers& headers);
  void Subscribe(Wanted wanted);
  absl::Status Flush(absl::Duration timeout);

  // Nothing is received or observed any more once this returns; the connection is closed in the background,
  // even if the thread that connects hangs.
  void Abandon();
  // False if the connection was still not closed after `timeout`.
  bool WaitClosed(absl::Duration timeout);

  // Called back by nats.c, through ids.
  void OnUp();
  void OnDown();
  void OnClosed();
  void OnError(int status);

 private:
  struct Delivery;
  struct Connection;

  NatsLink(const NatsOptions& options, std::weak_ptr<Observer> observer, std::vector<Wanted> wanted);
  void Connect();
  void SubscribeNow(const Wanted& wanted);  // with mutex_
  void Close();
  void Report(bool up);
  void End(const std::string& why);
  std::shared_ptr<Connection> connection();

  const NatsOptions options_;
  const std::weak_ptr<Observer> observer_;
  uint64_t id_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Wanted> wanted_;  // until connected
  std::vector<std::shared_ptr<Delivery>> deliveries_;
  std::shared_ptr<Connection> connection_;
  bool abandoned_ = false;
  bool closed_ = false;

  std::mutex report_mutex_;  // orders what the observer hears
  bool heard_ = false;       // nats.c has reported something
  bool up_ = false;
  bool ready_ = false;  // subscriptions are sent
  bool ended_ = false;
  bool silent_ = false;  // abandoned
};

}  // namespace trivium::bus_internal
