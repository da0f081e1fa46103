#include "bus/nats_link.h"

#include <nats.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "schema/subjects.h"

namespace trivium::bus_internal {
namespace {

// nats.c may call back with a closure after the connection or subscription was destroyed, so closures are ids
// that are looked up here.
template <typename T>
class Registry {
 public:
  uint64_t Add(std::weak_ptr<T> item) {
    const std::lock_guard<std::mutex> lock(mutex_);
    items_[++last_id_] = std::move(item);
    return last_id_;
  }
  void Remove(uint64_t id) {
    const std::lock_guard<std::mutex> lock(mutex_);
    items_.erase(id);
  }
  std::shared_ptr<T> Find(void* closure) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto it = items_.find(reinterpret_cast<uintptr_t>(closure));
    return it == items_.end() ? nullptr : it->second.lock();
  }
  static void* Closure(uint64_t id) { return reinterpret_cast<void*>(static_cast<uintptr_t>(id)); }

 private:
  std::mutex mutex_;
  absl::flat_hash_map<uint64_t, std::weak_ptr<T>> items_;
  uint64_t last_id_ = 0;
};

Registry<NatsLink>& Links() {
  static Registry<NatsLink>* const links = new Registry<NatsLink>;
  return *links;
}

absl::Status ToStatus(natsStatus status, absl::string_view what) {
  if (status == NATS_OK) return absl::OkStatus();
  const char* detail = nats_GetLastError(nullptr);
  std::string text = absl::StrCat(what, ": ", natsStatus_GetText(status));
  if (detail != nullptr && detail[0] != '\0') absl::StrAppend(&text, " (", detail, ")");
  switch (status) {
    case NATS_TIMEOUT:
      return absl::DeadlineExceededError(text);
    case NATS_MAX_PAYLOAD:
    case NATS_INVALID_ARG:
    case NATS_INVALID_SUBJECT:
    case NATS_INVALID_QUEUE_NAME:
      return absl::InvalidArgumentError(text);
    case NATS_NOT_PERMITTED:
      return absl::PermissionDeniedError(text);
    case NATS_NO_MEMORY:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::UnavailableError(text);
  }
}

int64_t Millis(absl::Duration d) { return std::max<int64_t>(1, absl::ToInt64Milliseconds(d)); }

void OnReconnected(natsConnection*, void* closure) {
  if (const auto link = Links().Find(closure)) link->OnUp();
}
void OnDisconnected(natsConnection*, void* closure) {
  if (const auto link = Links().Find(closure)) link->OnDown();
}
void OnConnectionClosed(natsConnection*, void* closure) {
  if (const auto link = Links().Find(closure)) link->OnClosed();
}
// The subscription argument may be freed already (nats.c before 3.7): never touched.
void OnAsyncError(natsConnection*, natsSubscription*, natsStatus status, void* closure) {
  if (const auto link = Links().Find(closure)) link->OnError(status);
}

natsStatus PublishWithHeaders(natsConnection* nats, const std::string& subject, const std::string& reply_to,
                              const char* data, int size, const NatsLink::Headers& headers) {
  natsMsg* message = nullptr;
  natsStatus s =
      natsMsg_Create(&message, subject.c_str(), reply_to.empty() ? nullptr : reply_to.c_str(), data, size);
  for (const auto& [name, value] : headers) {
    if (s == NATS_OK) s = natsMsgHeader_Set(message, name.c_str(), value.c_str());
  }
  if (s == NATS_OK) s = natsConnection_PublishMsg(nats, message);
  natsMsg_Destroy(message);
  return s;
}

struct OptionsDeleter {
  void operator()(natsOptions* options) const { natsOptions_Destroy(options); }
};
using OptionsPtr = std::unique_ptr<natsOptions, OptionsDeleter>;

// The library's locks spin by default, for as long as a thread's turn; where threads are more than cores that
// is time which whoever holds the lock waits for.
absl::Status OpenLibrary() {
  static const natsStatus opened = nats_Open(0);
  return ToStatus(opened, "the NATS library");
}

absl::StatusOr<OptionsPtr> MakeOptions(const NatsOptions& o, uint64_t id) {
  TRIVIUM_RETURN_IF_ERROR(OpenLibrary());
  void* const closure = Registry<NatsLink>::Closure(id);
  natsOptions* raw = nullptr;
  TRIVIUM_RETURN_IF_ERROR(ToStatus(natsOptions_Create(&raw), "options"));
  OptionsPtr options(raw);
  std::vector<const char*> servers;
  for (const std::string& server : o.servers) servers.push_back(server.c_str());
  const std::string inbox = subjects::InboxPrefix(o.principal);

  natsStatus s = natsOptions_SetServers(raw, servers.data(), static_cast<int>(servers.size()));
  if (s == NATS_OK) s = natsOptions_SetName(raw, o.principal.c_str());
  if (s == NATS_OK) s = natsOptions_SetCustomInboxPrefix(raw, inbox.c_str());
  if (s == NATS_OK) s = natsOptions_SetTimeout(raw, Millis(o.connect_timeout));
  if (s == NATS_OK) s = natsOptions_SetPingInterval(raw, Millis(o.ping_interval));
  if (s == NATS_OK) s = natsOptions_SetMaxPingsOut(raw, o.max_pings_out);
  if (s == NATS_OK) s = natsOptions_SetWriteDeadline(raw, Millis(o.write_deadline));
  if (s == NATS_OK) s = natsOptions_SetSendAsap(raw, true);
  if (s == NATS_OK) s = natsOptions_SetMaxReconnect(raw, -1);
  if (s == NATS_OK) s = natsOptions_SetReconnectWait(raw, Millis(o.reconnect_wait));
  if (s == NATS_OK) {
    s = natsOptions_SetReconnectJitter(raw, Millis(o.reconnect_jitter), Millis(o.reconnect_jitter));
  }
  // One thread of the library hands on what all connections receive: receivers only pass it to executors.
  if (s == NATS_OK) s = natsOptions_UseGlobalMessageDelivery(raw, true);
  // Publishing while away fails instead of being sent late.
  if (s == NATS_OK) s = natsOptions_SetReconnectBufSize(raw, 1);
  // Agents must stay on the servers they are given (docs/nats.md, topology).
  if (s == NATS_OK) s = natsOptions_SetIgnoreDiscoveredServers(raw, true);
  if (s == NATS_OK) s = natsOptions_SetRetryOnFailedConnect(raw, true, OnReconnected, closure);
  if (s == NATS_OK) s = natsOptions_SetReconnectedCB(raw, OnReconnected, closure);
  if (s == NATS_OK) s = natsOptions_SetDisconnectedCB(raw, OnDisconnected, closure);
  if (s == NATS_OK) s = natsOptions_SetClosedCB(raw, OnConnectionClosed, closure);
  if (s == NATS_OK) s = natsOptions_SetErrorHandler(raw, OnAsyncError, closure);
  TRIVIUM_RETURN_IF_ERROR(ToStatus(s, "options"));
  if (!o.ca.empty()) {
    s = natsOptions_SetSecure(raw, true);
    if (s == NATS_OK) s = natsOptions_LoadCATrustedCertificates(raw, o.ca.c_str());
    if (s != NATS_OK) {
      return absl::InvalidArgumentError(ToStatus(s, absl::StrCat("CA file ", o.ca)).message());
    }
    s = natsOptions_LoadCertificatesChain(raw, o.cert.c_str(), o.key.c_str());
    if (s != NATS_OK) {
      const auto why = ToStatus(s, absl::StrCat("certificate ", o.cert, " with key ", o.key));
      return absl::InvalidArgumentError(why.message());
    }
  }
  return options;
}

}  // namespace

