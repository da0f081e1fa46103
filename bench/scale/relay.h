// Distance: TCP relays that hand every byte on some time after it came, in order. What a link between regions
// does to latency, without its losses.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace trivium::bench {

struct Route {
  int listen = 0;       // port on 127.0.0.1
  int to = 0;           // port on 127.0.0.1
  double delay_ms = 0;  // one way
};

// Runs until SIGTERM or SIGINT. Prints "ready" once every port is listened on.
absl::Status RunRelays(const std::vector<Route>& routes);

}  // namespace trivium::bench
