#include "bus/nats_bus.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <mutex>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/backoff.h"
#include "bus/nats_link.h"
#include "bus/receiver.h"
#include "bus/subject.h"
#include "schema/subjects.h"

namespace trivium {

using bus_internal::Incoming;
using bus_internal::NatsLink;
using bus_internal::Receiver;
using bus_internal::SubscriptionReceiver;

namespace {

constexpr absl::Duration kCloseTimeout = absl::Seconds(5);
constexpr absl::Duration kRestartFloor = absl::Milliseconds(100);
constexpr absl::Duration kRestartCap = absl::Seconds(5);

}  // namespace

// Locks: subscribe_mutex_ before mutex_; neither is held while a link is called that could call back.
class NatsBus::Core final : public NatsLink::Observer, public std::enable_shared_from_this<NatsBus::Core> {
 public:
  Core(NatsOptions options, Random* random)
      : options_(std::move(options)),
        inbox_(absl::StrCat(subjects::InboxPrefix(options_.principal), ".", random->NewId().ToHex())),
        backoff_(kRestartFloor, kRestartCap, random),
        driver_(std::make_unique<LoopExecutor>("nats-driver")) {}

  void Open() {
    const std::lock_guard<std::mutex> subscribing(subscribe_mutex_);
    wanted_.push_back({absl::StrCat(inbox_, ".*"), "", std::make_shared<Inbox>(weak_from_this())});
    Replace(nullptr);
  }

  void Shutdown() {
    *open_ = false;
    std::shared_ptr<NatsLink> link;
    std::unique_ptr<LoopExecutor> driver;
    absl::flat_hash_map<uint64_t, Pending> pending;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      link = std::move(link_);
      driver = std::move(driver_);
      pending = std::move(pending_);
      watchers_.clear();
    }
    for (auto& [id, request] : pending) request.executor->Cancel(request.timer);
    if (link != nullptr) {
      link->Abandon();
      if (!link->WaitClosed(kCloseTimeout)) {
        spdlog::warn("nats: connection was not closed in time principal={}", options_.principal);
      }
    }
  }