// One subscription of one connection. `live` ends before another link takes the receiver over.
struct NatsLink::Delivery {
  uint64_t id = 0;
  std::mutex mutex;
  bool live = true;
  std::shared_ptr<Receiver> receiver;

  static Registry<Delivery>& All() {
    static Registry<Delivery>* const all = new Registry<Delivery>;
    return *all;
  }
  static void OnMessage(natsConnection*, natsSubscription*, natsMsg* msg, void* closure) {
    if (const std::shared_ptr<Delivery> delivery = All().Find(closure)) {
      const char* const subject = natsMsg_GetSubject(msg);
      const char* const reply = natsMsg_GetReply(msg);
      const Incoming incoming{
          subject == nullptr ? absl::string_view() : subject, reply == nullptr ? absl::string_view() : reply,
          absl::string_view(natsMsg_GetData(msg), static_cast<size_t>(natsMsg_GetDataLength(msg))),
          natsMsg_IsNoResponders(msg)};
      const std::lock_guard<std::mutex> lock(delivery->mutex);
      if (delivery->live) delivery->receiver->OnMessage(incoming);
    }
    natsMsg_Destroy(msg);
  }
};

// Destroyed by its last user, after Close.
struct NatsLink::Connection {
  natsConnection* nats = nullptr;
  std::vector<natsSubscription*> subscriptions;
  ~Connection() {
    for (natsSubscription* subscription : subscriptions) natsSubscription_Destroy(subscription);
    natsConnection_Destroy(nats);
  }
};

