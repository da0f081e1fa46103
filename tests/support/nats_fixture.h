// Real NATS servers for tests: started from a configuration on free ports, waited for by what they say, ended
// by process id.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace trivium {

// A folder under /tmp that goes with its owner.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::string& path() const { return path_; }
  // Writes a file and returns its path.
  std::string Write(const std::string& name, absl::string_view text) const;

 private:
  std::string path_;
};

// Distinct TCP ports of 127.0.0.1 that were free a moment ago.
std::vector<int> FreePorts(int count);

// The server that tests run: the distribution's, or what the environment variable TRIVIUM_NATS_SERVER names.
std::string NatsServerProgram();

// One nats-server process. A test that cannot start it fails by an exception of the test (ADD_FAILURE and
// running() == false). Not thread-safe, apart from the log.
class NatsServer {
 public:
  explicit NatsServer(std::string config_path);
  ~NatsServer();
  NatsServer(const NatsServer&) = delete;
  NatsServer& operator=(const NatsServer&) = delete;

  void Start();    // returns once it says that it is ready
  void Kill();     // SIGKILL
  void Stop();     // SIGTERM
  void Restart();  // Kill, Start
  void Freeze();   // SIGSTOP
  void Thaw();     // SIGCONT
  bool running() const { return pid_ > 0; }

  // Waits until its log, since the last Start, holds `text` that many times.
  bool WaitForLog(absl::string_view text, int times = 1, absl::Duration timeout = absl::Seconds(20));
  int CountLog(absl::string_view text) const;
  std::string log() const;

 private:
  void End(int signal);

  const std::string config_path_;
  pid_t pid_ = 0;
  std::thread reader_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string log_;
  bool eof_ = false;
};

// The plainest server: one port, no TLS. For the driver's own tests.
class PlainNats {
 public:
  // `extra`: more lines for the configuration.
  explicit PlainNats(absl::string_view extra = "");
  NatsServer& server() { return server_; }
  std::string url() const;

 private:
  TempFolder folder_;
  const int port_;
  NatsServer server_;
};

}  // namespace trivium
