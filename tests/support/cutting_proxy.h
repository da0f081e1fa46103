// A TCP proxy on loopback that cuts connections at a chosen place in their bytes, freezes them, or refuses
// new ones. Thread-safe; has a thread of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace trivium {

class CuttingProxy {
 public:
  enum class Cut {
    kBeforeServer,  // the server gets what stands before the marker, then both sides are closed
    kAfterServer,   // the server gets everything and goes on working; the client is closed at once
    kAnswer,        // the server's bytes from the marker on are swallowed, then both sides are closed
  };

  CuttingProxy(std::string host, std::string port);
  ~CuttingProxy();
  CuttingProxy(const CuttingProxy&) = delete;
  CuttingProxy& operator=(const CuttingProxy&) = delete;

  std::string port() const { return listen_port_; }

  // Cuts, once, the first connection whose bytes hold the marker. It must lie within one read: keep it short.
  void CutOnce(Cut cut, const std::string& marker);
  int cuts() const { return cuts_; }
  // While frozen nothing is forwarded and nothing is closed, as behind a firewall that drops.
  void Freeze(bool frozen);
  // Closes what is open; new connections are closed too until it is allowed again.
  void Refuse(bool refused);

 private:
  struct Pair {
    int client = -1;
    int server = -1;
  };
  struct Rule {
    Cut cut;
    std::string marker;
  };

  void Loop();
  void Accept();
  // False: the pair is done.
  bool Forward(Pair* pair, bool to_server);
  void Wake();

  const std::string host_;
  const std::string port_;
  std::string listen_port_;
  int listener_ = -1;
  int wake_[2] = {-1, -1};
  std::list<Pair> pairs_;  // of the loop's thread
  std::atomic<int> cuts_{0};
  std::atomic<bool> frozen_{false};
  std::atomic<bool> refused_{false};
  std::atomic<bool> closing_{false};
  absl::Mutex mutex_;
  std::optional<Rule> rule_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace trivium
