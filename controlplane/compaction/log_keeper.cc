#include "controlplane/compaction/log_keeper.h"

#include <spdlog/spdlog.h>

#include <string>
#include <utility>

namespace trivium {

LogKeeper::LogKeeper(ClusterRef cluster, Store* store, Executor* executor, Options options,
                     std::function<bool()> commits)
    : cluster_(std::move(cluster)),
      store_(store),
      executor_(executor),
      options_(options),
      commits_(std::move(commits)) {}

LogKeeper::Options LogOptionsOf(const ControlPlaneConfig& config) {
  LogKeeper::Options options;
  options.bounds.at_most = absl::Seconds(config.log_age_s);
  options.bounds.revisions = config.log_revisions;
  return options;
}

void LogKeeper::Later(absl::Duration delay) {
  executor_->PostAfter(delay, [this, alive = alive_.Watch()] {
    if (!alive.expired()) Look();
  });
}

void LogKeeper::Look() {
  if (!commits_()) return Later(options_.check_every);
  store_->TrimLog(cluster_, options_.bounds, executor_,
                  [this, alive = alive_.Watch()](const absl::StatusOr<Trimmed>& trimmed) {
                    if (alive.expired()) return;
                    if (!trimmed.ok()) {
                      ++counters_.failed;
                      spdlog::warn("cannot compact the log cluster={} error=\"{}\"", cluster_.name,
                                   std::string(trimmed.status().message()));
                      return Later(options_.check_every);
                    }
                    if (trimmed->log_floor != std::exchange(floor_, trimmed->log_floor)) {
                      ++counters_.steps;
                      spdlog::info("compacted the log cluster={} floor={}", cluster_.name, floor_);
                    }
                    Later(trimmed->more ? options_.between_steps : options_.check_every);
                  });
}

}  // namespace trivium
