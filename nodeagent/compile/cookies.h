// The numbers by which verdicts in the kernel name the rule that decided. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>

#include "absl/container/flat_hash_map.h"

namespace trivium {

class Cookies {
 public:
  struct Origin {
    std::string policy;     // object key: "NetworkPolicy/shop/db"
    std::string rule;       // "spec.ingress[0]"
    uint64_t revision = 0;  // of the policy's last change when the verdict was compiled
    friend bool operator==(const Origin&, const Origin&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Origin& o) {
      return H::combine(std::move(h), o.policy, o.rule, o.revision);
    }
  };

  // The cookie of `origin`, made by `fresh` if it has none; counts a user. Never 0 if `fresh` never gives it.
  template <typename Fresh>
  uint32_t Acquire(const Origin& origin, Fresh fresh) {
    auto [it, inserted] = by_origin_.try_emplace(origin, 0);
    if (inserted) {
      it->second = fresh();
      by_cookie_[it->second] = {origin, 0};
    }
    ++by_cookie_[it->second].users;
    return it->second;
  }
  void Release(uint32_t cookie) {
    const auto it = by_cookie_.find(cookie);
    if (it == by_cookie_.end() || --it->second.users > 0) return;
    by_origin_.erase(it->second.origin);
    by_cookie_.erase(it);
  }

  // Null for 0 (the default) and for rules no longer in any map.
  const Origin* Find(uint32_t cookie) const {
    const auto it = by_cookie_.find(cookie);
    return it == by_cookie_.end() ? nullptr : &it->second.origin;
  }
  size_t size() const { return by_cookie_.size(); }

 private:
  struct Used {
    Origin origin;
    int users = 0;
  };
  absl::flat_hash_map<Origin, uint32_t> by_origin_;
  absl::flat_hash_map<uint32_t, Used> by_cookie_;
};

}  // namespace trivium
