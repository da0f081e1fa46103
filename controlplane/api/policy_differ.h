// Answers "what would these manifests change?" before anything is applied: plans them on a scratch draft, and
// compares what the policies say before and after for every identity of the cluster as subject, in both
// directions, against every identity of the mesh, the reserved ones, and the prefixes that the policies name.
//
// The state is taken at once, by reference, and compared in steps of a bounded number of comparisons, each a
// task of its own, so that requests between them wait for milliseconds. What takes longer than the caller
// waits is given up and says so. Belongs to one executor; not thread-safe.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/executor.h"
#include "controlplane/sync/mirrors.h"
#include "controlplane/writer/planner.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class PolicyDiffer {
 public:
  using Answer = absl::AnyInvocable<void(const v1::Reply&)>;
  struct Options {
    size_t max_flows = 2000;      // of one answer
    size_t max_running = 2;       // more are asked to try again
    size_t comparisons = 20'000;  // of a peer with a selector, in one step
  };

  // `own` is the cluster whose manifests are compared; it has an index. No pointer is owned.
  PolicyDiffer(Mirrors* mirrors, ClusterMirror* own, const Planner* planner, Executor* executor, Clock* clock,
               Options options);

  // The answer comes within `timeout`, or says that it was not enough. A manifest that an apply would refuse
  // is refused alike.
  void Diff(const v1::PolicyDiffRequest& request, const Caller& caller, absl::Duration timeout,
            Answer answer);

  size_t running() const { return running_; }

 private:
  struct Job;

  absl::StatusOr<std::shared_ptr<Job>> Begin(const v1::PolicyDiffRequest& request, const Caller& caller);
  // Plans on the draft; the answer that an apply would give.
  absl::StatusOr<v1::ApplyResult> Plan(const v1::PolicyDiffRequest& request, const Caller& caller,
                                       Draft* draft) const;
  void Step(const std::shared_ptr<Job>& job);

  Mirrors* const mirrors_;
  ClusterMirror* const own_;
  const Planner* const planner_;
  Executor* const executor_;
  Clock* const clock_;
  const Options options_;
  size_t running_ = 0;
  Alive alive_;
};

}  // namespace trivium
