#include "controlplane/reachability/reachability_keeper.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/reachability/collect.h"
#include "controlplane/reachability/positions.h"
#include "controlplane/writer/writer.h"

namespace trivium {

ReachabilityKeeper::ReachabilityKeeper(std::string instance, const ClusterMirror* own, const Mirrors* mirrors,
                                       Store* store, Executor* executor, Options options,
                                       std::function<bool()> holds)
    : instance_(std::move(instance)),
      own_(own),
      mirrors_(mirrors),
      store_(store),
      executor_(executor),
      options_(options),
      holds_(std::move(holds)) {}

void ReachabilityKeeper::Start() {
  if (options_.keep) LookAgain(options_.look_every);
}

void ReachabilityKeeper::LookAgain(absl::Duration delay) {
  executor_->PostAfter(delay, [this, alive = alive_.Watch()] {
    if (!alive.expired()) Look();
  });
}

void ReachabilityKeeper::Look() {
  if (refusals_seen_ != counters_.refused) {
    refusals_seen_ = counters_.refused;
    return LookAgain(options_.after_refusal);
  }
  if (!holds_()) {
    basis_ = false;  // another one writes
    seen_.clear();
  } else if (!running_ && own_->loaded() && CollectPositions(*mirrors_, *own_) != seen_) {
    Run(!basis_);
  }
  LookAgain(options_.look_every);
}

void ReachabilityKeeper::Refresh(Answer answer) {
  waiting_.push_back(std::move(answer));
  if (!running_) Run(true);
}

void ReachabilityKeeper::Run(bool whole) {
  running_ = true;
  whole_ = whole;
  answering_ = std::exchange(waiting_, {});
  if (!answering_.empty()) whole_ = true;
  if (!own_->loaded()) {
    return Finish(
        absl::UnavailableError(absl::StrCat("cluster ", own_->ref().name, " is not loaded yet: try again")),
        0, {});
  }
  store_->OpenReachability(own_->ref(), executor_,
                           [this, alive = alive_.Watch()](const absl::StatusOr<ReachabilityState>& state) {
                             if (!alive.expired()) Begin(state);
                           });
}

void ReachabilityKeeper::Begin(const absl::StatusOr<ReachabilityState>& state) {
  if (!state.ok()) return Finish(state.status(), 0, {});
  // Somebody has written since, or nobody knows what of the last run is there.
  if (state->writes != writes_ || !state->complete) basis_ = false;
  writes_ = state->writes;
  rows_held_ = state->rows;
  ReachabilityWorld world = CollectWorld(*mirrors_, *own_);
  seen_ = world.positions;
  if (const std::string cluster = BehindIn(world.positions, state->positions); !cluster.empty()) {
    return LeaveToOther(absl::AbortedError(absl::StrCat("control plane ", state->writer,
                                                        " has written rows of a later revision of ", cluster,
                                                        ": try again")));
  }
  if (const uint64_t least = ReachabilityTable::LeastRows(world); least > options_.max_rows) {
    return Refuse(least);
  }
  whole_ |= !basis_;
  basis_ = false;  // until all of this run is written
  table_.Begin(std::move(world), whole_);
  Compute();
}

void ReachabilityKeeper::Compute() {
  if (!table_.Step(options_.judgements_at_once)) {
    return executor_->Post([this, alive = alive_.Watch()] {
      if (!alive.expired()) Compute();
    });
  }
  if (table_.rows() > options_.max_rows) return Refuse(table_.rows());
  std::optional<ReachabilityWrite> first = table_.NextWrite(options_.rows_at_once);
  ahead_.reset();
  if (first.has_value()) ahead_ = table_.NextWrite(options_.rows_at_once);
  // Without a difference the positions alone are written: that far the rows are right.
  WriteNext(first.has_value() ? *std::move(first) : ReachabilityWrite());
}

void ReachabilityKeeper::WriteNext(ReachabilityWrite write) {
  const bool last = !ahead_.has_value();
  write.state.writes = writes_;
  write.state.complete = last;
  write.state.positions = table_.world().positions;
  write.state.rows = table_.rows();
  write.state.writer = instance_;
  store_->WriteReachability(own_->ref(), std::move(write), executor_,
                            [this, alive = alive_.Watch(), last](const absl::Status& status) {
                              if (alive.expired()) return;
                              if (absl::IsAborted(status)) return LeaveToOther(status);
                              if (!status.ok()) return Finish(status, 0, {});
                              ++writes_;
                              ++counters_.writes;
                              if (last) {
                                basis_ = true;
                                ++(whole_ ? counters_.whole : counters_.incremental);
                                return Finish(absl::OkStatus(), table_.rows(), table_.world().positions);
                              }
                              ReachabilityWrite next = *std::move(ahead_);
                              ahead_ = table_.NextWrite(options_.rows_at_once);
                              WriteNext(std::move(next));
                            });
}

void ReachabilityKeeper::Refuse(uint64_t rows) {
  ++counters_.refused;
  ReachabilityWrite write;
  write.state.writes = writes_;
  write.state.positions = seen_;
  write.state.rows = rows_held_;
  write.state.writer = instance_;
  write.state.problem = absl::StrCat(
      "reachability of ", own_->ref().name, " needs ", rows, " rows, at most ", options_.max_rows,
      " are allowed: raise reachability.max_rows in the control plane's configuration");
  const absl::Status why = absl::ResourceExhaustedError(write.state.problem);
  store_->WriteReachability(own_->ref(), std::move(write), executor_,
                            [this, alive = alive_.Watch(), why](const absl::Status& status) {
                              if (alive.expired()) return;
                              if (status.ok()) ++writes_;
                              Finish(why, 0, {});
                            });
}

void ReachabilityKeeper::LeaveToOther(const absl::Status& why) {
  ++counters_.lost;
  if (answering_.empty()) return Finish(why, 0, {});
  AwaitOther(why, options_.patience);
}

void ReachabilityKeeper::AwaitOther(const absl::Status& why, int looks) {
  if (looks == 0) return Finish(why, 0, {});
  executor_->PostAfter(options_.look_every, [this, alive = alive_.Watch(), why, looks] {
    if (alive.expired()) return;
    store_->OpenReachability(own_->ref(), executor_,
                             [this, alive, why, looks](const absl::StatusOr<ReachabilityState>& state) {
                               if (alive.expired()) return;
                               if (!state.ok()) return Finish(state.status(), 0, {});
                               if (!state->problem.empty()) {
                                 return Finish(absl::ResourceExhaustedError(state->problem), 0, {});
                               }
                               if (state->complete && BehindIn(state->positions, seen_).empty()) {
                                 return Finish(absl::OkStatus(), state->rows, state->positions);
                               }
                               AwaitOther(why, looks - 1);
                             });
  });
}

void ReachabilityKeeper::Finish(const absl::Status& status, uint64_t rows,
                                const std::vector<ClusterPosition>& positions) {
  running_ = false;
  if (!status.ok()) {
    ++counters_.failed;
    if (absl::IsAborted(status) || absl::IsUnavailable(status)) seen_.clear();  // soon again
    spdlog::warn("cannot write reachability cluster={} error=\"{}\"", own_->ref().name,
                 std::string(status.message()));
  } else if (whole_) {
    spdlog::info("reachability is written cluster={} rows={}", own_->ref().name, rows);
  }
  v1::Reply reply;
  if (!status.ok()) {
    reply = ErrorReply(status);
  } else {
    reply.mutable_refresh_reachability()->set_rows(rows);
    for (const ClusterPosition& at : positions) {
      v1::Head* head = reply.mutable_refresh_reachability()->add_at();
      head->set_cluster(at.cluster);
      head->set_epoch(at.epoch);
      head->set_revision(at.revision);
    }
  }
  for (Answer& answer : std::exchange(answering_, {})) answer(reply);
  if (waiting_.empty() || running_) return;
  executor_->Post([this, alive = alive_.Watch()] {
    if (!alive.expired() && !running_ && !waiting_.empty()) Run(true);
  });
}

}  // namespace trivium
