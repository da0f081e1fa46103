// The policies that this node does not enforce: since when and why, as it reports them. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "nodeagent/desired/pipeline.h"
#include "trivium/v1/status.pb.h"

namespace trivium {

class Enforcement {
 public:
  // `cluster`: whose policies.
  explicit Enforcement(std::string cluster) : cluster_(std::move(cluster)) {}

  // Takes what holds after a flush; logs what came, changed and went. Returns whether anything did.
  bool Update(const std::vector<Pipeline::NotEnforced>& now, absl::Time time);

  void Fill(v1::AgentStatus* status) const;
  // For people, one line a policy; as many as are reported.
  std::vector<std::string> Problems() const;
  size_t not_enforced() const { return entries_.size(); }
  // How often a policy came to be not enforced since the start.
  uint64_t failures() const { return failures_; }

 private:
  static constexpr size_t kMostReported = 100;
  struct Entry {
    std::string reason;
    uint32_t endpoints = 0;
    absl::Time since;
  };

  const std::string cluster_;
  std::map<std::string, Entry> entries_;  // by policy
  uint64_t failures_ = 0;
};

}  // namespace trivium
