// The agent's Unix socket: reads framed AgentRequests, hands them to the executor, writes the replies. A
// driver with a thread of its own; the handler runs on the executor only.
//
// Bounded: at most kMaxConnections at once, one request at a time per connection, kMaxRequestFrame bytes a
// message. Whoever sends something else is cut off. The socket's mode is 0600.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/executor.h"
#include "trivium/v1/agent_api.pb.h"

namespace trivium {

class SocketServer {
 public:
  static constexpr size_t kMaxConnections = 64;

  using Reply = std::function<void(v1::AgentReply)>;
  // Answers by calling `reply` once, at any time and from any thread; not answering holds up that connection
  // alone.
  using Handler = std::function<void(v1::AgentRequest, Reply reply)>;

  // Makes the folder, replaces what a dead agent left at `path`. kAlreadyExists: another process listens
  // there. `executor` outlives this and every reply.
  static absl::StatusOr<std::unique_ptr<SocketServer>> Listen(const std::string& path, Executor* executor,
                                                              Handler handler);
  // Cuts every connection and removes the socket. No handler starts afterwards.
  ~SocketServer();
  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;

 private:
  struct State;
  explicit SocketServer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace trivium
