// Break-glass: begins a new epoch of a cluster's history because a person asks for it, so that every mirror
// takes a snapshot (docs/epochs.md). Belongs to one executor; not thread-safe.
#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "base/clock.h"
#include "base/executor.h"
#include "controlplane/store/store.h"
#include "controlplane/sync/follower.h"
#include "controlplane/writer/draft.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class EpochAdmin {
 public:
  using Answer = absl::AnyInvocable<void(const v1::Reply&)>;
  static constexpr size_t kMaxReason = 1000;  // bytes

  // `follower` is brought to the new epoch before the answer. No pointer is owned.
  EpochAdmin(Follower* follower, ClusterRef cluster, Store* store, Executor* executor, const Clock* clock);

  // The same request again gets the same answer.
  void Bump(const v1::BumpEpochRequest& request, const Caller& caller, Answer answer);

 private:
  void Begin(const std::string& reason, const Caller& caller, Answer answer);

  Follower* const follower_;
  const ClusterRef cluster_;
  Store* const store_;
  Executor* const executor_;
  const Clock* const clock_;
  Alive alive_;
};

}  // namespace trivium
