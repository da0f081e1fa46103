// Who commits which cluster's changes: of all control planes of a cluster the one that holds its lease, a row
// in SQL, so that writers need not race (docs/writers.md). Takes and renews the leases of the clusters that
// this process serves, one query for each home region.
//
// Only speed depends on it: what commits without the lease, or beside another that believes to hold it, is
// right by the compare-and-set all the same. So the time until a lease ends is counted by this process's
// clock from before the question, but who may take it is decided by SQL's.
//
// Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "controlplane/store/store.h"

namespace trivium {

class LeaseKeeper {
 public:
  struct Options {
    absl::Duration lifetime = absl::Seconds(4);  // after which a holder that says nothing is none
    absl::Duration renew_every = absl::Seconds(1);
  };
  struct Counters {
    uint64_t taken = 0;   // leases that this process did not have
    uint64_t lost = 0;    // that it had, and that went to another
    uint64_t failed = 0;  // questions without an answer
  };

  // `instance` is the holder's name. No pointer is owned.
  LeaseKeeper(std::string instance, Store* store, Executor* executor, const Clock* clock, Options options);
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  // From now on this process wants the lease of that cluster.
  void Want(const ClusterRef& cluster);
  // Gives back what it holds and wants none any more, so that others need not wait for the end; then `done`,
  // with or without success.
  void Leave(absl::AnyInvocable<void()> done);

  // The instance, another than this one, that commits the cluster's changes. Empty: this one does, by its
  // lease or because nobody is known to.
  std::string Elsewhere(const std::string& cluster) const;
  // Whether this process has the lease, as far as it knows.
  bool Holds(const std::string& cluster) const;
  // Called when another instance than before is known to hold a cluster's lease.
  void Observe(std::function<void(const std::string& cluster)> observer) {
    observers_.push_back(std::move(observer));
  }
  const Counters& counters() const { return counters_; }

 private:
  struct Lease {
    std::string holder;  // empty: not known
    absl::Duration until;
  };

  void Renew(uint32_t home);
  void OnAnswer(uint32_t home, absl::Duration asked, const absl::StatusOr<std::vector<WriterLease>>& leases);
  const Lease* Valid(const std::string& cluster) const;

  const std::string instance_;
  Store* const store_;
  Executor* const executor_;
  const Clock* const clock_;
  const Options options_;
  std::map<uint32_t, std::map<uint32_t, std::string>> wanted_;  // by home, cluster_id: names
  std::map<std::string, Lease> leases_;                         // by the cluster's name
  std::set<uint32_t> asking_;                                   // homes whose question is open
  std::vector<std::function<void(const std::string&)>> observers_;
  bool left_ = false;
  Counters counters_;
  Alive alive_;
};

}  // namespace trivium
