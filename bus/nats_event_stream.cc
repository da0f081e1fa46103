#include "bus/nats_event_stream.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "bus/jetstream_json.h"

namespace trivium {
namespace {

using bus_internal::ConsumerConfigJson;
using bus_internal::ErrorIn;
using bus_internal::LastRequestJson;
using bus_internal::ParsePublishAnswer;
using bus_internal::ParseStoredEvent;
using bus_internal::ParseStreamState;
using bus_internal::StreamConfigJson;

constexpr char kApi[] = "$JS.API.";

}  // namespace

NatsEventStream::NatsEventStream(NatsBus* bus, Executor* executor, absl::Duration timeout)
    : bus_(bus), executor_(executor), timeout_(timeout) {}

void NatsEventStream::Call(const std::string& subject, std::string payload, Callback<std::string> done) {
  bus_->Request(
      absl::StrCat(kApi, subject), std::move(payload), timeout_, executor_,
      [alive = alive_.Watch(), subject, done = std::move(done)](absl::StatusOr<std::string> answer) mutable {
        if (alive.expired()) return;
        if (!answer.ok()) return done(Annotate(answer.status(), subject));
        done(std::move(answer));
      });
}

void NatsEventStream::Ensure(const StreamConfig& config, Callback<StreamState> done) {
  const std::string wanted = StreamConfigJson(config);
  Call(absl::StrCat("STREAM.CREATE.", config.name), wanted,
       [this, name = config.name, wanted, done = std::move(done)](absl::StatusOr<std::string> made) mutable {
         if (!made.ok()) return done(made.status());
         // It is there, with other limits.
         const absl::Status error = ErrorIn(*made);
         if (absl::IsFailedPrecondition(error) && absl::StrContains(error.message(), "10058")) {
           Call(absl::StrCat("STREAM.UPDATE.", name), wanted,
                [done = std::move(done)](absl::StatusOr<std::string> changed) mutable {
                  if (!changed.ok()) return done(changed.status());
                  done(ParseStreamState(*changed));
                });
           return;
         }
         done(ParseStreamState(*made));
       });
}

void NatsEventStream::EnsureConsumer(const std::string& stream, const ConsumerConfig& config, Done done) {
  Call(absl::StrCat("CONSUMER.DURABLE.CREATE.", stream, ".", config.name), ConsumerConfigJson(stream, config),
       [done = std::move(done)](absl::StatusOr<std::string> answer) mutable {
         done(answer.ok() ? ErrorIn(*answer) : answer.status());
       });
}

void NatsEventStream::Last(const std::string& stream, const std::string& subjects,
                           Callback<std::optional<StoredEvent>> done) {
  Call(absl::StrCat("STREAM.MSG.GET.", stream), LastRequestJson(subjects),
       [done = std::move(done)](absl::StatusOr<std::string> answer) mutable {
         if (!answer.ok()) return done(answer.status());
         done(ParseStoredEvent(*answer));
       });
}

void NatsEventStream::Publish(const std::string& stream, EventMessage message, const Fence& fence,
                              absl::Duration timeout, Callback<uint64_t> done) {
  EventHeaders headers = std::move(message.headers);
  headers.emplace_back("Nats-Msg-Id", std::move(message.id));
  // The stream keeps headers with the message: one that somebody has sent back into a stream is refused
  // there, whatever the stream, for it is never again what comes next.
  headers.emplace_back("Nats-Expected-Stream", stream);
  headers.emplace_back("Nats-Expected-Last-Sequence", absl::StrCat(fence.last_sequence));
  if (!fence.last_id.empty()) headers.emplace_back("Nats-Expected-Last-Msg-Id", fence.last_id);
  bus_->RequestWithHeaders(
      message.subject, headers, std::move(message.payload), timeout, executor_,
      [alive = alive_.Watch(), done = std::move(done)](absl::StatusOr<std::string> answer) mutable {
        if (alive.expired()) return;
        if (!answer.ok()) return done(answer.status());
        done(ParsePublishAnswer(*answer));
      });
}

}  // namespace trivium
