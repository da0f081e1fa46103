// A small HTTP/1.1 server for scrapes and probes: GET and HEAD, one answer a connection, on a thread of its
// own. Sockets never block it, so that a reader who is slow, or says nothing, delays nobody; each connection
// has a deadline, and when there are too many the oldest goes.
//
// Thread-safe. Destruction closes all connections and joins the thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/listen_address.h"

namespace trivium {

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpServer {
 public:
  // Runs on the server's thread.
  using Handler = std::function<HttpReply(const std::string& path)>;

  struct Options {
    ListenAddress listen;
    size_t max_connections = 32;
    absl::Duration patience = absl::Seconds(10);  // from the connection to the last byte of its answer
  };

  // kUnavailable, naming the address, if it cannot be had. `clock` is not owned.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(Options options, Handler handler,
                                                           const Clock* clock);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // With the port that was found, if any was asked for.
  const ListenAddress& address() const;

 private:
  struct State;
  explicit HttpServer(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace trivium
