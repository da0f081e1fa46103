#include "tests/support/fake_bus.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "bus/receiver.h"
#include "bus/subject.h"

namespace trivium {

using bus_internal::SubscriptionReceiver;

namespace {

constexpr SubscriptionReceiver::Bounds kBounds{16384, 64 * 1024 * 1024};
constexpr char kInbox[] = "_INBOX.";

}  // namespace

struct FakeBus::Client {
  struct Subscription {
    std::string subject;
    std::string queue;
    std::shared_ptr<SubscriptionReceiver> receiver;
  };
  struct Pending {
    Executor* executor = nullptr;
    Executor::TimerId timer = Executor::kNoTimer;
    ReplyHandler on_reply;
  };
  struct Watcher {
    Executor* executor;
    std::function<void(Bus::State)> on_change;
  };

  std::string name;
  std::string region;
  bool connected = true;
  uint64_t connection = 1;  // counts connections: what travels to an old one is lost
  std::vector<Subscription> subscriptions;
  std::map<uint64_t, Pending> pending;
  std::vector<Watcher> watchers;
  uint64_t last_request = 0;
  std::shared_ptr<std::atomic<bool>> open = std::make_shared<std::atomic<bool>>(true);
  std::shared_ptr<std::atomic<uint64_t>> dropped = std::make_shared<std::atomic<uint64_t>>(0);

  void Finish(Pending request, absl::StatusOr<std::string> reply) {
    request.executor->Cancel(request.timer);
    request.executor->Post(
        [open = open, reply = std::move(reply), on_reply = std::move(request.on_reply)]() mutable {
          if (*open) on_reply(std::move(reply));
        });
  }
  void Complete(uint64_t id, absl::StatusOr<std::string> reply) {
    auto request = pending.extract(id);
    if (!request.empty()) Finish(std::move(request.mapped()), std::move(reply));
  }
  void Tell(const Watcher& watcher) {
    watcher.executor->Post([open = open, on_change = watcher.on_change, up = connected] {
      if (*open) on_change(up ? Bus::State::kConnected : Bus::State::kDisconnected);
    });
  }
  void SetConnected(bool up) {
    if (connected == up) return;
    connected = up;
    for (const Watcher& watcher : watchers) Tell(watcher);
    if (up) return;
    ++connection;
    for (auto& [id, request] : std::exchange(pending, {})) {
      Finish(std::move(request), absl::UnavailableError("the connection was lost before the answer came"));
    }
  }
};

// All under one mutex; nothing of the outside is called with it but executors and SubscriptionReceiver, which
// only post, and the filter.
struct FakeBroker::State : std::enable_shared_from_this<FakeBroker::State> {
  using Client = FakeBus::Client;

  Executor* network = nullptr;
  Random* random = nullptr;
  size_t max_payload = 0;

  mutable std::mutex mutex;
  std::vector<std::shared_ptr<Client>> clients;
  Faults faults;
  Filter filter;
  Courier courier;
  std::function<bool(const std::string& from, const std::string& to)> reach;
  SubscriptionReceiver::Bounds bounds = kBounds;
  std::vector<std::set<std::string>> groups;
  Counters counters;

  bool Chance(double share) {
    return share > 0 && static_cast<double>(random->Next() >> 11) * 0x1.0p-53 < share;
  }

  bool Reachable(const Client& from, const Client& to) const {
    if (!to.connected || (reach != nullptr && !reach(from.name, to.name))) return false;
    for (const std::set<std::string>& group : groups) {
      if (group.count(from.name) != group.count(to.name)) return false;
    }
    return true;
  }

  std::vector<absl::Duration> Delays(const std::string& from, const std::string& to, const Message& message) {
    if (courier != nullptr) {
      std::vector<absl::Duration> delays = courier(from, to, message);
      if (delays.empty()) ++counters.lost;
      return delays;
    }
    std::vector<absl::Duration> delays;
    const int copies = 1 + (Chance(faults.duplicate) ? 1 : 0);
    for (int i = 0; i < copies; ++i) {
      if (Chance(faults.drop) || (filter && !filter(from, to, message))) {
        ++counters.lost;
        continue;
      }
      delays.push_back(faults.delay);
      if (!Chance(faults.reorder)) continue;
      const uint64_t most = static_cast<uint64_t>(absl::ToInt64Microseconds(faults.reorder_by)) + 1;
      delays.back() += absl::Microseconds(static_cast<int64_t>(random->Below(most)));
    }
    return delays;
  }