  absl::Status Send(absl::string_view subject, const std::string& reply_to, absl::string_view payload,
                    const NatsLink::Headers& headers = {}) {
    if (!IsLiteralSubject(subject)) {
      return absl::InvalidArgumentError(absl::StrCat("\"", subject, "\" is not a subject to publish to"));
    }
    std::shared_ptr<NatsLink> link;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (state_ == State::kConnected) link = link_;
    }
    if (link == nullptr) return absl::UnavailableError("not connected to a NATS server");
    return link->Publish(std::string(subject), reply_to, payload, headers);
  }

  absl::Status Subscribe(const std::string& subject, const std::string& queue, Executor* executor,
                         Handler handler) {
    if (!IsSubjectPattern(subject)) {
      return absl::InvalidArgumentError(absl::StrCat("\"", subject, "\" is not a subject to subscribe to"));
    }
    if (!queue.empty() && !IsLiteralSubject(queue)) {
      return absl::InvalidArgumentError(absl::StrCat("\"", queue, "\" is not the name of a queue group"));
    }
    NatsLink::Wanted wanted{
        subject, queue,
        std::make_shared<SubscriptionReceiver>(
            subject, SubscriptionReceiver::Bounds{options_.max_pending_messages, options_.max_pending_bytes},
            executor, std::move(handler), open_, dropped_)};
    const std::lock_guard<std::mutex> subscribing(subscribe_mutex_);
    wanted_.push_back(wanted);
    if (const std::shared_ptr<NatsLink> link = this->link()) link->Subscribe(std::move(wanted));
    return absl::OkStatus();
  }

  void Request(const std::string& subject, const NatsLink::Headers& headers, const std::string& payload,
               absl::Duration timeout, Executor* executor, ReplyHandler on_reply) {
    uint64_t id = 0;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      id = ++last_request_;
      pending_[id] = Pending{executor, Executor::kNoTimer, std::move(on_reply)};
    }
    const Executor::TimerId timer = executor->PostAfter(timeout, [weak = weak_from_this(), id, subject] {
      if (const std::shared_ptr<Core> core = weak.lock()) {
        core->Complete(id, absl::DeadlineExceededError(absl::StrCat("no answer in time from ", subject)));
      }
    });
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto it = pending_.find(id);
      if (it == pending_.end()) {  // failed already, with the connection
        executor->Cancel(timer);
        return;
      }
      it->second.timer = timer;
    }
    const absl::Status sent = Send(subject, absl::StrCat(inbox_, ".", id), payload, headers);
    if (!sent.ok()) Complete(id, sent);
  }

  absl::Status Flush(absl::Duration timeout) {
    const std::shared_ptr<NatsLink> link = this->link();
    if (link == nullptr) return absl::UnavailableError("not connected to a NATS server");
    return link->Flush(timeout);
  }

  void FlushAsync(absl::Duration timeout, Executor* executor, absl::AnyInvocable<void(absl::Status)> done) {
    const std::lock_guard<std::mutex> lock(mutex_);
    driver_->Post([self = shared_from_this(), timeout, executor, open = open_,
                   done = std::move(done)]() mutable {
      absl::Status status = self->Flush(timeout);
      self.reset();  // the driver's thread must not be the one that destroys the core
      executor->Post([open = std::move(open), status = std::move(status), done = std::move(done)]() mutable {
        if (*open) done(std::move(status));
      });
    });
  }

  void WatchState(Executor* executor, std::function<void(State)> on_change) {
    const std::lock_guard<std::mutex> lock(mutex_);
    watchers_.push_back({executor, std::move(on_change)});
    Tell(watchers_.back());
  }

  void Rebuild() {
    const std::lock_guard<std::mutex> subscribing(subscribe_mutex_);
    rebuilds_ += 1;
    Replace(this->link());
  }

  NatsCounters counters() const { return NatsCounters{*dropped_, disconnects_, rebuilds_, refused_}; }

  // ---- From links
  // -------------------------------------------------------------------------------------------

  void OnLinkState(NatsLink* link, bool up) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (link_.get() != link) return;
    if (up) backoff_.Reset();
    SetState(up ? State::kConnected : State::kDisconnected);
  }

  void OnLinkEnd(NatsLink* link, const std::string& why) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (link_.get() != link || driver_ == nullptr) return;
    SetState(State::kDisconnected);
    const absl::Duration delay = backoff_.Next();
    spdlog::warn("nats: connection ended principal={} why=\"{}\" again_in={}", options_.principal, why,
                 absl::FormatDuration(delay));
    driver_->PostAfter(delay, [weak = weak_from_this(), ended = std::weak_ptr<NatsLink>(link_)] {
      const std::shared_ptr<Core> core = weak.lock();
      if (core == nullptr) return;
      const std::lock_guard<std::mutex> subscribing(core->subscribe_mutex_);
      const std::shared_ptr<NatsLink> old = ended.lock();
      if (old == nullptr || core->link() != old) return;  // replaced meanwhile
      core->rebuilds_ += 1;
      core->Replace(old);
    });
  }

  void OnRefused(const std::string&) override { refused_ += 1; }

 private:
  struct Pending {
    Executor* executor = nullptr;
    Executor::TimerId timer = Executor::kNoTimer;
    ReplyHandler on_reply;
  };
  struct Watcher {
    Executor* executor;
    std::function<void(State)> on_change;
  };

  // The one subscription for all answers: <inbox>.<request id>.
  class Inbox final : public Receiver {
   public:
    explicit Inbox(std::weak_ptr<Core> core) : core_(std::move(core)) {}
    void OnMessage(const Incoming& message) override {
      const std::shared_ptr<Core> core = core_.lock();
      uint64_t id = 0;
      if (core == nullptr || !absl::SimpleAtoi(message.subject.substr(message.subject.rfind('.') + 1), &id)) {
        return;
      }
      if (message.no_responders) {
        core->Complete(id, absl::UnavailableError("nobody serves this request at the moment"));
      } else {
        core->Complete(id, std::string(message.payload));
      }
    }

   private:
    const std::weak_ptr<Core> core_;
  };

  std::shared_ptr<NatsLink> link() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return link_;
  }

  // With subscribe_mutex_.
  void Replace(const std::shared_ptr<NatsLink>& old) {
    if (old != nullptr) old->Abandon();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (driver_ == nullptr) return;  // shut down
    SetState(State::kDisconnected);
    link_ = NatsLink::Start(options_, weak_from_this(), wanted_);
  }

  // With mutex_.
  void SetState(State state) {
    if (state_ == state) return;
    state_ = state;
    spdlog::info("nats: connection state={} principal={}", state == State::kConnected ? "up" : "down",
                 options_.principal);
    for (const Watcher& watcher : watchers_) Tell(watcher);
    if (state == State::kConnected) return;
    disconnects_ += 1;
    for (auto& [id, request] : pending_) {
      Finish(std::move(request), absl::UnavailableError("the connection was lost before the answer came"));
    }
    pending_.clear();
  }

  void Tell(const Watcher& watcher) {
    watcher.executor->Post([open = open_, on_change = watcher.on_change, state = state_] {
      if (*open) on_change(state);
    });
  }

  void Complete(uint64_t id, absl::StatusOr<std::string> reply) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto it = pending_.find(id);
    if (it == pending_.end()) return;
    Finish(std::move(it->second), std::move(reply));
    pending_.erase(it);
  }

  void Finish(Pending request, absl::StatusOr<std::string> reply) {
    if (request.timer != Executor::kNoTimer) request.executor->Cancel(request.timer);
    request.executor->Post(
        [open = open_, reply = std::move(reply), on_reply = std::move(request.on_reply)]() mutable {
          if (*open) on_reply(std::move(reply));
        });
  }

  const NatsOptions options_;
  const std::string inbox_;
  const std::shared_ptr<std::atomic<bool>> open_ = std::make_shared<std::atomic<bool>>(true);
  const std::shared_ptr<std::atomic<uint64_t>> dropped_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::atomic<uint64_t> disconnects_{0};
  std::atomic<uint64_t> rebuilds_{0};
  std::atomic<uint64_t> refused_{0};

  std::mutex subscribe_mutex_;
  std::vector<NatsLink::Wanted> wanted_;

  std::mutex mutex_;
  Backoff backoff_;
  std::unique_ptr<LoopExecutor> driver_;  // flushes, and replaces links that ended
  std::shared_ptr<NatsLink> link_;
  State state_ = State::kDisconnected;
  std::vector<Watcher> watchers_;
  absl::flat_hash_map<uint64_t, Pending> pending_;
  uint64_t last_request_ = 0;
};

