#include "nodeagent/report/flow_publisher.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "schema/subjects.h"

namespace trivium {
namespace {

std::string Kind(const v1::FlowEvent& event) {
  return absl::StrCat(event.verdict(), " ", event.reason(), " ", event.direction(), " ", event.endpoint(),
                      " ", event.protocol(), " ", event.destination_port(), " ", event.policy(), " ",
                      event.source_identity(), " ", event.destination_identity(), " ", event.source_ip(),
                      event.destination_ip());
}

}  // namespace

FlowPublisher::FlowPublisher(std::string cluster, std::string node, Executor* executor, const Clock* clock,
                             Bus* bus, std::function<uint64_t()> lost)
    : cluster_(std::move(cluster)),
      node_(std::move(node)),
      executor_(executor),
      clock_(clock),
      bus_(bus),
      lost_(std::move(lost)) {}

void FlowPublisher::Add(const v1::FlowEvent& event) {
  const auto [it, is_new] = index_.try_emplace(Kind(event), pending_.events_size());
  if (!is_new) {
    v1::FlowEvent* same = pending_.mutable_events(it->second);
    same->set_count(same->count() + 1);
  } else if (pending_.events_size() == kMaxEvents) {
    index_.erase(it);
    ++dropped_;
  } else {
    *pending_.add_events() = event;
    pending_.mutable_events(it->second)->set_count(1);
  }
  Plan(std::max(kFirst, last_sent_ + kEvery - clock_->Monotonic()));
}

void FlowPublisher::Plan(absl::Duration wait) {
  if (std::exchange(planned_, true)) return;
  executor_->PostAfter(wait, [this, alive = alive_.Watch()] {
    if (!alive.expired()) Send();
  });
}

void FlowPublisher::Send() {
  planned_ = false;
  const uint64_t lost = lost_();
  if (pending_.events_size() == 0 && dropped_ == 0 && lost == told_lost_) return;
  last_sent_ = clock_->Monotonic();
  v1::FlowEvents message = std::exchange(pending_, v1::FlowEvents());
  index_.clear();
  message.set_cluster(cluster_);
  message.set_node(node_);
  message.set_sequence(sequence_ + 1);
  message.set_lost(dropped_ + (lost - told_lost_));
  if (const absl::Status sent = bus_->Publish(subjects::Flows(cluster_, node_), message.SerializeAsString());
      !sent.ok()) {
    // Nobody can listen now; the next message says how many there were.
    for (const v1::FlowEvent& event : message.events()) dropped_ += event.count();
    return;
  }
  ++sequence_;
  dropped_ = 0;
  told_lost_ = lost;
  Plan(kEvery);  // what is lost from now on may leave no event of its own
}

}  // namespace trivium