  // Puts a message on its way; `arrive` runs with the mutex, unless the addressee has lost its connection.
  void Carry(const Client& from, const std::shared_ptr<Client>& to, const Message& message,
             std::function<void(Client*, const Message&)> arrive) {
    for (const absl::Duration delay : Delays(from.name, to->name, message)) {
      Task task = [self = shared_from_this(), weak = std::weak_ptr<Client>(to), connection = to->connection,
                   message, arrive] {
        const std::lock_guard<std::mutex> lock(self->mutex);
        const std::shared_ptr<Client> client = weak.lock();
        if (client == nullptr || !client->connected || client->connection != connection) {
          ++self->counters.lost;
          return;
        }
        ++self->counters.delivered;
        arrive(client.get(), message);
      };
      if (delay > absl::ZeroDuration()) {
        network->PostAfter(delay, std::move(task));
      } else {
        network->Post(std::move(task));
      }
    }
  }

  // False if nobody serves the subject.
  bool Route(const Client& from, const Message& message) {
    ++counters.published;
    if (absl::StartsWith(message.subject, kInbox)) return RouteReply(from, message);
    bool anybody = false;
    // Members of each queue group; of each group one gets it.
    std::map<std::string, std::vector<std::pair<std::shared_ptr<Client>, size_t>>> queues;
    for (const std::shared_ptr<Client>& client : clients) {
      if (!Reachable(from, *client)) continue;
      for (size_t i = 0; i < client->subscriptions.size(); ++i) {
        const Client::Subscription& subscription = client->subscriptions[i];
        if (!SubjectMatches(subscription.subject, message.subject)) continue;
        anybody = true;
        if (subscription.queue.empty()) {
          CarryTo(from, client, i, message);
        } else {
          queues[subscription.queue].emplace_back(client, i);
        }
      }
    }
    for (auto& [queue, members] : queues) {
      const auto far = std::stable_partition(members.begin(), members.end(), [&](const auto& member) {
        return member.first->region == from.region;
      });
      const size_t near = static_cast<size_t>(far - members.begin());
      const auto& [client, i] = members[random->Below(near > 0 ? near : members.size())];
      CarryTo(from, client, i, message);
    }
    return anybody;
  }

  void CarryTo(const Client& from, const std::shared_ptr<Client>& to, size_t subscription,
               const Message& message) {
    Carry(from, to, message, [subscription](Client* client, const Message& m) {
      client->subscriptions[subscription].receiver->OnMessage({m.subject, m.reply_to, m.payload});
    });
  }

  // "_INBOX.<client>.<request id>"
  bool RouteReply(const Client& from, const Message& message) {
    const size_t dot = message.subject.rfind('.');
    const std::string name = message.subject.substr(sizeof(kInbox) - 1, dot - (sizeof(kInbox) - 1));
    uint64_t id = 0;
    if (!absl::SimpleAtoi(message.subject.substr(dot + 1), &id)) return false;
    for (const std::shared_ptr<Client>& client : clients) {
      if (client->name != name || !Reachable(from, *client)) continue;
      Carry(from, client, message, [id](Client* to, const Message& m) { to->Complete(id, m.payload); });
      return true;
    }
    return false;
  }

  absl::StatusOr<bool> Send(const std::shared_ptr<Client>& from, Message message) {
    if (!IsLiteralSubject(message.subject)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", message.subject, "\" is not a subject to publish to"));
    }
    if (!from->connected) return absl::UnavailableError("not connected");
    if (message.payload.size() > max_payload) {
      return absl::InvalidArgumentError(absl::StrCat("a message of ", message.payload.size(), " bytes to ",
                                                     message.subject, "; the server takes at most ",
                                                     max_payload));
    }
    return Route(*from, message);
  }
};

FakeBroker::FakeBroker(Executor* network, Random* random, size_t max_payload)
    : state_(std::make_shared<State>()) {
  state_->network = network;
  state_->random = random;
  state_->max_payload = max_payload;
}

FakeBroker::~FakeBroker() = default;

std::unique_ptr<FakeBus> FakeBroker::Connect(const std::string& name, const std::string& region) {
  auto client = std::make_shared<FakeBus::Client>();
  client->name = name;
  client->region = region;
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->clients.push_back(client);
  return std::unique_ptr<FakeBus>(new FakeBus(state_, std::move(client)));
}

void FakeBroker::SetFaults(Faults faults) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->faults = faults;
}

void FakeBroker::SetFilter(Filter filter) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->filter = std::move(filter);
}