absl::Status NatsLink::CheckOptions(const NatsOptions& options) {
  if (options.servers.empty()) return absl::InvalidArgumentError("nats: no servers given");
  const bool tls = !options.ca.empty();
  if (options.cert.empty() == tls || options.key.empty() == tls) {
    return absl::InvalidArgumentError("nats: ca, cert and key belong together; give all three or none");
  }
  for (const std::string& server : options.servers) {
    const bool known = absl::StartsWith(server, "tls://") || (!tls && absl::StartsWith(server, "nats://"));
    if (!known) {
      return absl::InvalidArgumentError(
          absl::StrCat("nats: server \"", server, "\"; want ", tls ? "tls" : "nats", "://host:port"));
    }
  }
  if (!IsSubjectToken(options.principal)) {
    return absl::InvalidArgumentError(
        absl::StrCat("nats: \"", options.principal, "\" is not a principal: want <cluster>:<role>:<name>"));
  }
  return Annotate(MakeOptions(options, 0).status(), "nats");
}

std::shared_ptr<NatsLink> NatsLink::Start(const NatsOptions& options, std::weak_ptr<Observer> observer,
                                          std::vector<Wanted> wanted) {
  std::shared_ptr<NatsLink> link(new NatsLink(options, std::move(observer), std::move(wanted)));
  link->id_ = Links().Add(link);
  // nats.c connects in the caller's thread, and a server that freezes within the TLS handshake holds it
  // there.
  std::thread([link] { link->Connect(); }).detach();
  return link;
}

NatsLink::NatsLink(const NatsOptions& options, std::weak_ptr<Observer> observer, std::vector<Wanted> wanted)
    : options_(options), observer_(std::move(observer)), wanted_(std::move(wanted)) {}

NatsLink::~NatsLink() { Links().Remove(id_); }

void NatsLink::Connect() {
  absl::StatusOr<OptionsPtr> options = MakeOptions(options_, id_);
  natsConnection* nats = nullptr;
  natsStatus s = NATS_ERR;
  absl::Status failure = options.status();
  if (options.ok()) {
    s = natsConnection_Connect(&nats, options->get());
    if (s != NATS_OK && s != NATS_NOT_YET_CONNECTED) failure = ToStatus(s, "connect");
  }
  bool abandoned = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (nats != nullptr) {
      connection_ = std::make_shared<Connection>();
      connection_->nats = nats;
    }
    abandoned = abandoned_;
    if (!abandoned && failure.ok()) {
      for (const Wanted& wanted : wanted_) SubscribeNow(wanted);
    }
    wanted_.clear();
  }
  if (abandoned) {
    Close();
  } else if (!failure.ok()) {
    End(std::string(failure.message()));
  } else {
    const std::lock_guard<std::mutex> lock(report_mutex_);
    if (s == NATS_OK && !heard_) up_ = true;
    ready_ = true;
    Report(up_);
  }
  nats_ReleaseThreadMemory();
}

void NatsLink::SubscribeNow(const Wanted& wanted) {
  auto delivery = std::make_shared<Delivery>();
  delivery->receiver = wanted.receiver;
  delivery->id = Delivery::All().Add(delivery);
  void* const closure = Registry<Delivery>::Closure(delivery->id);
  natsSubscription* subscription = nullptr;
  const natsStatus s =
      wanted.queue.empty()
          ? natsConnection_Subscribe(&subscription, connection_->nats, wanted.subject.c_str(),
                                     Delivery::OnMessage, closure)
          : natsConnection_QueueSubscribe(&subscription, connection_->nats, wanted.subject.c_str(),
                                          wanted.queue.c_str(), Delivery::OnMessage, closure);
  if (s != NATS_OK) {
    Delivery::All().Remove(delivery->id);
    // Its successor will subscribe: the owner keeps the list.
    const std::string why = absl::StrCat("subscribe ", wanted.subject, ": ", natsStatus_GetText(s));
    std::thread([self = shared_from_this(), why] { self->End(why); }).detach();
    return;
  }
  deliveries_.push_back(std::move(delivery));
  connection_->subscriptions.push_back(subscription);
}

std::shared_ptr<NatsLink::Connection> NatsLink::connection() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return abandoned_ ? nullptr : connection_;
}

