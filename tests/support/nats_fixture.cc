#include "tests/support/nats_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"

extern char** environ;

namespace trivium {

TempFolder::TempFolder() {
  std::string pattern = "/tmp/trivium-nats-XXXXXX";
  const char* made = mkdtemp(pattern.data());
  EXPECT_NE(made, nullptr) << "mkdtemp";
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;  // what is left is under /tmp
  std::filesystem::remove_all(path_, ignored);
}

std::string TempFolder::Write(const std::string& name, absl::string_view text) const {
  const std::string path = path_ + "/" + name;
  std::ofstream(path).write(text.data(), static_cast<std::streamsize>(text.size()));
  return path;
}

std::vector<int> FreePorts(int count) {
  // Held together, so that they differ.
  std::vector<int> sockets, ports;
  for (int i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    ports.push_back(ntohs(address.sin_port));
    sockets.push_back(fd);
  }
  for (const int fd : sockets) close(fd);
  return ports;
}

std::string NatsServerProgram() {
  const char* chosen = std::getenv("TRIVIUM_NATS_SERVER");
  return chosen == nullptr ? "/usr/sbin/nats-server" : chosen;
}

NatsServer::NatsServer(std::string config_path) : config_path_(std::move(config_path)) {}

NatsServer::~NatsServer() { End(SIGKILL); }

void NatsServer::Start() {
  ASSERT_EQ(pid_, 0);
  int out[2];
  ASSERT_EQ(pipe2(out, O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  posix_spawn_file_actions_adddup2(&actions, out[1], 2);
  std::string program = NatsServerProgram();
  std::string flag = "-c";
  std::string config = config_path_;
  char* argv[] = {program.data(), flag.data(), config.data(), nullptr};
  const int error = posix_spawn(&pid_, program.c_str(), &actions, nullptr, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(out[1]);
  if (error != 0) pid_ = 0;
  ASSERT_EQ(error, 0) << "nats-server does not start";
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    log_.clear();
    eof_ = false;
  }
  reader_ = std::thread([this, fd = out[0]] {
    char buffer[4096];
    ssize_t n = 0;
    while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
      const std::lock_guard<std::mutex> lock(mutex_);
      log_.append(buffer, static_cast<size_t>(n));
      changed_.notify_all();
    }
    close(fd);
    const std::lock_guard<std::mutex> lock(mutex_);
    eof_ = true;
    changed_.notify_all();
  });
  ASSERT_TRUE(WaitForLog("Server is ready"));
}

void NatsServer::End(int signal) {
  if (pid_ > 0) {
    kill(pid_, signal);
    if (signal != SIGKILL) kill(pid_, SIGCONT);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  if (reader_.joinable()) reader_.join();
}

void NatsServer::Kill() { End(SIGKILL); }
void NatsServer::Stop() { End(SIGTERM); }
void NatsServer::Restart() {
  Kill();
  Start();
}
void NatsServer::Freeze() {
  ASSERT_EQ(kill(pid_, SIGSTOP), 0);
  int status = 0;
  ASSERT_EQ(waitpid(pid_, &status, WUNTRACED), pid_);
  ASSERT_TRUE(WIFSTOPPED(status));
}
void NatsServer::Thaw() { ASSERT_EQ(kill(pid_, SIGCONT), 0); }

namespace {

int Count(const std::string& log, absl::string_view text) {
  int found = 0;
  for (size_t at = log.find(text.data(), 0, text.size()); at != std::string::npos;
       at = log.find(text.data(), at + 1, text.size())) {
    ++found;
  }
  return found;
}

}  // namespace

bool NatsServer::WaitForLog(absl::string_view text, int times, absl::Duration timeout) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, absl::ToChronoMilliseconds(timeout),
                    [&] { return eof_ || Count(log_, text) >= times; });
  if (Count(log_, text) >= times) return true;
  ADD_FAILURE() << "nats-server -c " << config_path_ << " did not say \"" << text << "\" " << times
                << " times:\n"
                << log_;
  return false;
}

int NatsServer::CountLog(absl::string_view text) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return Count(log_, text);
}

std::string NatsServer::log() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return log_;
}

PlainNats::PlainNats(absl::string_view extra)
    : port_(FreePorts(1)[0]),
      server_(folder_.Write("nats.conf", absl::StrCat("host: 127.0.0.1\nport: ", port_, "\n", extra, "\n"))) {
  server_.Start();
}

std::string PlainNats::url() const { return absl::StrCat("nats://127.0.0.1:", port_); }

}  // namespace trivium
