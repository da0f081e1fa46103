#include "nodeagent/endpoint/socket_server.h"

#include <poll.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "nodeagent/endpoint/framing.h"

namespace trivium {
namespace {

absl::Status Errno(absl::string_view what) { return absl::ErrnoToStatus(errno, std::string(what)); }

struct Connection {
  int fd = -1;
  RequestFrames in;
  std::string out;
  size_t sent = 0;       // bytes of `out`
  bool waiting = false;  // for an answer
  bool ended = false;    // the peer sends no more
};

}  // namespace

struct SocketServer::State {
  std::string path;
  Executor* executor = nullptr;
  Handler handler;
  int listener = -1;
  int wake = -1;
  std::atomic<bool> stopping{false};
  std::thread thread;
  std::map<uint64_t, Connection> connections;  // the thread's own
  uint64_t next_connection = 1;

  std::mutex mu;
  std::vector<std::pair<uint64_t, v1::AgentReply>> replies;  // guarded by mu

  ~State() {
    if (listener >= 0) close(listener);
    if (wake >= 0) close(wake);
  }

  void Wake() {
    const uint64_t one = 1;
    // A full counter wakes as well.
    [[maybe_unused]] const ssize_t n = write(wake, &one, sizeof one);
  }

  void Close(uint64_t id) {
    close(connections.at(id).fd);
    connections.erase(id);
  }

  void Accept() {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    if (connections.size() >= kMaxConnections) {
      spdlog::warn("socket: too many connections, refused one limit={}", kMaxConnections);
      close(fd);
      return;
    }
    connections[next_connection++].fd = fd;
  }

  // False: the connection is to be closed.
  bool Read(Connection* connection) {
    char buffer[65536];
    while (!connection->in.full()) {
      const ssize_t n = read(connection->fd, buffer, sizeof buffer);
      if (n > 0) {
        connection->in.Append(absl::string_view(buffer, static_cast<size_t>(n)));
        continue;
      }
      if (n == 0) {
        connection->ended = true;
        return true;
      }
      if (errno == EINTR) continue;
      return errno == EAGAIN || errno == EWOULDBLOCK;
    }
    return true;
  }

  bool Write(Connection* connection) {
    while (connection->sent < connection->out.size()) {
      const ssize_t n = send(connection->fd, connection->out.data() + connection->sent,
                             connection->out.size() - connection->sent, MSG_NOSIGNAL);
      if (n < 0) {
        if (errno == EINTR) continue;
        return errno == EAGAIN || errno == EWOULDBLOCK;
      }
      connection->sent += static_cast<size_t>(n);
    }
    connection->out.clear();
    connection->sent = 0;
    return true;
  }

  // Takes the next request out of what was read. False: the peer does not speak this protocol.
  bool TakeRequest(uint64_t id, const std::shared_ptr<State>& self) {
    Connection& connection = connections.at(id);
    // Who does not fetch its answers gets no more of them: they would only fill memory.
    if (connection.waiting || !connection.out.empty()) return true;
    absl::StatusOr<std::optional<v1::AgentRequest>> next = connection.in.Next();
    if (!next.ok()) {
      v1::AgentReply refusal;
      refusal.set_code(static_cast<uint32_t>(next.status().code()));
      refusal.set_message(std::string(next.status().message()));
      connection.out += FrameReply(refusal);
      Write(&connection);
      return false;
    }
    if (!next->has_value()) return true;
    connection.waiting = true;
    Reply reply = [weak = std::weak_ptr<State>(self), id](v1::AgentReply answer) {
      const std::shared_ptr<State> state = weak.lock();
      if (state == nullptr) return;
      {
        std::lock_guard<std::mutex> lock(state->mu);
        state->replies.emplace_back(id, std::move(answer));
      }
      state->Wake();
    };
    executor->Post(
        [weak = std::weak_ptr<State>(self), request = **std::move(next), reply = std::move(reply)] {
          const std::shared_ptr<State> state = weak.lock();
          if (state != nullptr && !state->stopping) state->handler(request, reply);
        });
    return true;
  }