void FakeBroker::SetCourier(Courier courier) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->courier = std::move(courier);
}

void FakeBroker::SetReach(std::function<bool(const std::string& from, const std::string& to)> reach) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->reach = std::move(reach);
}

void FakeBroker::SetBounds(size_t messages, size_t bytes) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->bounds = {messages, bytes};
}

void FakeBroker::SetConnected(const std::string& name, bool connected) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  for (const auto& client : state_->clients) {
    if (client->name == name) client->SetConnected(connected);
  }
}

void FakeBroker::SetAllConnected(bool connected) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  for (const auto& client : state_->clients) client->SetConnected(connected);
}

void FakeBroker::Partition(std::vector<std::set<std::string>> groups) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  state_->groups = std::move(groups);
}

void FakeBroker::Heal() { Partition({}); }

FakeBroker::Counters FakeBroker::counters() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->counters;
}

FakeBus::FakeBus(std::shared_ptr<FakeBroker::State> broker, std::shared_ptr<Client> client)
    : broker_(std::move(broker)), client_(std::move(client)) {}

FakeBus::~FakeBus() {
  *client_->open = false;
  const std::lock_guard<std::mutex> lock(broker_->mutex);
  for (auto& [id, request] : client_->pending) request.executor->Cancel(request.timer);
  client_->pending.clear();
  std::erase(broker_->clients, client_);
}

absl::Status FakeBus::Publish(absl::string_view subject, absl::string_view payload) {
  const std::lock_guard<std::mutex> lock(broker_->mutex);
  return broker_->Send(client_, {std::string(subject), "", std::string(payload)}).status();
}

absl::Status FakeBus::Subscribe(const std::string& subject, const std::string& queue, Executor* executor,
                                Handler handler) {
  if (!IsSubjectPattern(subject)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", subject, "\" is not a subject to subscribe to"));
  }
  if (!queue.empty() && !IsLiteralSubject(queue)) {
    return absl::InvalidArgumentError(absl::StrCat("\"", queue, "\" is not the name of a queue group"));
  }
  const std::lock_guard<std::mutex> lock(broker_->mutex);
  client_->subscriptions.push_back(
      {subject, queue,
       std::make_shared<SubscriptionReceiver>(subject, broker_->bounds, executor, std::move(handler),
                                              client_->open, client_->dropped)});
  return absl::OkStatus();
}

void FakeBus::Request(const std::string& subject, std::string payload, absl::Duration timeout,
                      Executor* executor, ReplyHandler on_reply) {
  const std::lock_guard<std::mutex> lock(broker_->mutex);
  const uint64_t id = ++client_->last_request;
  const auto timer =
      executor->PostAfter(timeout, [broker = broker_, weak = std::weak_ptr<Client>(client_), id, subject] {
        const std::lock_guard<std::mutex> locked(broker->mutex);
        if (const auto client = weak.lock()) {
          client->Complete(id, absl::DeadlineExceededError(absl::StrCat("no answer in time from ", subject)));
        }
      });
  client_->pending[id] = {executor, timer, std::move(on_reply)};
  const absl::StatusOr<bool> sent =
      broker_->Send(client_, {subject, absl::StrCat(kInbox, client_->name, ".", id), std::move(payload)});
  if (!sent.ok()) {
    client_->Complete(id, sent.status());
  } else if (!*sent) {
    client_->Complete(id, absl::UnavailableError("nobody serves this request at the moment"));
  }
}

absl::Status FakeBus::Flush(absl::Duration) {
  const std::lock_guard<std::mutex> lock(broker_->mutex);
  return client_->connected ? absl::OkStatus() : absl::UnavailableError("not connected");
}

void FakeBus::FlushAsync(absl::Duration timeout, Executor* executor,
                         absl::AnyInvocable<void(absl::Status)> done) {
  executor->Post([status = Flush(timeout), open = client_->open, done = std::move(done)]() mutable {
    if (*open) done(std::move(status));
  });
}

void FakeBus::WatchState(Executor* executor, std::function<void(State)> on_change) {
  const std::lock_guard<std::mutex> lock(broker_->mutex);
  client_->watchers.push_back({executor, std::move(on_change)});
  client_->Tell(client_->watchers.back());
}

void FakeBus::Rebuild() {
  const std::lock_guard<std::mutex> lock(broker_->mutex);
  if (!client_->connected) return;
  client_->SetConnected(false);
  client_->SetConnected(true);
}

uint64_t FakeBus::dropped() const { return *client_->dropped; }

}  // namespace trivium
