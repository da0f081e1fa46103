#include "cli/http_get.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace trivium::cli {
namespace {

constexpr size_t kMaxAnswer = 16 * 1024 * 1024;

absl::Status Failed(const std::string& url) {
  const bool late = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINPROGRESS;
  return absl::UnavailableError(absl::StrCat(url, ": ", late ? "no answer in time" : std::strerror(errno)));
}

}  // namespace

absl::StatusOr<std::string> HttpGet(const std::string& url, absl::Duration timeout) {
  absl::string_view rest = url;
  const bool http = absl::ConsumePrefix(&rest, "http://");
  const size_t slash = std::min(rest.find('/'), rest.size());
  absl::string_view authority = rest.substr(0, slash);
  const std::string path = slash == rest.size() ? "/" : std::string(rest.substr(slash));
  const size_t colon = authority.rfind(':');
  if (!http || colon == absl::string_view::npos || absl::StrContains(authority, "@")) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", url, "' is no URL of a metrics page: write http://HOST:PORT/metrics"));
  }
  std::string host(authority.substr(0, colon));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  const std::string port(authority.substr(colon + 1));

  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* addresses = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &addresses); error != 0) {
    return absl::UnavailableError(absl::StrCat(url, ": ", ::gai_strerror(error)));
  }
  const auto free = absl::MakeCleanup([addresses] { ::freeaddrinfo(addresses); });
  const int fd = ::socket(addresses->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Failed(url);
  const auto close = absl::MakeCleanup([fd] { ::close(fd); });
  const timeval limit = absl::ToTimeval(timeout);
  if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
      ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
      ::connect(fd, addresses->ai_addr, addresses->ai_addrlen) != 0) {
    return Failed(url);
  }
  const std::string request = absl::StrCat("GET ", path, " HTTP/1.0\r\nHost: ", std::string(authority),
                                           "\r\nConnection: close\r\n\r\n");
  for (size_t done = 0; done < request.size();) {
    const ssize_t n = ::send(fd, request.data() + done, request.size() - done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed(url);
    done += static_cast<size_t>(n);
  }
  std::string answer;
  char buffer[16 * 1024];
  while (true) {
    const ssize_t n = ::recv(fd, buffer, sizeof(buffer), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed(url);
    if (n == 0) break;
    answer.append(buffer, static_cast<size_t>(n));
    if (answer.size() > kMaxAnswer)
      return absl::UnavailableError(absl::StrCat(url, ": an answer of more than 16 MiB"));
  }
  const size_t body = answer.find("\r\n\r\n");
  const std::string first = answer.substr(0, answer.find("\r\n"));
  if (body == std::string::npos || !absl::StrContains(first, " 200")) {
    return absl::UnavailableError(absl::StrCat(url, ": answers '", first, "'"));
  }
  return answer.substr(body + 4);
}

}  // namespace trivium::cli
