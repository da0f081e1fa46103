#include "base/file_sync.h"

#include <utility>

namespace trivium {

void ThreadFileSync::Sync(const std::string& path, Executor* executor, Done done) {
  thread_.Post([files = files_, path, executor, done = std::move(done)]() mutable {
    executor->Post(
        [status = files->Sync(path), done = std::move(done)]() mutable { done(std::move(status)); });
  });
}

}  // namespace trivium
