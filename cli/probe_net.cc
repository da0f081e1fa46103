#include "cli/probe_net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/random.h"
#include "base/status.h"
#include "cli/text.h"

extern char** environ;

namespace trivium::cli {
namespace {

constexpr char kGateway[] = "169.254.1.1";
constexpr absl::Duration kAgain = absl::Milliseconds(200);  // a datagram that may have been lost

absl::Status Failed(absl::string_view what) {
  return absl::InternalError(absl::StrCat(what, ": ", std::strerror(errno)));
}

// `ip ARGUMENTS`; what it says is in the error.
absl::Status Ip(const std::vector<std::string>& arguments) {
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return Failed("pipe");
  const auto close_read = absl::MakeCleanup([&out] { ::close(out[0]); });
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDERR_FILENO);
  std::vector<std::string> words = {"ip"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, "ip", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  if (error != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot run ip: ", std::strerror(error), ": is iproute2 installed?"));
  }
  std::string said;
  char buffer[1024];
  while (true) {
    const ssize_t n = ::read(out[0], buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    said.append(buffer, static_cast<size_t>(n));
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(absl::StrJoin(words, " "), ": ", absl::StripSuffix(said, "\n"), ": are you root?"));
}

std::string MacText(const std::string& mac) {
  return absl::StrJoin(mac, ":", [](std::string* out, char c) {
    absl::StrAppend(out, absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
  });
}

// Locally administered, unicast.
std::string NewMac() {
  std::string mac = RealRandom()->NewId().ToBytes().substr(0, 6);
  mac[0] = static_cast<char>((static_cast<unsigned char>(mac[0]) & 0xfc) | 0x02);
  return mac;
}

sockaddr_in AddressOf(const std::string& ip, uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  std::memcpy(&address.sin_addr, ip.data(), 4);
  return address;
}

// One attempt under way.
struct Attempt {
  Probe* probe = nullptr;
  int fd = -1;
  absl::Duration began;
  absl::Duration sent;  // the last datagram
};

void AnswerOnce(const ProbePod& pod, short tcp, short udp) {
  if ((tcp & POLLIN) != 0) {
    const int client = ::accept4(pod.tcp(), nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) ::close(client);
  }
  if ((udp & POLLIN) == 0) return;
  char datagram[16];
  sockaddr_in from = {};
  socklen_t size = sizeof(from);
  const ssize_t n = ::recvfrom(pod.udp(), datagram, sizeof(datagram), MSG_DONTWAIT,
                               reinterpret_cast<sockaddr*>(&from), &size);
  // An answer that is not sent is asked for again.
  if (n > 0 &&
      ::sendto(pod.udp(), datagram, static_cast<size_t>(n), 0, reinterpret_cast<sockaddr*>(&from), size) < 0)
    return;
}

// Whether the attempt is over.
bool Settle(Attempt* attempt, absl::Duration now) {
  if (attempt->probe->udp) {
    char datagram[16];
    if (::recv(attempt->fd, datagram, sizeof(datagram), MSG_DONTWAIT) <= 0) return false;
    attempt->probe->open = true;
  } else {
    int error = 0;
    socklen_t size = sizeof(error);
    if (::getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    attempt->probe->open = error == 0;
  }
  attempt->probe->took = now - attempt->began;
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ProbePod>> ProbePod::Make(const std::string& netns,
                                                         const std::string& node_netns,
                                                         const std::string& ifname, const std::string& ip,
                                                         uint16_t port) {
  std::unique_ptr<ProbePod> pod(new ProbePod());
  pod->ifname_ = ifname;
  pod->ip_ = ip;
  pod->mac_ = NewMac();
  pod->port_ = port;
  if (::access(absl::StrCat("/run/netns/", netns).c_str(), F_OK) == 0) {
    TRIVIUM_RETURN_IF_ERROR(Ip({"netns", "del", netns}));
  }
  TRIVIUM_RETURN_IF_ERROR(Ip({"netns", "add", netns}));
  pod->netns_ = netns;  // from here on it is removed
  TRIVIUM_RETURN_IF_ERROR(pod->Build(node_netns));
  TRIVIUM_RETURN_IF_ERROR(pod->Listen());
  return pod;
}

ProbePod::~ProbePod() {
  if (tcp_ >= 0) ::close(tcp_);
  if (udp_ >= 0) ::close(udp_);
  // Its end of the veth goes with it, and so does the node's.
  if (!netns_.empty()) Ip({"netns", "del", netns_}).IgnoreError();
}

absl::Status ProbePod::Build(const std::string& node_netns) {
  std::vector<std::string> on_node;
  if (!node_netns.empty()) on_node = {"-n", node_netns};
  const std::string host_mac = MacText(NewMac());
  std::vector<std::string> add = on_node;
  add.insert(add.end(), {"link", "add", ifname_, "address", host_mac, "type", "veth", "peer", "name", "eth0",
                         "address", MacText(mac_), "netns", netns_});
  TRIVIUM_RETURN_IF_ERROR(Ip(add));
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"link", "set", "lo", "up"},
           {"link", "set", "eth0", "mtu", "1450", "up"},
           {"addr", "add", absl::StrCat(IpText(ip_), "/32"), "dev", "eth0"},
           {"neigh", "replace", kGateway, "lladdr", host_mac, "dev", "eth0", "nud", "permanent"},
           {"route", "add", "default", "via", kGateway, "dev", "eth0", "onlink"}}) {
    std::vector<std::string> inside = {"-n", netns_};
    inside.insert(inside.end(), command.begin(), command.end());
    TRIVIUM_RETURN_IF_ERROR(Ip(inside));
  }
  return absl::OkStatus();
}

absl::StatusOr<int> ProbePod::Socket(int type) const {
  const int home = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  const int there = ::open(absl::StrCat("/run/netns/", netns_).c_str(), O_RDONLY | O_CLOEXEC);
  const auto close = absl::MakeCleanup([home, there] {
    if (home >= 0) ::close(home);
    if (there >= 0) ::close(there);
  });
  if (home < 0 || there < 0) return Failed(absl::StrCat("cannot open namespace ", netns_));
  if (::setns(there, CLONE_NEWNET) != 0) return Failed(absl::StrCat("cannot enter namespace ", netns_));
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const absl::Status made = fd < 0 ? Failed("cannot make a socket") : absl::OkStatus();
  if (::setns(home, CLONE_NEWNET) != 0) {
    if (fd >= 0) ::close(fd);
    return Failed("cannot come back from a namespace");
  }
  TRIVIUM_RETURN_IF_ERROR(made);
  return fd;
}

absl::Status ProbePod::Listen() {
  TRIVIUM_ASSIGN_OR_RETURN(tcp_, Socket(SOCK_STREAM));
  TRIVIUM_ASSIGN_OR_RETURN(udp_, Socket(SOCK_DGRAM));
  const sockaddr_in address = AddressOf(ip_, port_);
  for (const int fd : {tcp_, udp_}) {
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return Failed("bind");
  }
  return ::listen(tcp_, 128) == 0 ? absl::OkStatus() : Failed("listen");
}

absl::Status RunProbes(absl::Span<const std::unique_ptr<ProbePod>> pods, absl::Span<Probe> probes,
                       absl::Duration timeout, Clock* clock) {
  std::vector<Attempt> attempts;
  const auto close = absl::MakeCleanup([&attempts] {
    for (const Attempt& attempt : attempts) ::close(attempt.fd);
  });
  for (Probe& probe : probes) {
    probe.open = false;
    TRIVIUM_ASSIGN_OR_RETURN(const int fd, pods[probe.from]->Socket(probe.udp ? SOCK_DGRAM : SOCK_STREAM));
    attempts.push_back({&probe, fd, clock->Monotonic(), -absl::InfiniteDuration()});
    const sockaddr_in to = AddressOf(pods[probe.to]->ip(), pods[probe.to]->port());
    // Nothing can be said of a connection yet: it is told by the socket, or by the end of time.
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0 && errno != EINPROGRESS &&
        errno != ENETUNREACH && errno != EHOSTUNREACH) {
      return Failed("connect");
    }
  }
  const absl::Duration end = clock->Monotonic() + timeout;
  std::vector<Attempt*> open;
  for (Attempt& attempt : attempts) open.push_back(&attempt);
  while (!open.empty() && clock->Monotonic() < end) {
    std::vector<pollfd> polled;
    for (const auto& pod : pods) {
      polled.push_back({pod->tcp(), POLLIN, 0});
      polled.push_back({pod->udp(), POLLIN, 0});
    }
    for (Attempt* attempt : open) {
      const absl::Duration now = clock->Monotonic();
      if (attempt->probe->udp && now - attempt->sent >= kAgain) {
        // One that is refused here and now is sent again as one that was lost.
        if (::send(attempt->fd, "probe", 5, MSG_NOSIGNAL) >= 0 || errno != EBADF) attempt->sent = now;
      }
      polled.push_back({attempt->fd, static_cast<short>(attempt->probe->udp ? POLLIN : POLLOUT), 0});
    }
    if (::poll(polled.data(), polled.size(), 50) < 0 && errno != EINTR) return Failed("poll");
    for (size_t i = 0; i < pods.size(); ++i)
      AnswerOnce(*pods[i], polled[2 * i].revents, polled[2 * i + 1].revents);
    std::vector<Attempt*> left;
    for (size_t i = 0; i < open.size(); ++i) {
      const bool over = polled[2 * pods.size() + i].revents != 0 && Settle(open[i], clock->Monotonic());
      if (!over) left.push_back(open[i]);
    }
    open = std::move(left);
  }
  return absl::OkStatus();
}

}  // namespace trivium::cli
