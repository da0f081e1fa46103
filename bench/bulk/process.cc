#include "bench/bulk/process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace trivium::bench {
namespace {

constexpr char kMemoryRoot[] = "/sys/fs/cgroup/memory";

absl::Status Run(const std::string& command) {
  if (std::system(command.c_str()) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("failed: ", command));
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

uint64_t FieldAfter(const std::string& text, const std::string& name) {
  std::istringstream words(text);
  std::string word;
  uint64_t value = 0;
  while (words >> word) {
    if (word == name && words >> value) return value;
  }
  return 0;
}

}  // namespace

absl::Status EnterOwnNetwork(const std::string& address) {
  if (::unshare(CLONE_NEWNET) != 0) return absl::ErrnoToStatus(errno, "a network namespace (are you root?)");
  return Run(absl::StrCat("ip link set lo up && ip link add up0 type veth peer name up1 && ip addr add ",
                          address, " dev up0 && ip link set up0 up && ip link set up1 up"));
}

absl::StatusOr<MemoryGroup> MemoryGroup::Make(const std::string& name) {
  std::string path = absl::StrCat(kMemoryRoot, "/", name);
  if (::mkdir(path.c_str(), 0755) != 0) return absl::ErrnoToStatus(errno, path);
  return MemoryGroup(std::move(path));
}

MemoryGroup::~MemoryGroup() {
  if (!path_.empty()) ::rmdir(path_.c_str());
}

absl::StatusOr<MemoryGroup::Usage> MemoryGroup::Read() const {
  Usage usage;
  usage.resident = FieldAfter(ReadText(path_ + "/memory.stat"), "total_rss");
  std::istringstream(ReadText(path_ + "/memory.kmem.usage_in_bytes")) >> usage.kernel;
  if (usage.kernel == 0) return absl::NotFoundError(path_ + " does not tell kernel memory");
  return usage;
}

absl::StatusOr<Process> Process::Start(const std::vector<std::string>& command, const std::string& log,
                                       const MemoryGroup* group) {
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  const std::string procs = group == nullptr ? "" : group->path() + "/cgroup.procs";
  const pid_t pid = ::fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, "fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!procs.empty()) {
      const int fd = ::open(procs.c_str(), O_WRONLY);
      if (fd < 0 || ::write(fd, "0", 1) != 1) ::_exit(126);
      ::close(fd);
    }
    const int err = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(in[0], 0);
    ::dup2(out[1], 1);
    ::dup2(err, 2);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  Process process;
  process.pid_ = pid;
  process.in_ = ::fdopen(in[1], "w");
  process.out_ = ::fdopen(out[0], "r");
  return process;
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)),
      in_(std::exchange(other.in_, nullptr)),
      out_(std::exchange(other.out_, nullptr)) {}

Process::~Process() {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (in_ != nullptr) std::fclose(in_);
  if (out_ != nullptr) std::fclose(out_);
}

void Process::Signal(int signal) const {
  if (pid_ > 0) ::kill(pid_, signal);
}

void Process::Stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

absl::Status Process::WriteLine(const std::string& line) {
  if (std::fprintf(in_, "%s\n", line.c_str()) < 0 || std::fflush(in_) != 0) {
    return absl::UnavailableError(absl::StrCat("process ", pid_, " takes no input"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Process::ReadLine() {
  std::string line;
  for (int c; (c = std::fgetc(out_)) != EOF;) {
    if (c == '\n') return line;
    line.push_back(static_cast<char>(c));
  }
  return absl::UnavailableError(absl::StrCat("process ", pid_, " has ended"));
}

absl::StatusOr<std::string> Process::Ask(const std::string& line) {
  const absl::Status written = WriteLine(line);
  if (!written.ok()) return written;
  return ReadLine();
}

uint64_t ResidentBytes(pid_t pid, bool peak) {
  return 1024 * FieldAfter(ReadText(absl::StrCat("/proc/", pid, "/status")), peak ? "VmHWM:" : "VmRSS:");
}

double CpuSeconds(pid_t pid) {
  std::istringstream words(ReadText(absl::StrCat("/proc/", pid, "/stat")));
  std::string word;
  for (int i = 0; i < 13; ++i) words >> word;
  uint64_t user = 0, system = 0;
  words >> user >> system;
  return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace trivium::bench
