// Lets files reach the medium without holding the loop that wrote them: a sync lasts as long as the disk is
// busy, and nothing that is enforced may wait for that.
#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "base/executor.h"
#include "base/files.h"

namespace trivium {

class FileSync {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  virtual ~FileSync() = default;
  // As Files::Sync, of what was written before this call. `done` runs on the executor, never inline.
  virtual void Sync(const std::string& path, Executor* executor, Done done) = 0;
};

// One file after the other, on a thread of its own. Destruction waits for what was asked for; executors given
// to it must outlive it. Thread-safe.
class ThreadFileSync final : public FileSync {
 public:
  // Not owned; it must allow Sync on another thread.
  explicit ThreadFileSync(Files* files) : files_(files) {}
  void Sync(const std::string& path, Executor* executor, Done done) override;

 private:
  Files* const files_;
  LoopExecutor thread_{"file-sync"};
};

}  // namespace trivium
