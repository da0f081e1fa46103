#include "metrics/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "metrics/http_test_client.h"

namespace trivium {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

constexpr size_t kLarge = 32 * 1024 * 1024;  // more than the kernel buffers for one socket

std::unique_ptr<HttpServer> StartServer(HttpServer::Options options = {}) {
  options.listen = {"127.0.0.1", 0};
  return HttpServer::Start(
             options,
             [](const std::string& path) {
               if (path == "/large") return HttpReply{200, "text/plain", std::string(kLarge, 'x')};
               if (path == "/here") return HttpReply{200, "text/plain", "hello"};
               return HttpReply{404, "text/plain", path};
             },
             RealClock())
      .value();
}

TEST(HttpServer, AnswersGetAndHead) {
  const auto server = StartServer();
  EXPECT_NE(server->address().port, 0);
  EXPECT_EQ(
      HttpGet(server->address(), "/here?a=b"),
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
  EXPECT_THAT(HttpGet(server->address(), "/there"), StartsWith("HTTP/1.1 404 "));
  HttpTestClient head(server->address());
  head.Send("HEAD /here HTTP/1.1\r\n\r\n");
  EXPECT_THAT(head.ReadAll(), EndsWith("Content-Length: 5\r\nConnection: close\r\n\r\n"));
}

TEST(HttpServer, TakesARequestThatComesInPieces) {
  const auto server = StartServer();
  HttpTestClient client(server->address());
  for (const char* piece : {"GE", "T /here HTT", "P/1.1\r", "\n\r", "\n"}) client.Send(piece);
  EXPECT_THAT(client.ReadAll(), EndsWith("hello"));
}

TEST(HttpServer, RefusesWhatIsNoRequest) {
  const auto server = StartServer();
  const auto send = [&](const std::string& bytes) {
    HttpTestClient client(server->address());
    client.Send(bytes);
    return client.ReadAll();
  };
  EXPECT_THAT(send("POST /here HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(send("hello\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(send("GET here HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(send(std::string("\0\xff\x16\x03 \r\n\r\n", 9)), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(send("GET /" + std::string(9000, 'a')), HasSubstr(" 431 "));
  EXPECT_THAT(send("GET /here HTTP/1.1\r\n\r\nand a body that nobody asked for"), EndsWith("hello"));
}

TEST(HttpServer, ASlowReaderDelaysNobody) {
  const auto server = StartServer();
  HttpTestClient slow(server->address());
  slow.Send("GET /large HTTP/1.1\r\n\r\n");  // and does not read
  HttpTestClient silent(server->address());
  for (int i = 0; i < 10; ++i) EXPECT_THAT(HttpGet(server->address(), "/here"), EndsWith("hello"));
  EXPECT_GE(slow.ReadAll().size(), kLarge);
}

TEST(HttpServer, ASilentConnectionHasADeadline) {
  HttpServer::Options options;
  options.patience = absl::Milliseconds(50);
  const auto server = StartServer(options);
  HttpTestClient silent(server->address());
  EXPECT_EQ(silent.ReadAll(), "");  // returns: closed by the server
}

TEST(HttpServer, OfTooManyConnectionsTheOldestGoes) {
  HttpServer::Options options;
  options.max_connections = 4;
  options.patience = absl::Hours(1);
  const auto server = StartServer(options);
  std::vector<std::unique_ptr<HttpTestClient>> idle;
  for (int i = 0; i < 8; ++i) idle.push_back(std::make_unique<HttpTestClient>(server->address()));
  EXPECT_THAT(HttpGet(server->address(), "/here"), EndsWith("hello"));
  EXPECT_EQ(idle[0]->ReadAll(), "");
  idle[7]->Send("GET /here HTTP/1.1\r\n\r\n");
  EXPECT_THAT(idle[7]->ReadAll(), EndsWith("hello"));
}

TEST(HttpServer, AnAddressThatIsTakenIsNamed) {
  const auto server = StartServer();
  HttpServer::Options options;
  options.listen = server->address();
  const absl::Status status = HttpServer::Start(
                                  options, [](const std::string&) { return HttpReply(); }, RealClock())
                                  .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(server->address().ToString()));
}

}  // namespace
}  // namespace trivium
