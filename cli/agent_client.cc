#include "cli/agent_client.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "cli/client.h"

namespace trivium::cli {
namespace {

constexpr uint32_t kMaxFrame = 1024 * 1024;
// The agent answers at its deadline; the answer needs a moment to arrive.
constexpr absl::Duration kAnswerGrace = absl::Seconds(1);

absl::Status SocketError(absl::string_view what, const std::string& path) {
  if (errno == EAGAIN || errno == EWOULDBLOCK) {
    return absl::UnavailableError(absl::StrCat(what, " ", path, ": no answer in time"));
  }
  return absl::UnavailableError(absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

absl::Status WriteAll(int fd, const std::string& bytes, const std::string& path) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = ::send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SocketError("cannot ask the agent at", path);
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

absl::Status ReadAll(int fd, char* out, size_t size, const std::string& path) {
  for (size_t done = 0; done < size;) {
    const ssize_t n = ::recv(fd, out + done, size - done, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SocketError("waiting for the agent at", path);
    if (n == 0) return absl::UnavailableError(absl::StrCat("the agent at ", path, " closed the connection"));
    done += static_cast<size_t>(n);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::AgentReply> CallAgent(const std::string& path, v1::AgentRequest request,
                                         absl::Duration timeout) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(absl::StrCat("--socket ", path,
                                                   ": longer than a socket's path may be (",
                                                   sizeof(address.sun_path) - 1, " bytes)"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return SocketError("cannot make a socket for", path);
  const auto close = absl::MakeCleanup([fd] { ::close(fd); });
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return SocketError("no agent answers at", path);
  }
  const timeval limit = absl::ToTimeval(timeout + kAnswerGrace);
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
      ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0) {
    return SocketError("cannot set the time-out of", path);
  }

  request.set_source(kSource);
  request.set_deadline_ms(static_cast<uint32_t>(absl::ToInt64Milliseconds(timeout)));
  const std::string body = request.SerializeAsString();
  if (body.size() > kMaxFrame) return absl::InvalidArgumentError("the request is larger than 1 MiB");
  const uint32_t length = htonl(static_cast<uint32_t>(body.size()));
  std::string frame(reinterpret_cast<const char*>(&length), sizeof(length));
  TRIVIUM_RETURN_IF_ERROR(WriteAll(fd, frame + body, path));

  uint32_t answer_length = 0;
  TRIVIUM_RETURN_IF_ERROR(ReadAll(fd, reinterpret_cast<char*>(&answer_length), sizeof(answer_length), path));
  answer_length = ntohl(answer_length);
  if (answer_length > 64 * kMaxFrame) {
    return absl::DataLossError(
        absl::StrCat("the agent at ", path, " announced an answer of ", answer_length, " bytes"));
  }
  std::string answer(answer_length, '\0');
  TRIVIUM_RETURN_IF_ERROR(ReadAll(fd, answer.data(), answer.size(), path));
  v1::AgentReply reply;
  if (!reply.ParseFromString(answer)) {
    return absl::DataLossError("the agent's answer cannot be read: is it newer than this triviumctl?");
  }
  if (reply.code() != 0) return absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message());
  return reply;
}

absl::StatusOr<std::string> ParseIp(absl::string_view text) {
  char bytes[16];
  const std::string terminated(text);
  if (inet_pton(AF_INET, terminated.c_str(), bytes) == 1) return std::string(bytes, 4);
  if (inet_pton(AF_INET6, terminated.c_str(), bytes) == 1) return std::string(bytes, 16);
  return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no IP address (without a prefix length)"));
}

absl::StatusOr<std::string> ParseMac(absl::string_view text) {
  std::string mac;
  bool good = true;
  for (absl::string_view part : absl::StrSplit(text, ':')) {
    good = good && part.size() == 2 && absl::ascii_isxdigit(part[0]) && absl::ascii_isxdigit(part[1]);
    if (good) mac += absl::HexStringToBytes(part);
  }
  if (!good || mac.size() != 6) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is no MAC address (six bytes as in 02:00:00:00:00:01)"));
  }
  return mac;
}

absl::StatusOr<v1::NamedPort> ParseNamedPort(absl::string_view text) {
  const auto wrong = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text, "' is no named port: write NAME=NUMBER[/TCP|UDP|SCTP]"));
  };
  const std::vector<std::string> name_value = absl::StrSplit(text, absl::MaxSplits('=', 1));
  if (name_value.size() != 2 || name_value[0].empty()) return wrong();
  const std::vector<std::string> number_protocol = absl::StrSplit(name_value[1], absl::MaxSplits('/', 1));
  uint32_t number = 0;
  if (!absl::SimpleAtoi(number_protocol[0], &number) || number == 0 || number > 65535) return wrong();
  const std::string protocol =
      number_protocol.size() == 2 ? absl::AsciiStrToUpper(number_protocol[1]) : std::string("TCP");
  v1::NamedPort port;
  port.set_name(name_value[0]);
  port.set_port(number);
  if (protocol == "TCP") {
    port.set_protocol(v1::PROTOCOL_TCP);
  } else if (protocol == "UDP") {
    port.set_protocol(v1::PROTOCOL_UDP);
  } else if (protocol == "SCTP") {
    port.set_protocol(v1::PROTOCOL_SCTP);
  } else {
    return wrong();
  }
  return port;
}

absl::StatusOr<std::pair<std::string, std::string>> ParseLabel(absl::string_view text) {
  const std::pair<std::string, std::string> label = absl::StrSplit(text, absl::MaxSplits('=', 1));
  if (label.first.empty() || !absl::StrContains(text, '=')) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is no label: write KEY=VALUE"));
  }
  return label;
}

}  // namespace trivium::cli
