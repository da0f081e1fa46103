#include "base/log.h"

#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace trivium {
namespace {

constexpr char kTimeFormat[] = "%Y-%m-%dT%H:%M:%E3SZ";

// Where the first pair at or after `from` begins (at its key), or npos.
size_t FindPair(absl::string_view text, size_t from) {
  while ((from = text.find(' ', from)) != absl::string_view::npos) {
    size_t end = ++from;
    while (end < text.size() &&
           (absl::ascii_islower(static_cast<unsigned char>(text[end])) ||
            absl::ascii_isdigit(static_cast<unsigned char>(text[end])) || text[end] == '_')) {
      ++end;
    }
    if (end > from && end < text.size() && text[end] == '=') return from;
  }
  return absl::string_view::npos;
}

class LineFormatter final : public spdlog::formatter {
 public:
  explicit LineFormatter(bool json) : json_(json) {}
  void format(const spdlog::details::log_msg& msg, spdlog::memory_buf_t& dest) override {
    const spdlog::string_view_t level = spdlog::level::to_string_view(msg.level);
    const auto line = json_ ? &JsonLogLine : &TextLogLine;
    const std::string text =
        line(absl::FromChrono(msg.time), {level.data(), level.size()},
             {msg.logger_name.data(), msg.logger_name.size()}, {msg.payload.data(), msg.payload.size()});
    dest.append(text.data(), text.data() + text.size());
    dest.push_back('\n');
  }
  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<LineFormatter>(json_); }

 private:
  const bool json_;
};

}  // namespace

LogMessage SplitLogMessage(absl::string_view message) {
  LogMessage split;
  size_t at = FindPair(message, 0);
  split.words = std::string(message.substr(0, at == absl::string_view::npos ? at : at - 1));
  while (at != absl::string_view::npos) {
    const size_t equals = message.find('=', at);
    const std::string key(message.substr(at, equals - at));
    size_t next = FindPair(message, equals);
    if (message[equals + 1 < message.size() ? equals + 1 : equals] == '"') {
      // What is quoted may look like pairs itself: it ends where a quote does before a pair, or the message.
      while (next != absl::string_view::npos && (next < equals + 4 || message[next - 2] != '"')) {
        next = FindPair(message, next);
      }
    }
    absl::string_view value =
        message.substr(equals + 1, next == absl::string_view::npos ? next : next - 1 - (equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    split.pairs.emplace_back(key, std::string(value));
    at = next;
  }
  return split;
}

std::string TextLogLine(absl::Time time, absl::string_view level, absl::string_view process,
                        absl::string_view message) {
  std::string line =
      absl::StrCat(absl::FormatTime(kTimeFormat, time, absl::UTCTimeZone()), " ", level, " ", process, ": ");
  for (const char c : message) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      absl::StrAppend(&line, absl::CEscape(absl::string_view(&c, 1)));
    } else {
      line.push_back(c);
    }
  }
  return line;
}

std::string JsonLogLine(absl::Time time, absl::string_view level, absl::string_view process,
                        absl::string_view message) {
  LogMessage split = SplitLogMessage(message);
  nlohmann::ordered_json line;
  line["time"] = absl::FormatTime(kTimeFormat, time, absl::UTCTimeZone());
  line["level"] = std::string(level);
  line["process"] = std::string(process);
  line["message"] = std::move(split.words);
  // The line's own members are not replaced.
  for (auto& [key, value] : split.pairs) line.emplace(key, std::move(value));
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

absl::Status InitLogging(const std::string& process, const std::string& level, const std::string& format) {
  const spdlog::level::level_enum parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off") {
    return absl::InvalidArgumentError(
        absl::StrCat("log level \"", level, "\": want trace, debug, info, warn, error or off"));
  }
  if (format != "text" && format != "json") {
    return absl::InvalidArgumentError(absl::StrCat("log format \"", format, "\": want text or json"));
  }
  auto logger = spdlog::stderr_logger_mt(process);
  logger->set_formatter(std::make_unique<LineFormatter>(format == "json"));
  logger->set_level(parsed);
  spdlog::set_default_logger(std::move(logger));
  return absl::OkStatus();
}

}  // namespace trivium
