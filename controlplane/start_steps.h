// The steps of a start, one after another: one that finds no server is tried again, any other error ends the
// start. Belongs to one executor; not thread-safe.
#pragma once

#include <functional>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/backoff.h"
#include "controlplane/drivers.h"
#include "controlplane/sync/cluster_mirror.h"
#include "controlplane/writer/writer.h"

namespace trivium {

class StartSteps {
 public:
  using Step = std::function<void()>;

  explicit StartSteps(const Drivers& drivers);

  // `done` runs once: when the start has ended, well or not.
  void Begin(absl::AnyInvocable<void(absl::Status)> done) { done_ = std::move(done); }
  // Goes on, tries the step again later, or gives up, as the status says.
  void Proceed(const absl::Status& status, absl::string_view what, Step again, Step next);
  // Reads the last part of the log, for memory: for agents that were cut off meanwhile, and to know which
  // requests are done. Nothing depends on it: where it cannot be read, SQL is asked instead.
  void ReadTail(ClusterMirror* mirror, Writer* writer, Step next);
  // What comes after the end is not heard.
  void End(const absl::Status& status);

 private:
  struct Tail;
  void ReadMore(std::shared_ptr<Tail> tail);

  const Drivers drivers_;
  Backoff backoff_;
  absl::AnyInvocable<void(absl::Status)> done_;
  Alive alive_;
};

}  // namespace trivium
