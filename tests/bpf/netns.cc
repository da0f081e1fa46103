#include "tests/bpf/netns.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace trivium {
namespace {

void Must(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  std::abort();
}

Fd Current() {
  Fd fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  Must(fd.ok(), "open the thread's network namespace");
  return fd;
}

}  // namespace

Netns::Netns() {
  const Fd outer = Current();
  Must(unshare(CLONE_NEWNET) == 0, "make a network namespace");
  fd_ = Current();
  Must(setns(outer.get(), CLONE_NEWNET) == 0, "return from the new network namespace");
  Ip("link set lo up");
}

std::string Netns::path() const {
  return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd_.get());
}

Netns::Scope::Scope(const Netns& netns) : outer_(Current()) {
  Must(setns(netns.fd(), CLONE_NEWNET) == 0, "enter a network namespace");
}
Netns::Scope::~Scope() { Must(setns(outer_.get(), CLONE_NEWNET) == 0, "leave a network namespace"); }

void Netns::Ip(const std::string& arguments) const {
  const Scope scope(*this);
  const std::string command = "ip " + arguments;
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

}  // namespace trivium
