#include "bus/receiver.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace trivium::bus_internal {

SubscriptionReceiver::SubscriptionReceiver(std::string subject, Bounds bounds, Executor* executor,
                                           Bus::Handler handler,
                                           std::shared_ptr<const std::atomic<bool>> open,
                                           std::shared_ptr<std::atomic<uint64_t>> dropped)
    : subject_(std::move(subject)),
      bounds_(bounds),
      executor_(executor),
      handler_(std::move(handler)),
      open_(std::move(open)),
      dropped_(std::move(dropped)) {}

void SubscriptionReceiver::OnMessage(const Incoming& message) {
  const size_t bytes = message.subject.size() + message.reply_to.size() + message.payload.size();
  // A message larger than the bound is taken when nothing waits, else it could never be.
  if (waiting_messages_ >= bounds_.messages ||
      (waiting_messages_ > 0 && waiting_bytes_ + bytes > bounds_.bytes)) {
    Drop();
    return;
  }
  if (dropped_in_a_row_ > 0) {
    spdlog::warn("bus: subscription takes messages again subject={} dropped={}", subject_, dropped_in_a_row_);
    dropped_in_a_row_ = 0;
  }
  waiting_messages_ += 1;
  waiting_bytes_ += bytes;
  executor_->Post(
      [self = shared_from_this(), bytes,
       copy = Message{std::string(message.subject), std::string(message.reply_to),
                      std::string(message.payload)}]() mutable { self->Run(std::move(copy), bytes); });
}

void SubscriptionReceiver::Drop() {
  *dropped_ += 1;
  if (++dropped_in_a_row_ == 1) {
    spdlog::warn("bus: subscription is behind and loses messages subject={} waiting={} bytes={}", subject_,
                 waiting_messages_.load(), waiting_bytes_.load());
  }
}

void SubscriptionReceiver::Run(Message message, size_t bytes) {
  waiting_messages_ -= 1;
  waiting_bytes_ -= bytes;
  if (*open_) handler_(std::move(message));
}

}  // namespace trivium::bus_internal
