#include "nodeagent/kernel/counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace trivium {

absl::StatusOr<DatapathCounters> ReadCounters(const Datapath& datapath) {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus <= 0) return absl::ErrnoToStatus(-cpus, "count the CPUs");
  DatapathCounters result;
  std::vector<counter_value> values(static_cast<size_t>(cpus));
  for (uint32_t index = 0; index < COUNTER_COUNT; ++index) {
    if (bpf_map_lookup_elem(datapath.counters_fd(), &index, values.data()) != 0) {
      return absl::ErrnoToStatus(errno, "read the drop counters");
    }
    Counter sum = {.reason = static_cast<int>(index / 2),
                   .direction = static_cast<trivium_direction>(index % 2)};
    for (const counter_value& value : values) {
      sum.packets += value.packets;
      sum.bytes += value.bytes;
    }
    if (sum.packets != 0) result.counters.push_back(sum);
  }
  const uint32_t zero = 0;
  std::vector<uint64_t> lost(static_cast<size_t>(cpus));
  if (bpf_map_lookup_elem(datapath.events_lost_fd(), &zero, lost.data()) != 0) {
    return absl::ErrnoToStatus(errno, "read the counter of lost events");
  }
  for (const uint64_t value : lost) result.events_lost += value;
  return result;
}

std::string DropReasonName(int reason) {
  if (reason == 0) return "passed";
  if (reason == COUNTER_AUDITED) return "audited: passed, though its policy denies it";
#define TRIVIUM_DROP_REASON_NAME(number, constant, name) \
  if (reason == number) return name;
  TRIVIUM_DROP_REASONS(TRIVIUM_DROP_REASON_NAME)
#undef TRIVIUM_DROP_REASON_NAME
  return absl::StrCat("reason ", reason);
}

}  // namespace trivium
