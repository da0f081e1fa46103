// A client of the NATS protocol without any library's good manners: to knock at ports it has no business
// with, and to subscribe and never read.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;

namespace trivium {

class RawClient {
 public:
  // A client port says INFO in the clear and shakes hands then; route and gateway ports shake hands at once.
  enum class Port { kClient, kFabric };
  // Connects to 127.0.0.1 and shakes hands with <certificate>.crt and .key (empty: with none).
  RawClient(Port kind, int port, const std::string& ca, const std::string& certificate);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool Send(absl::string_view lines);
  // Reads until `text` comes. False if the connection ends or nothing comes for ten seconds.
  bool ReadUntil(absl::string_view text);
  const std::string& seen() const { return seen_; }

 private:
  int fd_ = -1;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  bool up_ = false;
  std::string seen_;
};

}  // namespace trivium
