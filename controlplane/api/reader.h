// Answers what reads: get, status and trace, from the mirrors; the text of a manifest from SQL. Belongs to
// one executor; not thread-safe.
#pragma once

#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "base/executor.h"
#include "controlplane/publisher/publisher.h"
#include "controlplane/status/agent_table.h"
#include "controlplane/store/store.h"
#include "controlplane/sync/mirrors.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class Reader {
 public:
  using Answer = absl::AnyInvocable<void(const v1::Reply&)>;
  // What one answer may hold, below the bus's limit.
  static constexpr size_t kMaxAnswerBytes = 900 * 1024;

  // No pointer is owned.
  // `own` is the cluster whose requests it answers, `agents` are that cluster's.
  Reader(std::string instance, Mirrors* mirrors, const ClusterMirror* own, AgentTable* agents,
         const Publisher* publisher, Store* store, Executor* executor);

  // Of any cluster of the mesh. One object by its name comes with its manifest.
  void Get(const v1::GetRequest& request, Answer answer);
  v1::Reply Status() const;
  // Between any two ends of the mesh.
  v1::Reply Trace(const v1::TraceRequest& request) const;

 private:
  absl::StatusOr<v1::Reply> Collect(const v1::GetRequest& request, const ClusterMirror** source) const;

  const std::string instance_;
  Mirrors* const mirrors_;
  const ClusterMirror* const own_;
  AgentTable* const agents_;
  const Publisher* const publisher_;
  Store* const store_;
  Executor* const executor_;
  Alive alive_;
};

}  // namespace trivium
