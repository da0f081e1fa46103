// Where a connection puts what it receives. Internal to bus/.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "bus/bus.h"

namespace trivium::bus_internal {

// One message, as long as the call that carries it lasts.
struct Incoming {
  absl::string_view subject;
  absl::string_view reply_to;
  absl::string_view payload;
  bool no_responders = false;  // the server's word that nobody serves the request's subject
};

// Called by one thread at a time; never blocks.
class Receiver {
 public:
  virtual ~Receiver() = default;
  virtual void OnMessage(const Incoming& message) = 0;
};

// Hands messages to an owner's executor, as many as may wait there.
class SubscriptionReceiver final : public Receiver,
                                   public std::enable_shared_from_this<SubscriptionReceiver> {
 public:
  struct Bounds {
    size_t messages = 0;
    size_t bytes = 0;
  };
  // `open`: no handler starts once it is false. `dropped`: counts for the whole bus.
  SubscriptionReceiver(std::string subject, Bounds bounds, Executor* executor, Bus::Handler handler,
                       std::shared_ptr<const std::atomic<bool>> open,
                       std::shared_ptr<std::atomic<uint64_t>> dropped);
  void OnMessage(const Incoming& message) override;

 private:
  void Drop();
  void Run(Message message, size_t bytes);

  const std::string subject_;
  const Bounds bounds_;
  Executor* const executor_;
  const Bus::Handler handler_;
  const std::shared_ptr<const std::atomic<bool>> open_;
  const std::shared_ptr<std::atomic<uint64_t>> dropped_;
  std::atomic<size_t> waiting_messages_{0};
  std::atomic<size_t> waiting_bytes_{0};
  uint64_t dropped_in_a_row_ = 0;
};

}  // namespace trivium::bus_internal
