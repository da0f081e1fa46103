#include "tests/support/cutting_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace trivium {
namespace {

[[noreturn]] void Die(const char* what) {
  std::fprintf(stderr, "cutting proxy: %s: %s\n", what, std::strerror(errno));
  std::abort();
}

sockaddr_in Loopback(const std::string& host, uint32_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) Die("host is not an IPv4 address");
  return address;
}

bool SendAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
    if (n <= 0) return false;
    data += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

void Close(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

}  // namespace

CuttingProxy::CuttingProxy(std::string host, std::string port)
    : host_(std::move(host)), port_(std::move(port)) {
  if (pipe(wake_) != 0) Die("pipe");
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback("127.0.0.1", 0);
  socklen_t length = sizeof(address);
  if (listener_ < 0 || bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    Die("listen");
  }
  listen_port_ = absl::StrCat(ntohs(address.sin_port));
  thread_ = std::thread([this] { Loop(); });
}

CuttingProxy::~CuttingProxy() {
  closing_ = true;
  Wake();
  thread_.join();
  Close(&listener_);
  Close(&wake_[0]);
  Close(&wake_[1]);
}

void CuttingProxy::Wake() {
  if (write(wake_[1], "x", 1) != 1) Die("wake");
}

void CuttingProxy::CutOnce(Cut cut, const std::string& marker) {
  absl::MutexLock lock(&mutex_);
  rule_ = Rule{cut, marker};
}

void CuttingProxy::Freeze(bool frozen) {
  frozen_ = frozen;
  Wake();
}

void CuttingProxy::Refuse(bool refused) {
  refused_ = refused;
  Wake();
}

void CuttingProxy::Accept() {
  Pair pair;
  pair.client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (pair.client < 0) return;
  uint32_t port = 0;
  if (!absl::SimpleAtoi(port_, &port)) Die("port");
  const sockaddr_in address = Loopback(host_, port);
  pair.server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (refused_ || pair.server < 0 ||
      connect(pair.server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    Close(&pair.client);
    Close(&pair.server);
    return;
  }
  pairs_.push_back(pair);
}

bool CuttingProxy::Forward(Pair* pair, bool to_server) {
  const int from = to_server ? pair->client : pair->server;
  const int to = to_server ? pair->server : pair->client;
  char buffer[65536];
  const ssize_t n = recv(from, buffer, sizeof(buffer), 0);
  if (n <= 0) return false;
  const std::string bytes(buffer, static_cast<size_t>(n));
  std::optional<Rule> hit;
  {
    absl::MutexLock lock(&mutex_);
    if (rule_.has_value() && (rule_->cut != Cut::kAnswer) == to_server &&
        bytes.find(rule_->marker) != std::string::npos) {
      hit = std::exchange(rule_, std::nullopt);
    }
  }
  if (!hit.has_value()) return to < 0 || SendAll(to, bytes.data(), bytes.size());
  ++cuts_;
  if (hit->cut == Cut::kAfterServer) {
    if (!SendAll(pair->server, bytes.data(), bytes.size())) return false;
    Close(&pair->client);
    return true;  // until the server, having done its work, finds nobody to answer
  }
  // What was sent before a cut is sent all the same; the pair ends either way.
  SendAll(to, bytes.data(), bytes.find(hit->marker));
  return false;
}

void CuttingProxy::Loop() {
  while (!closing_) {
    std::vector<pollfd> fds = {{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
    std::vector<std::pair<std::list<Pair>::iterator, bool>> owners;
    for (auto it = pairs_.begin(); it != pairs_.end() && !frozen_; ++it) {
      if (it->client >= 0) {
        fds.push_back({it->client, POLLIN, 0});
        owners.emplace_back(it, true);
      }
      fds.push_back({it->server, POLLIN, 0});
      owners.emplace_back(it, false);
    }
    if (poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) Die("poll");
    if (fds[0].revents != 0) {
      char drain[64];
      if (read(wake_[0], drain, sizeof(drain)) < 0) Die("read");
      if (refused_) {
        for (Pair& pair : pairs_) {
          Close(&pair.client);
          Close(&pair.server);
        }
        pairs_.clear();
      }
      continue;
    }
    std::vector<std::list<Pair>::iterator> done;
    for (size_t i = 0; i < owners.size(); ++i) {
      if (fds[i + 2].revents == 0) continue;
      const auto [pair, to_server] = owners[i];
      if (!done.empty() && done.back() == pair) continue;
      if (!Forward(&*pair, to_server)) done.push_back(pair);
    }
    for (const auto& pair : done) {
      Close(&pair->client);
      Close(&pair->server);
      pairs_.erase(pair);
    }
    if (fds[1].revents != 0) Accept();
  }
  for (Pair& pair : pairs_) {
    Close(&pair.client);
    Close(&pair.server);
  }
}

}  // namespace trivium
