#include "bench/scale/relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <deque>
#include <iostream>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "bench/scale/events.h"

namespace trivium::bench {
namespace {

constexpr size_t kPiece = 64 * 1024;
constexpr size_t kMaxWaiting = 64 * 1024 * 1024;  // on the way in one direction; beyond it the sender waits

void SleepUntil(int64_t at_ns) {
  timespec when;
  when.tv_sec = at_ns / 1'000'000'000;
  when.tv_nsec = at_ns % 1'000'000'000;
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr) == EINTR) {
  }
}

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Two sockets of one relayed connection; closed with the last thread that uses them.
struct Pair {
  int a = -1;
  int b = -1;
  ~Pair() {
    close(a);
    close(b);
  }
};

// One direction: a thread reads, another writes what is due.
class Direction : public std::enable_shared_from_this<Direction> {
 public:
  Direction(std::shared_ptr<Pair> pair, int from, int to, int64_t delay_ns)
      : pair_(std::move(pair)), from_(from), to_(to), delay_ns_(delay_ns) {}

  void Start() {
    std::thread([self = shared_from_this()] { self->Read(); }).detach();
    std::thread([self = shared_from_this()] { self->Write(); }).detach();
  }

 private:
  struct Piece {
    int64_t due_ns;
    std::string bytes;  // empty: the end
  };

  void Read() {
    std::string buffer(kPiece, '\0');
    while (true) {
      const ssize_t n = recv(from_, buffer.data(), buffer.size(), 0);
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return waiting_ < kMaxWaiting; });
      pieces_.push_back({NowNs() + delay_ns_, n > 0 ? buffer.substr(0, static_cast<size_t>(n)) : ""});
      waiting_ += n > 0 ? static_cast<size_t>(n) : 0;
      changed_.notify_all();
      if (n <= 0) return;
    }
  }

  void Write() {
    while (true) {
      Piece piece;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        changed_.wait(lock, [this] { return !pieces_.empty(); });
        piece = std::move(pieces_.front());
        pieces_.pop_front();
        waiting_ -= piece.bytes.size();
        changed_.notify_all();
      }
      SleepUntil(piece.due_ns);
      bool sent = !piece.bytes.empty();
      for (size_t done = 0; sent && done < piece.bytes.size();) {
        const ssize_t n = send(to_, piece.bytes.data() + done, piece.bytes.size() - done, MSG_NOSIGNAL);
        sent = n > 0;
        done += sent ? static_cast<size_t>(n) : 0;
      }
      if (sent) continue;
      // The other thread of this direction, and the other direction, end by it.
      shutdown(to_, SHUT_RDWR);
      shutdown(from_, SHUT_RDWR);
      return;
    }
  }

  const std::shared_ptr<Pair> pair_;
  const int from_;
  const int to_;
  const int64_t delay_ns_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> pieces_;
  size_t waiting_ = 0;
};

void Relay(int client, const Route& route) {
  auto pair = std::make_shared<Pair>();
  pair->a = client;
  pair->b = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(route.to);
  if (connect(pair->b, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return;
  const int on = 1;
  for (const int fd : {pair->a, pair->b}) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const auto delay = static_cast<int64_t>(route.delay_ms * 1e6);
  std::make_shared<Direction>(pair, pair->a, pair->b, delay)->Start();
  std::make_shared<Direction>(pair, pair->b, pair->a, delay)->Start();
}

absl::Status Listen(const Route& route) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const sockaddr_in address = Loopback(route.listen);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener, 64) != 0) {
    return absl::UnavailableError(absl::StrCat("port ", route.listen, ": ", std::strerror(errno)));
  }
  std::thread([listener, route] {
    for (int client; (client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) >= 0 || errno == EINTR;) {
      if (client >= 0) Relay(client, route);
    }
  }).detach();
  return absl::OkStatus();
}

}  // namespace

absl::Status RunRelays(const std::vector<Route>& routes) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  for (const Route& route : routes) TRIVIUM_RETURN_IF_ERROR(Listen(route));
  std::cout << "ready" << std::endl;
  int signal = 0;
  sigwait(&signals, &signal);
  return absl::OkStatus();
}

}  // namespace trivium::bench
