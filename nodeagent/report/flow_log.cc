#include "nodeagent/report/flow_log.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "bpf/abi/drop_reasons.h"
#include "policy/cidr.h"

namespace trivium {
namespace {

std::string End(const uint8_t* addr, const uint8_t* port, uint8_t family) {
  const std::string ip(reinterpret_cast<const char*>(addr), family == 6 ? 16 : 4);
  const std::string text = policy::CidrText(policy::HostPrefix(ip));
  return absl::StrCat("[", text.substr(0, text.find('/')), "]:", port[0] << 8 | port[1]);
}

std::string ReasonName(uint8_t reason) {
  switch (reason) {
#define TRIVIUM_REASON_CASE(number, constant, name) \
  case number:                                      \
    return name;
    TRIVIUM_DROP_REASONS(TRIVIUM_REASON_CASE)
#undef TRIVIUM_REASON_CASE
    case 0:
      return "audit: passed, though its policy denies it";
    default:
      return absl::StrCat("reason ", reason);
  }
}

}  // namespace

std::string FlowLog::Text(const flow_event& event, const FindCookie& find_cookie) {
  std::string text = absl::StrCat(
      End(event.source, event.source_port, event.family), " -> ",
      End(event.destination, event.destination_port, event.family), " protocol ", event.protocol,
      event.direction == DIRECTION_INGRESS ? " ingress" : " egress", " of endpoint ", event.endpoint,
      ", remote identity ", event.remote_identity, ": ", ReasonName(event.reason));
  if (const Cookies::Origin* origin = find_cookie(event.cookie)) {
    absl::StrAppend(&text, " (", origin->policy, " ", origin->rule, ", revision ", origin->revision, ")");
  }
  return text;
}

void FlowLog::Add(const flow_event& event) {
  ++total_;
  last_.push_back(Text(event, find_cookie_));
  if (last_.size() > kKept) last_.pop_front();
  const int64_t second = absl::ToInt64Seconds(clock_->Monotonic());
  if (second != second_) {
    second_ = second;
    logged_ = 0;
  }
  if (++logged_ <= kLoggedPerSecond) spdlog::info("flow event=\"{}\"", last_.back());
}

std::vector<std::string> FlowLog::Last(size_t limit) const {
  const size_t n = std::min(limit, last_.size());
  return {last_.end() - static_cast<ptrdiff_t>(n), last_.end()};
}

}  // namespace trivium
