#include "nodeagent/report/start_stamp.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace trivium {

int64_t MakeStartStamp(Files* files, const std::string& path, int64_t now_ms) {
  int64_t last = 0;
  const absl::StatusOr<std::string> text = files->Read(path);
  if (text.ok() && !absl::SimpleAtoi(*text, &last)) last = 0;
  const int64_t stamp = std::max(now_ms, last + 1);
  if (const absl::Status kept = files->WriteAtomically(path, absl::StrCat(stamp)); !kept.ok()) {
    spdlog::warn("cannot keep the time of this start file={} error=\"{}\"", path, kept.ToString());
  }
  return stamp;
}

}  // namespace trivium
