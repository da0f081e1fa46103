// A bare HTTP client for tests of this room: sockets that send what they are told and read what comes.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "base/listen_address.h"

namespace trivium {

class HttpTestClient {
 public:
  explicit HttpTestClient(const ListenAddress& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(address.port);
    inet_pton(AF_INET, address.ip.c_str(), &to.sin_addr);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0) << address.ToString();
  }
  ~HttpTestClient() { close(fd_); }
  HttpTestClient(const HttpTestClient&) = delete;
  HttpTestClient& operator=(const HttpTestClient&) = delete;

  void Send(const std::string& bytes) {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  // All until the server closes.
  std::string ReadAll() {
    std::string all;
    char buffer[65536];
    for (ssize_t n = 0; (n = recv(fd_, buffer, sizeof buffer, 0)) > 0;) {
      all.append(buffer, static_cast<size_t>(n));
    }
    return all;
  }

 private:
  const int fd_;
};

inline std::string HttpGet(const ListenAddress& address, const std::string& path) {
  HttpTestClient client(address);
  client.Send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
  return client.ReadAll();
}

}  // namespace trivium
