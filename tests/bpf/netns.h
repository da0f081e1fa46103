// Network namespaces for tests. They have no name and vanish with their last descriptor, so that a test that
// is killed leaves nothing behind. One thread.
#pragma once

#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>

#include "nodeagent/kernel/fd.h"

namespace trivium {

class Netns {
 public:
  // A new one, with its loopback device up. Ends the program if the kernel refuses: it needs root.
  Netns();

  // What `ip ... netns PATH` takes.
  std::string path() const;
  int fd() const { return fd_.get(); }

  // The calling thread, and the processes it starts, are in it while this lives.
  class Scope {
   public:
    explicit Scope(const Netns& netns);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Fd outer_;
  };

  // Runs `ip ARGUMENTS` inside; fails the test if that fails.
  void Ip(const std::string& arguments) const;

 private:
  Fd fd_;
};

}  // namespace trivium
