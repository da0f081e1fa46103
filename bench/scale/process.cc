#include "bench/scale/process.h"

#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace trivium::bench {

double CpuSeconds(const std::vector<int>& pids) {
  double ticks = 0;
  for (const int pid : pids) {
    std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
    std::string text;
    std::getline(file, text);
    const size_t end = text.rfind(") ");
    if (end == std::string::npos) continue;
    const std::vector<std::string> fields = absl::StrSplit(text.substr(end + 2), ' ');
    double user = 0, system = 0;
    if (fields.size() > 12 && absl::SimpleAtod(fields[11], &user) && absl::SimpleAtod(fields[12], &system)) {
      ticks += user + system;
    }
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double ResidentMib(const std::vector<int>& pids) {
  double kib = 0;
  for (const int pid : pids) {
    std::ifstream file(absl::StrCat("/proc/", pid, "/status"));
    for (std::string line; std::getline(file, line);) {
      if (!absl::StartsWith(line, "VmRSS:")) continue;
      const std::vector<std::string> words = absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
      double value = 0;
      if (words.size() > 1 && absl::SimpleAtod(words[1], &value)) kib += value;
    }
  }
  return kib / 1024;
}

}  // namespace trivium::bench
