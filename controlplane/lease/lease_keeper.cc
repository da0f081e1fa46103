#include "controlplane/lease/lease_keeper.h"

#include <spdlog/spdlog.h>

#include <memory>
#include <utility>

namespace trivium {

LeaseKeeper::LeaseKeeper(std::string instance, Store* store, Executor* executor, const Clock* clock,
                         Options options)
    : instance_(std::move(instance)), store_(store), executor_(executor), clock_(clock), options_(options) {}

void LeaseKeeper::Want(const ClusterRef& cluster) {
  if (left_) return;
  const bool first = !wanted_.contains(cluster.home);
  wanted_[cluster.home][cluster.cluster_id] = cluster.name;
  if (first) Renew(cluster.home);
}

void LeaseKeeper::Renew(uint32_t home) {
  if (left_) return;
  executor_->PostAfter(options_.renew_every, [this, alive = alive_.Watch(), home] {
    if (!alive.expired()) Renew(home);
  });
  if (!asking_.insert(home).second) return;
  std::vector<uint32_t> ids;
  for (const auto& [id, name] : wanted_[home]) ids.push_back(id);
  store_->HoldLeases(home, ids, instance_, options_.lifetime, executor_,
                     [this, alive = alive_.Watch(), home,
                      asked = clock_->Monotonic()](const absl::StatusOr<std::vector<WriterLease>>& leases) {
                       if (!alive.expired()) OnAnswer(home, asked, leases);
                     });
}

void LeaseKeeper::OnAnswer(uint32_t home, absl::Duration asked,
                           const absl::StatusOr<std::vector<WriterLease>>& leases) {
  asking_.erase(home);
  if (left_) return;
  if (!leases.ok()) {
    // What was known holds until its end; then each commits by itself.
    ++counters_.failed;
    return;
  }
  for (const WriterLease& row : *leases) {
    const auto name = wanted_[home].find(row.cluster_id);
    if (name == wanted_[home].end()) continue;
    Lease& lease = leases_[name->second];
    const std::string before = std::exchange(lease.holder, row.holder);
    lease.until = asked + row.left;
    if (before == row.holder) continue;
    if (row.holder == instance_) ++counters_.taken;
    if (before == instance_) ++counters_.lost;
    spdlog::info("writer lease cluster={} holder={} before={} fence={}", name->second, row.holder, before,
                 row.fence);
    for (const auto& observer : observers_) observer(name->second);
  }
}

const LeaseKeeper::Lease* LeaseKeeper::Valid(const std::string& cluster) const {
  const auto it = leases_.find(cluster);
  return it == leases_.end() || clock_->Monotonic() >= it->second.until ? nullptr : &it->second;
}

std::string LeaseKeeper::Elsewhere(const std::string& cluster) const {
  const Lease* lease = left_ ? nullptr : Valid(cluster);
  return lease == nullptr || lease->holder == instance_ ? std::string() : lease->holder;
}

bool LeaseKeeper::Holds(const std::string& cluster) const {
  const Lease* lease = left_ ? nullptr : Valid(cluster);
  return lease != nullptr && lease->holder == instance_;
}

void LeaseKeeper::Leave(absl::AnyInvocable<void()> done) {
  left_ = true;
  auto shared = std::make_shared<absl::AnyInvocable<void()>>(std::move(done));
  auto open = std::make_shared<size_t>(1);
  const auto finish = [shared, open] {
    if (--*open == 0) (*shared)();
  };
  for (const auto& [home, clusters] : wanted_) {
    std::vector<uint32_t> ids;
    for (const auto& [id, name] : clusters) ids.push_back(id);
    ++*open;
    store_->ReleaseLeases(
        home, ids, instance_, executor_, [alive = alive_.Watch(), finish](const absl::Status& status) {
          if (alive.expired()) return;
          // Not given back: it ends by itself.
          if (!status.ok()) {
            spdlog::warn("cannot give the writer leases back error=\"{}\"", std::string(status.message()));
          }
          finish();
        });
  }
  finish();
}

}  // namespace trivium
