// Answers "is it enforced everywhere?": when every registered node of the cluster reports a revision as
// enforced, or at the deadline with those that do not. Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <list>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/executor.h"
#include "controlplane/status/agent_table.h"
#include "controlplane/sync/cluster_mirror.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class Waiter {
 public:
  using Answer = absl::AnyInvocable<void(const v1::Reply&)>;

  // `settled`: whether everything that earlier revisions entail is in revisions too
  // (identity/namespace_mover.h); as long as it is not, a wait goes on for what is committed meanwhile. No
  // pointer is owned.
  Waiter(ClusterMirror* mirror, AgentTable* agents, Executor* executor, std::function<bool()> settled);

  void Wait(const v1::WaitRequest& request, absl::Duration timeout, Answer answer);
  size_t waiting() const { return waits_.size(); }
  // Answers all of them with what is known now.
  void Drain();

 private:
  struct One {
    v1::WaitRequest request;
    Executor::TimerId timer = Executor::kNoTimer;
    Answer answer;
  };

  v1::Reply Judge(const v1::WaitRequest& request) const;
  void Check();

  // Raises what is waited for as long as consequences of it are still to come.
  void Extend(v1::WaitRequest* request) const;

  ClusterMirror* const mirror_;
  AgentTable* const agents_;
  Executor* const executor_;
  const std::function<bool()> settled_;
  std::list<One> waits_;
  Alive alive_;
};

}  // namespace trivium
