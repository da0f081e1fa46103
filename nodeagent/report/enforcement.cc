#include "nodeagent/report/enforcement.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace trivium {

bool Enforcement::Update(const std::vector<Pipeline::NotEnforced>& now, absl::Time time) {
  if (now.empty() && entries_.empty()) return false;
  std::map<std::string, Entry> before = std::exchange(entries_, {});
  bool changed = false;
  for (const Pipeline::NotEnforced& each : now) {
    const auto it = before.find(each.policy);
    const bool is_new = it == before.end();
    entries_[each.policy] = {each.reason, each.endpoints, is_new ? time : it->second.since};
    const bool same = !is_new && it->second.reason == each.reason && it->second.endpoints == each.endpoints;
    if (is_new) {
      ++failures_;
      spdlog::error("policy not enforced policy={} endpoints={} reason=\"{}\"", each.policy, each.endpoints,
                    each.reason);
    } else {
      before.erase(it);
    }
    changed = changed || !same;
  }
  for (const auto& [policy, entry] : before) {
    changed = true;
    spdlog::info("policy enforced again policy={} after={}", policy,
                 absl::FormatDuration(time - entry.since));
  }
  return changed;
}

std::vector<std::string> Enforcement::Problems() const {
  std::vector<std::string> problems;
  for (const auto& [policy, entry] : entries_) {
    if (problems.size() == kMostReported) break;
    problems.push_back(absl::StrCat("policy ", policy, " is not enforced: ", entry.reason));
  }
  return problems;
}

void Enforcement::Fill(v1::AgentStatus* status) const {
  status->set_not_enforced_total(static_cast<uint32_t>(entries_.size()));
  for (const auto& [policy, entry] : entries_) {
    if (static_cast<size_t>(status->not_enforced_size()) == kMostReported) return;
    // kind/namespace/name; schema/object.h
    const std::vector<std::string> parts = absl::StrSplit(policy, absl::MaxSplits('/', 2));
    v1::NotEnforcedPolicy* out = status->add_not_enforced();
    out->set_cluster(cluster_);
    if (!parts.empty()) out->set_kind(parts[0]);
    if (parts.size() > 1) out->set_namespace_(parts[1]);
    if (parts.size() > 2) out->set_name(parts[2]);
    out->set_reason(entry.reason);
    out->set_since_ms(absl::ToUnixMillis(entry.since));
    out->set_endpoints(entry.endpoints);
  }
}

}  // namespace trivium
