#include "cli/agent_client.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <thread>

#include "base/random.h"

namespace trivium::cli {
namespace {

using ::testing::HasSubstr;

// Serves one connection: reads one frame, answers with `reply` (nothing if empty), closes.
class OneShotAgent {
 public:
  explicit OneShotAgent(std::string reply)
      : path_(std::filesystem::temp_directory_path() / ("trivium-agent-" + RealRandom()->NewId().ToHex())) {
    fd_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(fd_, 1), 0);
    thread_ = std::thread([this, reply = std::move(reply)] { Serve(reply); });
  }
  ~OneShotAgent() {
    thread_.join();
    ::close(fd_);
    std::filesystem::remove(path_);
  }
  const std::string& path() const { return path_; }
  v1::AgentRequest request;

 private:
  void Serve(const std::string& reply) {
    const int client = ::accept(fd_, nullptr, nullptr);
    uint32_t length = 0;
    EXPECT_EQ(::recv(client, &length, sizeof(length), MSG_WAITALL), static_cast<ssize_t>(sizeof(length)));
    std::string body(ntohl(length), '\0');
    EXPECT_EQ(::recv(client, body.data(), body.size(), MSG_WAITALL), static_cast<ssize_t>(body.size()));
    EXPECT_TRUE(request.ParseFromString(body));
    if (!reply.empty()) {
      const uint32_t size = htonl(static_cast<uint32_t>(reply.size()));
      EXPECT_GT(::send(client, &size, sizeof(size), MSG_NOSIGNAL), 0);
      EXPECT_GT(::send(client, reply.data(), reply.size(), MSG_NOSIGNAL), 0);
    }
    ::close(client);
  }

  std::string path_;
  int fd_ = -1;
  std::thread thread_;
};

TEST(AgentClientTest, CarriesARequestAndItsAnswer) {
  v1::AgentReply reply;
  reply.mutable_list()->add_endpoints()->set_name("cart");
  absl::StatusOr<v1::AgentReply> answer;
  {
    OneShotAgent agent(reply.SerializeAsString());
    v1::AgentRequest request;
    request.mutable_list();
    answer = CallAgent(agent.path(), request, absl::Seconds(5));
  }
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->list().endpoints(0).name(), "cart");
}

TEST(AgentClientTest, ARefusalIsAnErrorWithTheAgentsWords) {
  v1::AgentReply reply;
  reply.set_code(static_cast<uint32_t>(absl::StatusCode::kAlreadyExists));
  reply.set_message("10.1.1.5 belongs to shop/db");
  OneShotAgent agent(reply.SerializeAsString());
  const auto answer = CallAgent(agent.path(), v1::AgentRequest(), absl::Seconds(5));
  EXPECT_EQ(answer.status(), absl::AlreadyExistsError("10.1.1.5 belongs to shop/db"));
}

TEST(AgentClientTest, AnAgentThatGoesAwayOrIsNotThereIsUnavailable) {
  {
    OneShotAgent agent("");
    const auto answer = CallAgent(agent.path(), v1::AgentRequest(), absl::Seconds(5));
    EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
    EXPECT_THAT(std::string(answer.status().message()), HasSubstr("closed the connection"));
  }
  EXPECT_TRUE(absl::IsUnavailable(CallAgent("/nowhere/agent.sock", {}, absl::Seconds(1)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(CallAgent(std::string(200, 'x'), {}, absl::Seconds(1)).status()));
}

TEST(AgentClientTest, ReadsValuesAsUsersWriteThem) {
  EXPECT_EQ(*ParseIp("10.1.1.5"), std::string("\x0a\x01\x01\x05", 4));
  EXPECT_EQ(ParseIp("fd00::1")->size(), 16u);
  EXPECT_FALSE(ParseIp("10.1.1").ok());
  EXPECT_EQ(*ParseMac("02:00:00:00:00:0a"), std::string("\x02\0\0\0\0\x0a", 6));
  for (const char* bad : {"", "02:00:00:00:00", "02:00:00:00:00:00:00", "02:00:00:00:00:zz", "2:0:0:0:0:1"}) {
    EXPECT_FALSE(ParseMac(bad).ok()) << bad;
  }
  EXPECT_EQ(ParseNamedPort("dns=53/udp")->protocol(), v1::PROTOCOL_UDP);
  EXPECT_EQ(ParseNamedPort("http=80")->protocol(), v1::PROTOCOL_TCP);
  for (const char* bad : {"", "http", "=80", "http=0", "http=65536", "http=80/ICMP"}) {
    EXPECT_FALSE(ParseNamedPort(bad).ok()) << bad;
  }
  EXPECT_EQ(ParseLabel("a=b=c")->second, "b=c");
  EXPECT_EQ(ParseLabel("a=")->second, "");
  EXPECT_FALSE(ParseLabel("a").ok());
  EXPECT_FALSE(ParseLabel("=b").ok());
}

}  // namespace
}  // namespace trivium::cli
