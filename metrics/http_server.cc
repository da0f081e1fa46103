#include "metrics/http_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <list>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace trivium {
namespace {

constexpr size_t kMaxRequest = 8192;
constexpr absl::Duration kAfterAcceptError = absl::Milliseconds(100);  // no descriptors left, and their like

struct Connection {
  int fd = -1;
  absl::Duration deadline;
  std::string in;
  std::string out;
  size_t sent = 0;
  bool answered = false;
};

const char* Reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

std::string Serialize(const HttpReply& reply, bool with_body) {
  return absl::StrCat("HTTP/1.1 ", reply.status, " ", Reason(reply.status),
                      "\r\nContent-Type: ", reply.content_type, "\r\nContent-Length: ", reply.body.size(),
                      reply.status == 405 ? "\r\nAllow: GET, HEAD" : "", "\r\nConnection: close\r\n\r\n",
                      with_body ? reply.body : "");
}

// The answer to a whole request head.
std::string Answer(const std::string& head, const HttpServer::Handler& handler) {
  const std::vector<std::string> words = absl::StrSplit(head.substr(0, head.find("\r\n")), ' ');
  if (words.size() != 3 || words[2].rfind("HTTP/1.", 0) != 0 || words[1].empty() || words[1][0] != '/') {
    return Serialize({400, "text/plain; charset=utf-8", "this is no HTTP/1.1 request\n"}, true);
  }
  if (words[0] != "GET" && words[0] != "HEAD") {
    return Serialize({405, "text/plain; charset=utf-8", "only GET and HEAD\n"}, true);
  }
  return Serialize(handler(words[1].substr(0, words[1].find('?'))), words[0] == "GET");
}

absl::Status AddressError(const ListenAddress& address, const char* what) {
  return absl::UnavailableError(
      absl::StrCat("metrics.listen: ", address.ToString(), ": ", what, ": ", strerror(errno)));
}

// A listening socket; `address` gets the port that it has.
absl::StatusOr<int> Listen(ListenAddress* address) {
  sockaddr_in6 six{};
  sockaddr_in four{};
  const bool is_six = address->ip.find(':') != std::string::npos;
  if (is_six) {
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(address->port);
    inet_pton(AF_INET6, address->ip.c_str(), &six.sin6_addr);
  } else {
    four.sin_family = AF_INET;
    four.sin_port = htons(address->port);
    inet_pton(AF_INET, address->ip.c_str(), &four.sin_addr);
  }
  sockaddr* const name = is_six ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four);
  socklen_t size = is_six ? sizeof six : sizeof four;
  const int fd = socket(name->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return AddressError(*address, "socket");
  const int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || bind(fd, name, size) != 0 ||
      listen(fd, 64) != 0 || getsockname(fd, name, &size) != 0) {
    const absl::Status status = AddressError(*address, "cannot listen");
    close(fd);
    return status;
  }
  address->port = ntohs(is_six ? six.sin6_port : four.sin_port);
  return fd;
}

}  // namespace

struct HttpServer::State {
  Options options;
  Handler handler;
  const Clock* clock = nullptr;
  int listener = -1;
  int wake = -1;
  std::atomic<bool> stopping{false};
  std::thread thread;
  std::list<Connection> connections;  // the thread's own; the oldest first
  absl::Duration accept_from = -absl::InfiniteDuration();

  ~State() {
    for (const Connection& connection : connections) close(connection.fd);
    if (listener >= 0) close(listener);
    if (wake >= 0) close(wake);
  }

