#include "bench/bare_nats.h"

#include <nats.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "schema/subjects.h"

namespace trivium::bench {
namespace {

using Handler = BareNats::SubjectHandler;

absl::Status Check(natsStatus status, absl::string_view what) {
  if (status == NATS_OK) return absl::OkStatus();
  const char* more = nats_GetLastError(nullptr);
  return absl::UnavailableError(
      absl::StrCat(what, ": ", natsStatus_GetText(status), more == nullptr ? "" : absl::StrCat(": ", more)));
}

void OnMessage(natsConnection*, natsSubscription*, natsMsg* message, void* handler) {
  (*static_cast<Handler*>(handler))(
      natsMsg_GetSubject(message),
      absl::string_view(natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message))));
  natsMsg_Destroy(message);
}

}  // namespace

struct BareNats::Parts {
  natsOptions* options = nullptr;
  natsConnection* connection = nullptr;
  std::vector<natsSubscription*> subscriptions;
  std::vector<std::unique_ptr<Handler>> handlers;  // outlive the connection
};

BareNats::BareNats() : parts_(std::make_unique<Parts>()) {}

BareNats::~BareNats() {
  if (parts_->connection != nullptr) natsConnection_Close(parts_->connection);
  for (natsSubscription* subscription : parts_->subscriptions) natsSubscription_Destroy(subscription);
  natsConnection_Destroy(parts_->connection);
  natsOptions_Destroy(parts_->options);
}

absl::StatusOr<std::unique_ptr<BareNats>> BareNats::Connect(const BareNatsOptions& options) {
  std::unique_ptr<BareNats> nats(new BareNats());
  Parts& parts = *nats->parts_;
  TRIVIUM_RETURN_IF_ERROR(Check(natsOptions_Create(&parts.options), "options"));
  std::vector<const char*> servers;
  for (const std::string& server : options.servers) servers.push_back(server.c_str());
  const std::string inbox = subjects::InboxPrefix(options.principal);
  TRIVIUM_RETURN_IF_ERROR(Check(
      natsOptions_SetServers(parts.options, servers.data(), static_cast<int>(servers.size())), "servers"));
  TRIVIUM_RETURN_IF_ERROR(Check(natsOptions_SetSecure(parts.options, true), "TLS"));
  TRIVIUM_RETURN_IF_ERROR(
      Check(natsOptions_LoadCATrustedCertificates(parts.options, options.ca.c_str()), options.ca));
  TRIVIUM_RETURN_IF_ERROR(
      Check(natsOptions_LoadCertificatesChain(parts.options, options.cert.c_str(), options.key.c_str()),
            options.cert));
  TRIVIUM_RETURN_IF_ERROR(Check(natsOptions_SetCustomInboxPrefix(parts.options, inbox.c_str()), inbox));
  TRIVIUM_RETURN_IF_ERROR(
      Check(natsOptions_SetSendAsap(parts.options, options.send_asap), "send as soon as possible"));
  TRIVIUM_RETURN_IF_ERROR(
      Check(natsConnection_Connect(&parts.connection, parts.options),
            absl::StrCat("connect to ", options.servers.front(), " as ", options.principal)));
  return nats;
}

absl::Status BareNats::Publish(const std::string& subject, absl::string_view payload,
                               const std::string& reply_to) {
  const int size = static_cast<int>(payload.size());
  return Check(reply_to.empty()
                   ? natsConnection_Publish(parts_->connection, subject.c_str(), payload.data(), size)
                   : natsConnection_PublishRequest(parts_->connection, subject.c_str(), reply_to.c_str(),
                                                   payload.data(), size),
               subject);
}

absl::Status BareNats::Subscribe(const std::string& subject, std::function<void(absl::string_view)> handler) {
  return SubscribeSubjects(subject, [handler = std::move(handler)](
                                        absl::string_view, absl::string_view payload) { handler(payload); });
}

absl::Status BareNats::SubscribeSubjects(const std::string& subject, SubjectHandler handler) {
  auto kept = std::make_unique<Handler>(std::move(handler));
  natsSubscription* subscription = nullptr;
  const absl::Status status = Check(
      natsConnection_Subscribe(&subscription, parts_->connection, subject.c_str(), OnMessage, kept.get()),
      subject);
  if (!status.ok()) return status;
  parts_->subscriptions.push_back(subscription);
  parts_->handlers.push_back(std::move(kept));
  return absl::OkStatus();
}

absl::Status BareNats::Flush(absl::Duration timeout) {
  return Check(natsConnection_FlushTimeout(parts_->connection, absl::ToInt64Milliseconds(timeout)), "flush");
}

absl::StatusOr<std::string> BareNats::Request(const std::string& subject, absl::string_view payload,
                                              absl::Duration timeout) {
  natsMsg* message = nullptr;
  TRIVIUM_RETURN_IF_ERROR(
      Check(natsConnection_Request(&message, parts_->connection, subject.c_str(), payload.data(),
                                   static_cast<int>(payload.size()), absl::ToInt64Milliseconds(timeout)),
            subject));
  std::string answer(natsMsg_GetData(message), static_cast<size_t>(natsMsg_GetDataLength(message)));
  natsMsg_Destroy(message);
  return answer;
}

}  // namespace trivium::bench
