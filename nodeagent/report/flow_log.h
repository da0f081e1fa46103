// The last flow events as text, with the policy that decided and the revision it came from. Not thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "bpf/abi/types.h"
#include "nodeagent/compile/cookies.h"

namespace trivium {

class FlowLog {
 public:
  using FindCookie = std::function<const Cookies::Origin*(uint32_t)>;
  // `clock` is not owned.
  FlowLog(const Clock* clock, FindCookie find_cookie) : clock_(clock), find_cookie_(std::move(find_cookie)) {}

  void Add(const flow_event& event);
  // The newest last.
  std::vector<std::string> Last(size_t limit) const;
  uint64_t total() const { return total_; }

  static std::string Text(const flow_event& event, const FindCookie& find_cookie);

 private:
  static constexpr size_t kKept = 1024;
  static constexpr int kLoggedPerSecond = 10;  // so that a flood of drops is no flood of lines

  const Clock* const clock_;
  const FindCookie find_cookie_;
  std::deque<std::string> last_;
  uint64_t total_ = 0;
  int64_t second_ = 0;
  int logged_ = 0;
};

}  // namespace trivium
