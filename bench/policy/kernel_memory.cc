#include "bench/policy/kernel_memory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace trivium::bench {
namespace {

constexpr char kRoot[] = "/sys/fs/cgroup/memory";

absl::Status Join(const std::string& folder) {
  std::ofstream procs(absl::StrCat(folder, "/cgroup.procs"));
  procs << getpid() << std::endl;
  return procs.good() ? absl::OkStatus()
                      : absl::InternalError(absl::StrCat("cannot join the group ", folder));
}

}  // namespace

absl::StatusOr<std::unique_ptr<KernelMemory>> KernelMemory::Enter() {
  std::ifstream groups("/proc/self/cgroup");
  std::string line, parent;
  while (std::getline(groups, line)) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() == 3 && parts[1] == "memory") parent = kRoot + parts[2];
  }
  if (parent.empty()) return absl::UnavailableError("no memory controller of cgroup v1");
  const std::string folder = absl::StrCat(parent, "/trivium-bench-", getpid());
  if (mkdir(folder.c_str(), 0755) != 0) return absl::ErrnoToStatus(errno, absl::StrCat("make ", folder));
  std::unique_ptr<KernelMemory> memory(new KernelMemory(parent, folder));
  if (absl::Status joined = Join(folder); !joined.ok()) return joined;
  return memory;
}

KernelMemory::~KernelMemory() {
  // The machine's group takes over what is left; an empty group that stays is no harm.
  if (Join(parent_).ok()) rmdir(folder_.c_str());
}

absl::StatusOr<int64_t> KernelMemory::Bytes() const {
  std::ifstream file(absl::StrCat(folder_, "/memory.kmem.usage_in_bytes"));
  int64_t bytes = 0;
  if (!(file >> bytes)) return absl::UnavailableError("the kernel does not count kernel memory");
  return bytes;
}

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total = 0, resident = 0;
  if (!(file >> total >> resident)) return 0;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace trivium::bench
