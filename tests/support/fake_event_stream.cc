#include "tests/support/fake_event_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "bus/subject.h"

namespace trivium {
namespace {

absl::Status Down() { return absl::UnavailableError("the stream server is down"); }

}  // namespace

FakeStreamServer::Stream* FakeStreamServer::Find(const std::string& name) {
  const auto it = streams_.find(name);
  return it == streams_.end() ? nullptr : &it->second;
}

void FakeStreamServer::Expire(const std::string& name) {
  Stream* const stream = Find(name);
  if (stream == nullptr) return;
  stream->messages.clear();
  stream->ids.clear();
  stream->first = stream->last + 1;
}

void FakeStreamServer::EndWindow() {
  for (auto& [name, stream] : streams_) stream.ids.clear();
}

void FakeStreamServer::ForgetIds() {
  for (auto& [name, stream] : streams_) {
    stream.ids.clear();
    stream.last_id.clear();
  }
}

absl::StatusOr<uint64_t> FakeStreamServer::Store(const std::string& name, const EventMessage& message,
                                                 const Fence& fence) {
  Stream* const stream = Find(name);
  if (stream == nullptr) return absl::UnavailableError("no stream listens");
  if (const auto known = stream->ids.find(message.id); known != stream->ids.end()) return known->second;
  if (fence.last_sequence != stream->last) {
    return absl::AbortedError(absl::StrCat("wrong last sequence: ", stream->last));
  }
  if (!fence.last_id.empty() && fence.last_id != stream->last_id) {
    if (stream->last_id.empty()) return absl::FailedPreconditionError("wrong last msg ID: ");
    return absl::AbortedError(absl::StrCat("wrong last msg ID: ", stream->last_id));
  }
  const uint64_t sequence = ++stream->last;
  StoredEvent stored{sequence, message.subject, message.id, message.headers, message.payload};
  stored.headers.emplace_back("Nats-Msg-Id", message.id);
  stream->messages[sequence] = std::move(stored);
  stream->ids[message.id] = sequence;
  stream->last_id = message.id;
  return sequence;
}

template <typename T>
void FakeEventStream::Answer(absl::StatusOr<T> answer, Callback<T> done) {
  executor_->Post([alive = alive_.Watch(), answer = std::move(answer), done = std::move(done)]() mutable {
    if (!alive.expired()) done(std::move(answer));
  });
}

void FakeEventStream::Ensure(const StreamConfig& config, Callback<StreamState> done) {
  if (!server_->up_) return Answer<StreamState>(Down(), std::move(done));
  FakeStreamServer::Stream& stream = server_->streams_[config.name];
  if (stream.made.empty()) stream.made = absl::StrCat("made-", ++server_->made_);
  stream.config = config;
  Answer<StreamState>(StreamState{stream.made, stream.messages.size(), stream.first, stream.last},
                      std::move(done));
}

void FakeEventStream::EnsureConsumer(const std::string& name, const ConsumerConfig& config, Done done) {
  absl::Status status = Down();
  if (server_->up_) {
    FakeStreamServer::Stream* const stream = server_->Find(name);
    status = stream == nullptr ? absl::UnavailableError("stream not found") : absl::OkStatus();
    if (stream != nullptr) stream->consumers[config.name] = config;
  }
  executor_->Post([alive = alive_.Watch(), status, done = std::move(done)]() mutable {
    if (!alive.expired()) done(status);
  });
}

void FakeEventStream::Last(const std::string& name, const std::string& subjects,
                           Callback<std::optional<StoredEvent>> done) {
  using Found = std::optional<StoredEvent>;
  if (!server_->up_) return Answer<Found>(Down(), std::move(done));
  FakeStreamServer::Stream* const stream = server_->Find(name);
  if (stream == nullptr) return Answer<Found>(absl::UnavailableError("stream not found"), std::move(done));
  Found found;
  for (const auto& [sequence, message] : stream->messages) {
    if (SubjectMatches(subjects, message.subject)) found = message;
  }
  Answer<Found>(std::move(found), std::move(done));
}

void FakeEventStream::Publish(const std::string& name, EventMessage message, const Fence& fence,
                              absl::Duration timeout, Callback<uint64_t> done) {
  using Fate = FakeStreamServer::Fate;
  const size_t max = server_->max_payload_;
  if (message.payload.size() > max) {
    return Answer<uint64_t>(
        absl::InvalidArgumentError(
            absl::StrCat("a message of ", message.payload.size(), " bytes; the server takes at most ", max)),
        std::move(done));
  }
  const Fate fate = server_->judge_ == nullptr ? Fate::kStored : server_->judge_(message);
  if (!server_->up_ || fate == Fate::kLost) {
    return Answer<uint64_t>(server_->up_ ? absl::DeadlineExceededError("no answer in time") : Down(),
                            std::move(done));
  }
  if (fate == Fate::kLate) {
    executor_->PostAfter(timeout * 2, [server = server_, name, message, fence] {
      if (server->up_) (void)server->Store(name, message, fence).ok();
    });
    return Answer<uint64_t>(absl::DeadlineExceededError("no answer in time"), std::move(done));
  }
  absl::StatusOr<uint64_t> stored = server_->Store(name, message, fence);
  if (fate == Fate::kAnswerLost) stored = absl::DeadlineExceededError("no answer in time");
  Answer<uint64_t>(std::move(stored), std::move(done));
}

}  // namespace trivium