  void TakeReplies() {
    uint64_t count;
    [[maybe_unused]] const ssize_t n = read(wake, &count, sizeof count);
    std::vector<std::pair<uint64_t, v1::AgentReply>> taken;
    {
      std::lock_guard<std::mutex> lock(mu);
      taken.swap(replies);
    }
    for (const auto& [id, reply] : taken) {
      const auto it = connections.find(id);
      if (it == connections.end()) continue;  // hung up meanwhile
      it->second.waiting = false;
      it->second.out += FrameReply(reply);
    }
  }

  void Run(const std::shared_ptr<State>& self) {
    std::vector<pollfd> polls;
    std::vector<uint64_t> ids;
    while (!stopping) {
      polls.assign({{listener, POLLIN, 0}, {wake, POLLIN, 0}});
      ids.clear();
      for (const auto& [id, connection] : connections) {
        // A connection whose request is being answered is not read: the peer waits in its own buffer.
        const bool reads = !connection.waiting && !connection.ended;
        polls.push_back({connection.fd,
                         static_cast<short>((reads ? POLLIN : 0) | (connection.out.empty() ? 0 : POLLOUT)),
                         0});
        ids.push_back(id);
      }
      if (poll(polls.data(), polls.size(), -1) < 0 && errno != EINTR) {
        spdlog::error("socket: cannot wait for callers error=\"{}\"", strerror(errno));
        return;
      }
      if (polls[1].revents != 0) TakeReplies();
      if (polls[0].revents != 0) Accept();
      for (size_t i = 0; i < ids.size(); ++i) {
        Connection& connection = connections.at(ids[i]);
        const short events = polls[i + 2].revents;
        bool good = (events & (POLLERR | POLLNVAL)) == 0;
        if (good && (events & (POLLIN | POLLHUP)) != 0 && !connection.waiting && !connection.ended) {
          good = Read(&connection);
        }
        good = good && Write(&connection) && TakeRequest(ids[i], self);
        // A peer that hung up gets its answer as far as it still listens; then it is done.
        const bool done = (connection.ended || (events & POLLHUP) != 0) &&
                          ((events & POLLHUP) != 0 || (!connection.waiting && connection.out.empty()));
        if (!good || done) Close(ids[i]);
      }
    }
  }
};

SocketServer::SocketServer(std::shared_ptr<State> state) : state_(std::move(state)) {}

absl::StatusOr<std::unique_ptr<SocketServer>> SocketServer::Listen(const std::string& path,
                                                                   Executor* executor, Handler handler) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket path \"", path, "\": want 1 to ", sizeof address.sun_path - 1, " characters"));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) return absl::ErrnoToStatus(error.value(), absl::StrCat("folder of ", path));

  auto state = std::make_shared<State>();
  state->path = path;
  state->executor = executor;
  state->handler = std::move(handler);
  state->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (state->wake < 0) return Errno("eventfd");
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return Errno("socket");
  const bool taken = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(probe);
  if (taken) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, ": another process listens there; is an agent running?"));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return Errno(absl::StrCat("remove ", path));
  state->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (state->listener < 0) return Errno("socket");
  // fchmod before bind: the file never exists with another mode.
  if (fchmod(state->listener, 0600) != 0) return Errno(absl::StrCat("mode of ", path));
  if (bind(state->listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Errno(absl::StrCat("bind ", path));
  }
  if (chmod(path.c_str(), 0600) != 0) return Errno(absl::StrCat("mode of ", path));
  if (listen(state->listener, 64) != 0) return Errno(absl::StrCat("listen on ", path));
  state->thread = std::thread([state = state.get(), weak = std::weak_ptr<State>(state)] {
    // The server joins this thread before it lets go of the state.
    state->Run(weak.lock());
  });
  pthread_setname_np(state->thread.native_handle(), "agent-socket");
  return std::unique_ptr<SocketServer>(new SocketServer(std::move(state)));
}

SocketServer::~SocketServer() {
  state_->stopping = true;
  state_->Wake();
  state_->thread.join();
  for (const auto& [id, connection] : state_->connections) close(connection.fd);
  state_->connections.clear();
  unlink(state_->path.c_str());
}

}  // namespace trivium
