#include "controlplane/lease/forwarder.h"

#include <spdlog/spdlog.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "controlplane/writer/writer.h"

namespace trivium {
namespace {

// A request that is as long as a message may be has no room for its envelope.
constexpr size_t kMaxForwardedBytes = 1000 * 1024;

// The asker of ours should hear from us before its own patience ends.
constexpr double kShareOfTimeout = 0.95;

}  // namespace

Forwarder::Forwarder(Principal self, LeaseKeeper* leases, Bus* bus, Executor* executor, const Clock* clock,
                     Options options)
    : self_(std::move(self)),
      leases_(leases),
      bus_(bus),
      executor_(executor),
      clock_(clock),
      options_(options) {
  leases_->Observe([this, alive = alive_.Watch()](const std::string& cluster) {
    if (alive.expired() || cluster != self_.cluster) return;
    trusted_from_ = -absl::InfiniteDuration();
    TakeBackAll();
  });
}

void Forwarder::Send(const Principal& who, std::string request, absl::Duration timeout, Answer answer,
                     Local local) {
  const absl::Duration now = clock_->Monotonic();
  const std::string holder = stopped_ ? std::string() : leases_->Elsewhere(self_.cluster);
  if (holder.empty() || now < trusted_from_ || request.size() > kMaxForwardedBytes) {
    return local(std::move(answer));
  }
  v1::Request envelope;
  envelope.mutable_forward()->set_principal(who.ToString());
  envelope.mutable_forward()->set_request(std::move(request));
  const uint64_t id = next_id_++;
  waiting_.emplace(id, One{holder, now, std::move(answer), std::move(local)});
  ++counters_.sent;
  Watch();
  bus_->Request(subjects::Forward(self_.cluster, self_.ToString(), holder), envelope.SerializeAsString(),
                timeout * kShareOfTimeout, executor_,
                [this, alive = alive_.Watch(), id](const absl::StatusOr<std::string>& reply) {
                  if (!alive.expired()) OnReply(id, reply);
                });
}

void Forwarder::OnReply(uint64_t id, const absl::StatusOr<std::string>& reply) {
  const auto it = waiting_.find(id);
  if (reply.ok()) heard_ = clock_->Monotonic();
  if (it == waiting_.end()) return;  // done here meanwhile
  v1::Reply parsed;
  if (absl::IsDeadlineExceeded(reply.status())) {
    parsed = ErrorReply(absl::DeadlineExceededError(
        absl::StrCat("control plane ", it->second.holder,
                     ", which commits for the cluster, did not answer in time, the outcome is unknown: "
                     "repeat the request with the same request id")));
  } else if (!reply.ok() || !parsed.ParseFromString(*reply) ||
             parsed.code() == static_cast<uint32_t>(absl::StatusCode::kUnavailable)) {
    // It is gone, or leaving, or cannot reach the database: perhaps we can.
    Distrust();
    return TakeBack(id);
  }
  ++counters_.answered;
  Answer answer = std::move(it->second.answer);
  waiting_.erase(it);
  answer(parsed);
}

void Forwarder::TakeBack(uint64_t id) {
  auto node = waiting_.extract(id);
  if (node.empty()) return;
  ++counters_.taken_back;
  node.mapped().local(std::move(node.mapped().answer));
}

void Forwarder::TakeBackAll() {
  std::vector<uint64_t> ids;
  for (const auto& [id, one] : waiting_) ids.push_back(id);
  for (const uint64_t id : ids) TakeBack(id);
}

void Forwarder::Distrust() { trusted_from_ = clock_->Monotonic() + options_.distrust; }

void Forwarder::Watch() {
  if (std::exchange(watching_, true)) return;
  executor_->PostAfter(options_.patience / 4, [this, alive = alive_.Watch()] {
    if (alive.expired()) return;
    watching_ = false;
    if (waiting_.empty()) return;
    const absl::Duration now = clock_->Monotonic();
    const One& oldest = waiting_.begin()->second;
    if (now - oldest.sent >= options_.patience && now - heard_ >= options_.patience) {
      spdlog::warn("nothing comes from the holder of the writer lease cluster={} holder={} requests={}",
                   self_.cluster, oldest.holder, waiting_.size());
      Distrust();
      return TakeBackAll();
    }
    Watch();
  });
}

void Forwarder::Stop() {
  stopped_ = true;
  TakeBackAll();
}

}  // namespace trivium