  void Accept(absl::Duration now) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ECONNABORTED) {
        spdlog::warn("metrics: cannot accept a connection error=\"{}\"", strerror(errno));
        accept_from = now + kAfterAcceptError;
      }
      return;
    }
    if (connections.size() >= options.max_connections) {
      close(connections.front().fd);
      connections.pop_front();
    }
    Connection& connection = connections.emplace_back();
    connection.fd = fd;
    connection.deadline = now + options.patience;
  }

  // False: it is done with, one way or another.
  bool Read(Connection* connection) const {
    char buffer[4096];
    const ssize_t n = recv(connection->fd, buffer, sizeof buffer, 0);
    if (n < 0) return errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK;
    if (n == 0) return false;
    if (connection->answered) return true;  // bodies and further requests are of no interest
    connection->in.append(buffer, static_cast<size_t>(n));
    const size_t end = connection->in.find("\r\n\r\n");
    if (end != std::string::npos) {
      connection->out = Answer(connection->in.substr(0, end), handler);
    } else if (connection->in.size() > kMaxRequest) {
      connection->out = Serialize({431, "text/plain; charset=utf-8", "a request of more than 8 KiB\n"}, true);
    } else {
      return true;
    }
    connection->answered = true;
    connection->in.clear();
    return Write(connection);
  }

  bool Write(Connection* connection) const {
    while (connection->sent < connection->out.size()) {
      const ssize_t n = send(connection->fd, connection->out.data() + connection->sent,
                             connection->out.size() - connection->sent, MSG_NOSIGNAL);
      if (n < 0) {
        if (errno == EINTR) continue;
        return errno == EAGAIN || errno == EWOULDBLOCK;
      }
      connection->sent += static_cast<size_t>(n);
    }
    shutdown(connection->fd, SHUT_WR);
    return false;
  }

  void Run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are for the main thread
    pthread_setname_np(pthread_self(), "metrics");
    std::vector<pollfd> fds;
    while (!stopping) {
      absl::Duration now = clock->Monotonic();
      connections.remove_if([now](const Connection& connection) {
        if (connection.deadline > now) return false;
        close(connection.fd);
        return true;
      });
      absl::Duration until = connections.empty() ? absl::InfiniteDuration() : connections.front().deadline;
      fds.assign(1, {wake, POLLIN, 0});
      const bool accepting = now >= accept_from;
      if (!accepting) until = std::min(until, accept_from);
      fds.push_back({accepting ? listener : -1, POLLIN, 0});
      for (const Connection& connection : connections) {
        fds.push_back({connection.fd, static_cast<short>(connection.answered ? POLLOUT : POLLIN), 0});
      }
      const int timeout = until == absl::InfiniteDuration()
                              ? -1
                              : static_cast<int>(absl::ToInt64Milliseconds(until - now)) + 1;
      if (poll(fds.data(), fds.size(), timeout) < 0 && errno != EINTR) {
        spdlog::error("metrics: cannot wait for connections error=\"{}\"", strerror(errno));
        return;
      }
      size_t i = 2;
      for (auto it = connections.begin(); it != connections.end(); ++i) {
        const short events = fds[i].revents;
        const bool stays = events == 0 || (it->answered ? Write(&*it) : Read(&*it));
        if (!stays) close(it->fd);
        it = stays ? std::next(it) : connections.erase(it);
      }
      if (fds[1].revents != 0) Accept(clock->Monotonic());
    }
  }
};

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(Options options, Handler handler,
                                                              const Clock* clock) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  state->handler = std::move(handler);
  state->clock = clock;
  absl::StatusOr<int> listener = Listen(&state->options.listen);
  if (!listener.ok()) return listener.status();
  state->listener = *listener;
  state->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (state->wake < 0) return AddressError(state->options.listen, "eventfd");
  State* const raw = state.get();
  state->thread = std::thread([raw] { raw->Run(); });
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

HttpServer::~HttpServer() {
  state_->stopping = true;
  const uint64_t one = 1;
  if (write(state_->wake, &one, sizeof one) != sizeof one) {
    spdlog::error("metrics: cannot wake the server error=\"{}\"", strerror(errno));
  }
  state_->thread.join();
}

const ListenAddress& HttpServer::address() const { return state_->options.listen; }

}  // namespace trivium
