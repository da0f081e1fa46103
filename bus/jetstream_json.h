// What JetStream is asked and answers, as JSON. Internal to bus/. Pure; thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "bus/event_stream.h"

namespace trivium::bus_internal {

std::string StreamConfigJson(const StreamConfig& config);
std::string ConsumerConfigJson(const std::string& stream, const ConsumerConfig& config);
std::string LastRequestJson(const std::string& subjects);

// The server's own error, if the answer is one; kDataLoss for an answer that is no JSON.
absl::Status ErrorIn(absl::string_view answer);
absl::StatusOr<StreamState> ParseStreamState(absl::string_view answer);
absl::StatusOr<std::optional<StoredEvent>> ParseStoredEvent(absl::string_view answer);
absl::StatusOr<uint64_t> ParsePublishAnswer(absl::string_view answer);

// "NATS/1.0\r\nName: value\r\n...\r\n\r\n".
EventHeaders ParseHeaders(absl::string_view block);

}  // namespace trivium::bus_internal
