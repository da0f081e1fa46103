#include "tests/nats/raw_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace trivium {

RawClient::RawClient(Port kind, int port, const std::string& ca, const std::string& certificate) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int small = 4096;
  EXPECT_EQ(setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
  const timeval patience{10, 0};
  EXPECT_EQ(setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  char c = 0;
  while (kind == Port::kClient && c != '\n' && read(fd_, &c, 1) == 1) seen_.push_back(c);

  context_ = SSL_CTX_new(TLS_client_method());
  EXPECT_EQ(SSL_CTX_load_verify_locations(context_, ca.c_str(), nullptr), 1);
  if (!certificate.empty()) {
    EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context_, (certificate + ".crt").c_str()), 1);
    EXPECT_EQ(SSL_CTX_use_PrivateKey_file(context_, (certificate + ".key").c_str(), SSL_FILETYPE_PEM), 1);
  }
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  ssl_ = SSL_new(context_);
  EXPECT_EQ(SSL_set_fd(ssl_, fd_), 1);
  up_ = SSL_connect(ssl_) == 1;
}

RawClient::~RawClient() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
  close(fd_);
}

bool RawClient::Send(absl::string_view lines) {
  return up_ &&
         SSL_write(ssl_, lines.data(), static_cast<int>(lines.size())) == static_cast<int>(lines.size());
}

bool RawClient::ReadUntil(absl::string_view text) {
  char buffer[4096];
  while (up_ && seen_.find(text.data(), 0, text.size()) == std::string::npos) {
    const int n = SSL_read(ssl_, buffer, sizeof(buffer));
    if (n <= 0) return false;
    seen_.append(buffer, static_cast<size_t>(n));
  }
  return up_;
}

}  // namespace trivium