absl::StatusOr<std::unique_ptr<NatsBus>> NatsBus::Create(NatsOptions options, Random* random) {
  if (absl::Status checked = NatsLink::CheckOptions(options); !checked.ok()) return checked;
  auto core = std::make_shared<Core>(std::move(options), random);
  core->Open();
  return std::unique_ptr<NatsBus>(new NatsBus(std::move(core)));
}

NatsBus::NatsBus(std::shared_ptr<Core> core) : core_(std::move(core)) {}
NatsBus::~NatsBus() { core_->Shutdown(); }

absl::Status NatsBus::Publish(absl::string_view subject, absl::string_view payload) {
  return core_->Send(subject, "", payload);
}
absl::Status NatsBus::Subscribe(const std::string& subject, const std::string& queue, Executor* executor,
                                Handler handler) {
  return core_->Subscribe(subject, queue, executor, std::move(handler));
}
void NatsBus::Request(const std::string& subject, std::string payload, absl::Duration timeout,
                      Executor* executor, ReplyHandler on_reply) {
  core_->Request(subject, {}, payload, timeout, executor, std::move(on_reply));
}
void NatsBus::RequestWithHeaders(const std::string& subject,
                                 const std::vector<std::pair<std::string, std::string>>& headers,
                                 std::string payload, absl::Duration timeout, Executor* executor,
                                 ReplyHandler on_reply) {
  core_->Request(subject, headers, payload, timeout, executor, std::move(on_reply));
}
absl::Status NatsBus::Flush(absl::Duration timeout) { return core_->Flush(timeout); }
void NatsBus::FlushAsync(absl::Duration timeout, Executor* executor,
                         absl::AnyInvocable<void(absl::Status)> done) {
  core_->FlushAsync(timeout, executor, std::move(done));
}
void NatsBus::WatchState(Executor* executor, std::function<void(State)> on_change) {
  core_->WatchState(executor, std::move(on_change));
}
void NatsBus::Rebuild() { core_->Rebuild(); }
NatsCounters NatsBus::counters() const { return core_->counters(); }

}  // namespace trivium