absl::Status NatsLink::Publish(const std::string& subject, const std::string& reply_to,
                               absl::string_view payload, const Headers& headers) {
  const std::shared_ptr<Connection> connection = this->connection();
  if (connection == nullptr) return absl::UnavailableError("not connected to a NATS server");
  const int size = static_cast<int>(std::min<size_t>(payload.size(), INT32_MAX));
  natsStatus s = NATS_OK;
  if (!headers.empty()) {
    s = PublishWithHeaders(connection->nats, subject, reply_to, payload.data(), size, headers);
  } else if (reply_to.empty()) {
    s = natsConnection_Publish(connection->nats, subject.c_str(), payload.data(), size);
  } else {
    s = natsConnection_PublishRequest(connection->nats, subject.c_str(), reply_to.c_str(), payload.data(),
                                      size);
  }
  if (s == NATS_MAX_PAYLOAD) {
    return absl::InvalidArgumentError(absl::StrCat("a message of ", payload.size(), " bytes to ", subject,
                                                   "; the server takes at most ",
                                                   natsConnection_GetMaxPayload(connection->nats)));
  }
  return ToStatus(s, absl::StrCat("publish ", subject));
}

void NatsLink::Subscribe(Wanted wanted) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (abandoned_) return;
  if (connection_ == nullptr) {
    wanted_.push_back(std::move(wanted));
  } else {
    SubscribeNow(wanted);
  }
}

absl::Status NatsLink::Flush(absl::Duration timeout) {
  const std::shared_ptr<Connection> connection = this->connection();
  if (connection == nullptr) return absl::UnavailableError("not connected to a NATS server");
  return ToStatus(natsConnection_FlushTimeout(connection->nats, Millis(timeout)), "flush");
}

void NatsLink::Abandon() {
  std::vector<std::shared_ptr<Delivery>> deliveries;
  bool connected = false;
  {
    const std::lock_guard<std::mutex> lock(report_mutex_);
    silent_ = true;
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (abandoned_) return;
    abandoned_ = true;
    deliveries.swap(deliveries_);
    connected = connection_ != nullptr;
  }
  for (const std::shared_ptr<Delivery>& delivery : deliveries) {
    Delivery::All().Remove(delivery->id);
    const std::lock_guard<std::mutex> lock(delivery->mutex);
    delivery->live = false;
  }
  // Else the thread that connects will find out. Closing joins threads of nats.c.
  if (connected) std::thread([self = shared_from_this()] { self->Close(); }).detach();
}

void NatsLink::Close() {
  std::shared_ptr<Connection> connection;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    connection = connection_;
  }
  if (connection != nullptr) natsConnection_Close(connection->nats);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    connection_.reset();
  }
  connection.reset();
  nats_ReleaseThreadMemory();
  const std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  changed_.notify_all();
}

bool NatsLink::WaitClosed(absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  return changed_.wait_for(lock, absl::ToChronoMilliseconds(timeout), [this] { return closed_; });
}

void NatsLink::Report(bool up) {
  if (silent_) return;
  if (const std::shared_ptr<Observer> observer = observer_.lock()) observer->OnLinkState(this, up);
}

void NatsLink::End(const std::string& why) {
  const std::lock_guard<std::mutex> lock(report_mutex_);
  if (silent_ || ended_) return;
  ended_ = true;
  if (const std::shared_ptr<Observer> observer = observer_.lock()) observer->OnLinkEnd(this, why);
}

void NatsLink::OnUp() {
  const std::lock_guard<std::mutex> lock(report_mutex_);
  heard_ = up_ = true;
  if (ready_) Report(true);
}

void NatsLink::OnDown() {
  const std::lock_guard<std::mutex> lock(report_mutex_);
  heard_ = true;
  up_ = false;
  if (ready_) Report(false);
}

void NatsLink::OnClosed() {
  OnDown();
  End("closed by the client library");
}

void NatsLink::OnError(int status) {
  const char* detail = nullptr;
  std::string text = natsStatus_GetText(static_cast<natsStatus>(status));
  if (const std::shared_ptr<Connection> connection = this->connection()) {
    natsConnection_GetLastError(connection->nats, &detail);
    if (detail != nullptr && detail[0] != '\0') absl::StrAppend(&text, " (", detail, ")");
  }
  spdlog::warn("nats: error principal={} error=\"{}\"", options_.principal, text);
  if (status != NATS_NOT_PERMITTED) return;
  if (const std::shared_ptr<Observer> observer = observer_.lock()) observer->OnRefused(text);
}

}  // namespace trivium::bus_internal
