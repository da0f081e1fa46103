#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "metrics/exporter.h"

namespace trivium {
namespace {

// The names that every Prometheus client library gives them.
constexpr MetricInfo kCpu{"process_cpu_seconds_total", "CPU time that the process has used."};
constexpr MetricInfo kResident{"process_resident_memory_bytes", "Memory of the process that is resident."};
constexpr MetricInfo kVirtual{"process_virtual_memory_bytes", "Address space of the process."};
constexpr MetricInfo kThreads{"process_threads", "Threads of the process."};
constexpr MetricInfo kOpenFiles{"process_open_fds", "Open file descriptors."};
constexpr MetricInfo kStart{"process_start_time_seconds", "When the process started, Unix time."};

double Number(const std::vector<std::string>& fields, size_t index) {
  double value = 0;
  if (index < fields.size() && !absl::SimpleAtod(fields[index], &value)) value = 0;
  return value;
}

}  // namespace

void CollectProcess(Files* files, double start_time, MetricsPage* page) {
  page->Gauge(kStart, start_time);
  const absl::StatusOr<std::string> stat = files->Read("/proc/self/stat");
  const absl::StatusOr<std::vector<std::string>> open = files->List("/proc/self/fd");
  if (open.ok()) page->Gauge(kOpenFiles, static_cast<double>(open->size()));
  const size_t after_name = stat.ok() ? stat->rfind(')') : std::string::npos;
  if (after_name == std::string::npos) return;  // no such system: shown without them
  // proc(5): "pid (name) state ..."; from the state on, so that field N of the manual is N - 3 here.
  const std::vector<std::string> fields = absl::StrSplit(stat->substr(after_name + 2), ' ');
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  page->Counter(kCpu, (Number(fields, 14 - 3) + Number(fields, 15 - 3)) / ticks);
  page->Gauge(kThreads, Number(fields, 20 - 3));
  page->Gauge(kVirtual, Number(fields, 23 - 3));
  page->Gauge(kResident, Number(fields, 24 - 3) * static_cast<double>(sysconf(_SC_PAGESIZE)));
}

}  // namespace trivium
