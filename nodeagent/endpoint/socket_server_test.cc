#include "nodeagent/endpoint/socket_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <vector>

namespace trivium {
namespace {

using testing::HasSubstr;

class SocketServerTest : public testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/trivium-agent-socket-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/run/agent.sock";
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  // Answers with the number of the request; deletions are left waiting.
  absl::Status Listen() {
    absl::StatusOr<std::unique_ptr<SocketServer>> server =
        SocketServer::Listen(path_, &executor_, [this](v1::AgentRequest request, SocketServer::Reply reply) {
          v1::AgentReply answer;
          answer.set_message(std::to_string(++requests_) + " " + request.source());
          if (request.has_del()) {
            waiting_.push_back(std::move(reply));
          } else {
            reply(std::move(answer));
          }
        });
    if (!server.ok()) return server.status();
    server_ = *std::move(server);
    return absl::OkStatus();
  }

  int Connect() {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path_.c_str());
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << strerror(errno);
    const timeval patience{10, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
  }
  static std::string Frame(const std::string& body) {
    std::string frame;
    for (int shift = 24; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(body.size() >> shift));
    return frame + body;
  }
  static std::string Request(const std::string& source, bool waits = false) {
    v1::AgentRequest request;
    request.set_source(source);
    if (waits) {
      request.mutable_del();
    } else {
      request.mutable_list();
    }
    return Frame(request.SerializeAsString());
  }
  static void Send(int fd, const std::string& bytes) {
    ASSERT_EQ(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // Empty: the connection was closed.
  static std::string Take(int fd, size_t n) {
    std::string bytes(n, '\0');
    size_t got = 0;
    while (got < n) {
      const ssize_t r = recv(fd, bytes.data() + got, n - got, 0);
      if (r <= 0) return "";
      got += static_cast<size_t>(r);
    }
    return bytes;
  }
  static v1::AgentReply Receive(int fd) {
    v1::AgentReply reply;
    const std::string header = Take(fd, 4);
    EXPECT_EQ(header.size(), 4u) << "no answer";
    size_t size = 0;
    for (const char byte : header) size = size << 8 | static_cast<uint8_t>(byte);
    EXPECT_TRUE(reply.ParseFromString(Take(fd, size)));
    return reply;
  }

  std::string folder_;
  std::string path_;
  LoopExecutor executor_{"socket-test"};
  std::unique_ptr<SocketServer> server_;
  int requests_ = 0;                          // the executor's
  std::vector<SocketServer::Reply> waiting_;  // the executor's
};

TEST_F(SocketServerTest, AnswersInOrderOnOneConnection) {
  ASSERT_TRUE(Listen().ok());
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const int fd = Connect();
  Send(fd, Request("a") + Request("b") + Request("c").substr(0, 3));
  EXPECT_EQ(Receive(fd).message(), "1 a");
  EXPECT_EQ(Receive(fd).message(), "2 b");
  Send(fd, Request("c").substr(3));
  EXPECT_EQ(Receive(fd).message(), "3 c");
  close(fd);
}

TEST_F(SocketServerTest, OneWhoWaitsHoldsUpNobodyElse) {
  ASSERT_TRUE(Listen().ok());
  const int slow = Connect(), gone = Connect(), quick = Connect();
  Send(slow, Request("slow", true));
  Send(gone, Request("gone", true));
  Send(quick, Request("quick"));
  EXPECT_THAT(Receive(quick).message(), HasSubstr("quick"));
  close(gone);
  Send(quick, Request("again"));
  EXPECT_THAT(Receive(quick).message(), HasSubstr("again"));
  executor_.RunAndWait([&] {
    for (const SocketServer::Reply& reply : waiting_) {
      v1::AgentReply answer;
      answer.set_message("at last");
      reply(answer);
    }
  });
  EXPECT_EQ(Receive(slow).message(), "at last");
  close(slow);
  close(quick);
}

TEST_F(SocketServerTest, WhoDoesNotSpeakTheProtocolIsToldAndCutOff) {
  ASSERT_TRUE(Listen().ok());
  for (const std::string& nonsense : {Frame("\xff\xff\xff"), std::string("\x7f\xff\xff\xff")}) {
    const int fd = Connect();
    Send(fd, nonsense);
    const v1::AgentReply reply = Receive(fd);
    EXPECT_EQ(reply.code(), static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
    EXPECT_EQ(Take(fd, 1), "") << "closed";
    close(fd);
  }
  const int fd = Connect();
  Send(fd, Request("still there"));
  EXPECT_THAT(Receive(fd).message(), HasSubstr("still there"));
  close(fd);
}

// Requests of four bytes each, whose answers nobody fetches: the peer has to wait, the agent's memory does
// not grow.
TEST_F(SocketServerTest, WhatOneConnectionFillsIsBounded) {
  ASSERT_TRUE(Listen().ok());
  const int fd = Connect();
  ASSERT_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  const std::string requests(1 << 16, '\0');
  constexpr size_t kMuch = 8 << 20;
  size_t sent = 0;
  while (sent < kMuch) {
    pollfd writable{fd, POLLOUT, 0};
    if (poll(&writable, 1, 500) == 0) break;  // held up
    const ssize_t n = send(fd, requests.data(), requests.size() - sent % 4, MSG_NOSIGNAL);
    ASSERT_GT(n, 0);
    sent += static_cast<size_t>(n);
  }
  EXPECT_LT(sent, kMuch);
  close(fd);
}

TEST_F(SocketServerTest, ConnectionsAreBounded) {
  ASSERT_TRUE(Listen().ok());
  std::vector<int> fds;
  for (size_t i = 0; i < SocketServer::kMaxConnections; ++i) fds.push_back(Connect());
  Send(fds.back(), Request("last"));
  EXPECT_THAT(Receive(fds.back()).message(), HasSubstr("last"));
  const int extra = Connect();
  EXPECT_EQ(Take(extra, 1), "") << "closed at once";
  close(extra);
  for (const int fd : fds) close(fd);
}

TEST_F(SocketServerTest, OneServerPerPathButAStaleSocketIsReplaced) {
  ASSERT_TRUE(Listen().ok());
  const absl::StatusOr<std::unique_ptr<SocketServer>> second =
      SocketServer::Listen(path_, &executor_, [](v1::AgentRequest, SocketServer::Reply) {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(path_));
  // As a killed agent leaves it.
  const int stale = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path_.c_str());
  ASSERT_EQ(bind(stale, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(stale);
  EXPECT_TRUE(Listen().ok());
  EXPECT_EQ(SocketServer::Listen(std::string(200, 'x'), &executor_, nullptr).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SocketServerTest, DestructionCutsWhoWaits) {
  ASSERT_TRUE(Listen().ok());
  const int fd = Connect();
  Send(fd, Request("waits", true) + Request("next"));
  // Once the handler has it, the server goes; the late answer goes nowhere.
  for (bool taken = false; !taken;) executor_.RunAndWait([&] { taken = !waiting_.empty(); });
  server_.reset();
  executor_.RunAndWait([&] { waiting_[0](v1::AgentReply()); });
  EXPECT_EQ(Take(fd, 1), "");
  close(fd);
}

}  // namespace
}  // namespace trivium
