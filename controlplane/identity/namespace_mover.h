// Moves the endpoints of relabelled namespaces to their new identities, piece by piece: a namespace may have
// more endpoints than a batch holds. What is left to do follows from the mirror alone, so that the instance
// that commits next goes on where another one died, and what two of them ask for is done once. Belongs to one
// executor; not thread-safe.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "base/executor.h"
#include "controlplane/sync/cluster_mirror.h"
#include "controlplane/writer/planner.h"
#include "controlplane/writer/writer.h"

namespace trivium {

class NamespaceMover {
 public:
  using Plan = std::function<absl::StatusOr<Planned>(const Caller&, Draft*)>;
  // Commits what `plan` adds.
  using Submit = std::function<void(Plan plan, Writer::Answer answer)>;

  // `own` has an index. `commits`: whether this instance is to write. No pointer is owned.
  NamespaceMover(ClusterMirror* own, const Planner* planner, Executor* executor,
                 std::function<bool()> commits, Submit submit);
  NamespaceMover(const NamespaceMover&) = delete;
  NamespaceMover& operator=(const NamespaceMover&) = delete;

  // Before, it only notes what there is to do.
  void Start();
  // Every endpoint has the identity that follows from its namespace, as far as this mirror knows.
  bool settled() const { return unsettled_.empty(); }

 private:
  void Note(const Batch* batch);
  void StepSoon();
  void Step();
  void LookAgainLater();
  // Whether some endpoint of the namespace is still to be moved.
  bool Stale(const std::string& ns) const;

  ClusterMirror* const own_;
  const Planner* const planner_;
  Executor* const executor_;
  const std::function<bool()> commits_;
  const Submit submit_;
  std::set<std::string> unsettled_;  // names
  bool started_ = false;
  bool stepping_ = false;
  bool looking_ = false;
  Alive alive_;
};

}  // namespace trivium
