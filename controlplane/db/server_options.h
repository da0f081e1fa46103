// Where the SQL servers are and how a session with one is set up. Value type.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace trivium {

struct SqlHost {
  std::string host;  // name, address, or folder of a Unix socket
  std::string port;
  std::string ToString() const;
  // "name:port", "1.2.3.4:5432", "[::1]:5432", "/run/postgresql:5432"; kInvalidArgument otherwise.
  static absl::StatusOr<SqlHost> Parse(absl::string_view text);
};

enum class SqlIsolation { kReadCommitted, kSerializable };

struct SqlServerOptions {
  std::vector<SqlHost> hosts;      // of this region: tried first, in random order
  std::vector<SqlHost> far_hosts;  // of other regions: tried when none of `hosts` answers
  std::string database;
  std::string user;
  // TLS with both certificates verified. Without it (tests only) ca, cert and key stay empty.
  bool tls = true;
  std::string ca;
  std::string cert;
  std::string key;
  std::string application = "trivium";
  SqlIsolation isolation = SqlIsolation::kReadCommitted;
  absl::Duration connect_timeout = absl::Seconds(3);
  // The server ends a statement after this; the client gives up on the connection a little later.
  absl::Duration statement_timeout = absl::Seconds(10);
};

}  // namespace trivium
