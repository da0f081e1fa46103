#include "bus/jetstream_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace trivium::bus_internal {
namespace {

using Json = nlohmann::json;

// Error codes of the server (server/errors.json there).
constexpr int kNoMessage = 10037;
constexpr int kWrongLastId = 10070;
constexpr int kWrongLastSequence = 10071;
constexpr int kNoStorage = 10047;  // and memory: 10028
constexpr int kNoMemory = 10028;
constexpr int kStreamNotFound = 10059;
constexpr char kForgotten[] = "wrong last msg ID: ";

absl::StatusOr<Json> ParseJson(absl::string_view text) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded() || !json.is_object()) {
    return absl::DataLossError(absl::StrCat("JetStream answered \"", text.substr(0, 200), "\""));
  }
  return json;
}

int64_t Nanos(absl::Duration d) { return absl::ToInt64Nanoseconds(d); }

template <typename T>
T Value(const Json& json, const char* name, T otherwise) {
  const auto it = json.find(name);
  if (it == json.end()) return otherwise;
  if constexpr (std::is_same_v<T, std::string>) {
    return it->is_string() ? it->get<T>() : otherwise;
  } else {
    return it->is_number() ? it->get<T>() : otherwise;
  }
}

absl::Status ErrorOf(const Json& answer) {
  const auto error = answer.find("error");
  if (error == answer.end() || !error->is_object()) return absl::OkStatus();
  const int code = Value<int>(*error, "err_code", 0);
  const std::string description = Value<std::string>(*error, "description", "");
  const std::string text = absl::StrCat("JetStream: ", description, " (", code, ")");
  switch (code) {
    case kNoMessage:
      return absl::NotFoundError(text);
    case kWrongLastId:
      // It keeps ids for the duplicate window alone, and after a restart knows none that is older: then every
      // id is wrong, the right one too.
      return description == kForgotten ? absl::FailedPreconditionError(text) : absl::AbortedError(text);
    case kWrongLastSequence:
      return absl::AbortedError(text);
    case kNoStorage:
    case kNoMemory:
      return absl::ResourceExhaustedError(text);
    case kStreamNotFound:
      return absl::UnavailableError(text);
    default:
      break;
  }
  const int http = Value<int>(*error, "code", 0);
  return http == 400 ? absl::FailedPreconditionError(text) : absl::UnavailableError(text);
}

}  // namespace

std::string StreamConfigJson(const StreamConfig& config) {
  return Json{{"name", config.name},
              {"subjects", {config.subjects}},
              {"retention", "limits"},
              {"storage", "file"},
              {"discard", "old"},
              {"num_replicas", config.replicas},
              {"max_age", Nanos(config.max_age)},
              {"max_bytes", config.max_bytes},
              {"max_msgs", -1},
              {"max_msgs_per_subject", -1},
              {"max_msg_size", -1},
              {"max_consumers", -1},
              {"duplicate_window", Nanos(std::min(config.duplicate_window, config.max_age))},
              // Nobody takes an event back.
              {"deny_delete", true},
              {"deny_purge", true}}
      .dump();
}

std::string ConsumerConfigJson(const std::string& stream, const ConsumerConfig& config) {
  return Json{{"stream_name", stream},
              {"config",
               {{"durable_name", config.name},
                {"filter_subject", config.filter},
                {"deliver_policy", "all"},
                {"ack_policy", "explicit"},
                {"ack_wait", Nanos(config.ack_wait)},
                {"max_ack_pending", config.max_unacknowledged},
                {"replay_policy", "instant"}}}}
      .dump();
}

std::string LastRequestJson(const std::string& subjects) { return Json{{"last_by_subj", subjects}}.dump(); }

absl::Status ErrorIn(absl::string_view answer) {
  TRIVIUM_ASSIGN_OR_RETURN(const Json json, ParseJson(answer));
  return ErrorOf(json);
}

absl::StatusOr<StreamState> ParseStreamState(absl::string_view answer) {
  TRIVIUM_ASSIGN_OR_RETURN(const Json json, ParseJson(answer));
  TRIVIUM_RETURN_IF_ERROR(ErrorOf(json));
  const auto state = json.find("state");
  if (state == json.end() || !state->is_object()) {
    return absl::DataLossError("JetStream says nothing of the stream's state");
  }
  return StreamState{Value<std::string>(json, "created", ""), Value<uint64_t>(*state, "messages", 0),
                     Value<uint64_t>(*state, "first_seq", 0), Value<uint64_t>(*state, "last_seq", 0)};
}

absl::StatusOr<std::optional<StoredEvent>> ParseStoredEvent(absl::string_view answer) {
  TRIVIUM_ASSIGN_OR_RETURN(const Json json, ParseJson(answer));
  const absl::Status error = ErrorOf(json);
  if (absl::IsNotFound(error)) return std::nullopt;
  TRIVIUM_RETURN_IF_ERROR(error);
  const auto message = json.find("message");
  StoredEvent event;
  std::string headers;
  if (message == json.end() || !message->is_object() ||
      !absl::Base64Unescape(Value<std::string>(*message, "hdrs", ""), &headers) ||
      !absl::Base64Unescape(Value<std::string>(*message, "data", ""), &event.payload)) {
    return absl::DataLossError("JetStream answered with a message that cannot be read");
  }
  event.sequence = Value<uint64_t>(*message, "seq", 0);
  event.subject = Value<std::string>(*message, "subject", "");
  event.headers = ParseHeaders(headers);
  event.id = event.Header("Nats-Msg-Id");
  return event;
}

absl::StatusOr<uint64_t> ParsePublishAnswer(absl::string_view answer) {
  TRIVIUM_ASSIGN_OR_RETURN(const Json json, ParseJson(answer));
  TRIVIUM_RETURN_IF_ERROR(ErrorOf(json));
  const uint64_t sequence = Value<uint64_t>(json, "seq", 0);
  if (sequence == 0) return absl::DataLossError("JetStream acknowledged a message without its sequence");
  return sequence;
}

EventHeaders ParseHeaders(absl::string_view block) {
  EventHeaders headers;
  for (const absl::string_view line : absl::StrSplit(block, "\r\n", absl::SkipEmpty())) {
    const size_t colon = line.find(':');
    if (colon == absl::string_view::npos) continue;  // the version
    headers.emplace_back(std::string(line.substr(0, colon)),
                         std::string(absl::StripAsciiWhitespace(line.substr(colon + 1))));
  }
  return headers;
}

}  // namespace trivium::bus_internal
