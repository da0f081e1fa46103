#include "nodeagent/kernel/libbpf_log.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>

#include "absl/strings/strip.h"
#include "spdlog/spdlog.h"

namespace trivium {
namespace {

constexpr size_t kKept = 4000;
thread_local std::string* collected = nullptr;

int Print(libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG) return 0;
  char line[kKept];
  const int length = vsnprintf(line, sizeof(line), format, args);
  if (collected != nullptr) {
    collected->append(line);
    if (collected->size() > 2 * kKept) collected->erase(0, collected->size() - kKept);
  } else if (level == LIBBPF_WARN) {
    std::string text(line);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    spdlog::warn("libbpf text=\"{}\"", text);
  }
  return length;
}

}  // namespace

LibbpfLog::LibbpfLog() : outer_(collected) {
  collected = &lines_;
  libbpf_set_print(Print);
}

LibbpfLog::~LibbpfLog() { collected = outer_; }

std::string LibbpfLog::text() const {
  return lines_.size() > kKept ? lines_.substr(lines_.size() - kKept) : lines_;
}

}  // namespace trivium
