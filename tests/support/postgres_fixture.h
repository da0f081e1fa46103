// A private PostgreSQL 15 server for tests: its own folder and port on loopback, gone with the object.
//
// One server per test program (SharedPostgres), a fresh database per test. Not thread-safe. Aborts the test
// program with a message if the server cannot be made: there is nothing to test without it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "controlplane/db/connection.h"
#include "controlplane/db/server_options.h"

namespace trivium {

class PostgresServer {
 public:
  struct Options {
    bool durable = false;  // fsync; needed only where a killed server must keep what it acknowledged
    bool tls = false;      // client certificates, CN = role
    std::vector<std::string> settings;  // further lines of postgresql.conf
  };

  explicit PostgresServer(Options options);
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // A new database owned by trivium_writer, with both roles; not migrated. Answers its name.
  std::string CreateDatabase();
  // How the role reaches a database of this server.
  SqlServerOptions ClientOptions(const std::string& database,
                                 const std::string& role = "trivium_writer") const;
  std::string port() const { return port_; }
  // Where the certificates are (options.tls): ca.crt, <role>.crt, <role>.key.
  std::string tls_folder() const { return folder_ + "/tls"; }

  // SIGINT: cuts every session, shuts down. SIGKILL of the whole server: as a power failure, but for the
  // page cache.
  void Stop();
  void Kill();
  // On the same port, with the same data.
  void Start();

 private:
  void Initialize();
  void MakeCertificates();
  void Signal(int signal);

  const Options options_;
  std::string folder_;
  std::string port_;
  pid_t pid_ = -1;
  int databases_ = 0;
};

// The test program's server, without TLS, made on first use.
PostgresServer* SharedPostgres();

// Runs one statement as that role; aborts the program if it fails.
SqlResult MustRun(const SqlServerOptions& server, const std::string& sql);

// Where the tests run: TRIVIUM_TEST_SQL_URL ("postgresql://user@host:port/database", an existing database on
// any server of either kind, without TLS) or the shared server. A new, empty database each time.
SqlServerOptions FreshDatabase();
// Gone again, if it is on a server that is not ours to throw away.
void DropFreshDatabase(const SqlServerOptions& database);
// True if TRIVIUM_TEST_SQL_URL names the server.
bool UsesForeignServer();

}  // namespace trivium
