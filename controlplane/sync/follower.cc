#include "controlplane/sync/follower.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "controlplane/store/epoch_reply.h"

namespace trivium {
namespace {

using Outcome = Replica::Outcome;

// Whether SQL, asked after somebody had held `held`, has lost that.
bool Lost(const Position& held, const StoredHead& stored) {
  if (held.epoch != stored.epoch) return held.epoch > stored.epoch;
  return held.revision > stored.revision ||
         (held.revision == stored.revision && held.batch != stored.last_batch);
}

}  // namespace

Follower::Follower(ClusterMirror* mirror, Store* store, Executor* executor, Random* random, Options options)
    : mirror_(mirror),
      store_(store),
      executor_(executor),
      options_(options),
      backoff_(options.retry_floor, options.retry_cap, random) {}

void Follower::OnBatch(const Batch& batch) {
  switch (mirror_->Apply(batch)) {
    case Outcome::kApplied:
      ApplyEarly();
      return;
    case Outcome::kIgnored:
      return;
    case Outcome::kGap:
      if (early_.size() < kMaxEarly) early_.emplace(batch.revision, batch);
      Need(options_.gap_wait);
      return;
    case Outcome::kFork:
    case Outcome::kNewerEpoch:
    case Outcome::kCorrupt:
      Need(absl::ZeroDuration());
      return;
  }
}

void Follower::OnHead(const v1::Head& head) {
  past_.emplace_back(mirror_->position().epoch, mirror_->position().revision);
  if (past_.size() > kBeaconLag) past_.pop_front();
  switch (mirror_->replica().JudgeHead(head)) {
    case Outcome::kApplied:
      return;
    case Outcome::kIgnored:
      if (past_.size() == kBeaconLag && std::pair(head.epoch(), head.revision()) < past_.front()) {
        past_.clear();
        Need(absl::ZeroDuration());
      }
      return;
    case Outcome::kGap:
      Need(options_.gap_wait);
      return;
    case Outcome::kFork:
    case Outcome::kNewerEpoch:
    case Outcome::kCorrupt:
      Need(absl::ZeroDuration());
      return;
  }
}

void Follower::OnClaim(const Position& claim, absl::AnyInvocable<void()> on_proof) {
  if (claim.epoch < claim_.epoch || (claim.epoch == claim_.epoch && claim.revision <= claim_.revision))
    return;
  claim_ = claim;
  on_proof_ = std::move(on_proof);
  Need(options_.gap_wait);
}

void Follower::ApplyEarly() {
  early_.erase(early_.begin(), early_.lower_bound(mirror_->position().revision + 1));
  while (!early_.empty() && mirror_->Apply(early_.begin()->second) == Outcome::kApplied) {
    early_.erase(early_.begin());
  }
}

void Follower::Need(absl::Duration wait) {
  if (timer_ != Executor::kNoTimer || fetching_) return;
  const uint64_t revision = mirror_->position().revision;
  timer_ = executor_->PostAfter(wait, [this, alive = alive_.Watch(), revision, wait] {
    if (alive.expired()) return;
    timer_ = Executor::kNoTimer;
    // What was missing may have come, late: then nothing is early any more.
    const bool mended = mirror_->position().revision > revision && early_.empty() && claim_.epoch == 0;
    if (mended && wait > absl::ZeroDuration()) return;
    ++counters_.gaps;
    Fire();
  });
}

void Follower::Fire() {
  CatchUp([this](const absl::Status& status) {
    if (status.ok()) {
      backoff_.Reset();
      return;
    }
    spdlog::warn("cannot catch up from SQL cluster={} revision={} error=\"{}\"", mirror_->ref().name,
                 mirror_->position().revision, std::string(status.message()));
    Need(backoff_.Next());
  });
}

void Follower::CatchUp(Done done) {
  waiting_.push_back(std::move(done));
  if (!fetching_) Start();
}

void Follower::Start() {
  fetching_ = true;
  ++counters_.fetches;
  serving_ = std::exchange(waiting_, {});
  const Position held = mirror_->position();
  const Position claim = std::exchange(claim_, Position());
  store_->ReadHead(mirror_->ref(), executor_,
                   [this, alive = alive_.Watch(), held, claim](const absl::StatusOr<StoredHead>& head) {
                     if (alive.expired()) return;
                     if (!head.ok()) return Finish(head.status());
                     JudgeSqlHead(held, claim, *head);
                   });
}

// `held` and `claim` are from before the head was asked for: everything in them had been committed by then.
void Follower::JudgeSqlHead(const Position& held, const Position& claim, const StoredHead& stored) {
  target_ = Position{stored.epoch, stored.revision, stored.last_batch};
  if (Lost(claim, stored)) {
    spdlog::error("an agent holds more than SQL: the database was restored cluster={} agent={}/{} sql={}/{}",
                  mirror_->ref().name, claim.epoch, claim.revision, stored.epoch, stored.revision);
    if (on_proof_) std::exchange(on_proof_, nullptr)();
    return Restore(std::max(claim.epoch, held.epoch));
  }
  if (Lost(held, stored)) {
    spdlog::error(
        "SQL holds less than this mirror: the database was restored cluster={} held={}/{} sql={}/{}",
        mirror_->ref().name, held.epoch, held.revision, stored.epoch, stored.revision);
    return Restore(held.epoch);
  }
  if (stored.digest == kUnknownDigest) {
    spdlog::error("SQL was changed by hand: a new epoch begins cluster={} epoch={} revision={}",
                  mirror_->ref().name, stored.epoch, stored.revision);
    return Restore(stored.epoch);
  }
  switch (mirror_->replica().JudgeHead(ToHead(mirror_->ref().name, stored))) {
    case Outcome::kApplied:
    case Outcome::kIgnored:
      return Finish(absl::OkStatus());
    case Outcome::kGap:
      return ReadLog();
    case Outcome::kFork:
    case Outcome::kNewerEpoch:
    case Outcome::kCorrupt:
      return ReadSnapshot();
  }
}

void Follower::ReadLog() {
  store_->ReadLog(mirror_->ref(), mirror_->position().revision, kReadRows, kReadBytes, executor_,
                  [this, alive = alive_.Watch()](const absl::StatusOr<std::vector<LogRow>>& rows) {
                    if (alive.expired()) return;
                    if (absl::IsOutOfRange(rows.status())) return ReadSnapshot();  // compacted past us
                    if (!rows.ok()) return Finish(rows.status());
                    TakeRows(*rows);
                  });
}

void Follower::TakeRows(const std::vector<LogRow>& rows) {
  for (const LogRow& row : rows) {
    const absl::StatusOr<Batch> batch = DecodeBatch(row.envelope);
    if (!batch.ok()) return Finish(batch.status());
    const Outcome outcome = mirror_->Apply(*batch);
    if (outcome != Outcome::kApplied && outcome != Outcome::kIgnored) return ReadSnapshot();
  }
  ApplyEarly();
  if (mirror_->position().revision >= target_.revision) return Finish(absl::OkStatus());
  if (rows.empty()) {
    return Finish(absl::DataLossError(absl::StrCat("the log of ", mirror_->ref().name, " ends at revision ",
                                                   mirror_->position().revision, ", its head is at ",
                                                   target_.revision)));
  }
  ReadLog();
}

void Follower::ReadSnapshot() {
  ++counters_.snapshots;
  store_->ReadSnapshot(mirror_->ref(), executor_,
                       [this, alive = alive_.Watch()](absl::StatusOr<v1::Snapshot> snapshot) {
                         if (alive.expired()) return;
                         if (!snapshot.ok()) return Finish(snapshot.status());
                         std::vector<v1::Snapshot> parts;
                         parts.push_back(*std::move(snapshot));
                         absl::Status status = mirror_->Load(parts);
                         // The feed may have brought the mirror beyond the snapshot while it was being read.
                         if (absl::IsFailedPrecondition(status)) status = absl::OkStatus();
                         if (status.ok()) ApplyEarly();
                         Finish(status);
                       });
}

void Follower::Restore(uint64_t lost) {
  if (!on_restore_ || ++left_ <= leave_) {
    return Finish(absl::UnavailableError(
        absl::StrCat("the database of ", mirror_->ref().name,
                     " was restored: waiting for its control plane to begin a new epoch")));
  }
  on_restore_(lost, [this, alive = alive_.Watch()](const absl::Status& status) {
    if (alive.expired()) return;
    if (!status.ok()) return Finish(status);
    ReadSnapshot();
  });
}

void Follower::Finish(const absl::Status& status) {
  fetching_ = false;
  if (status.ok()) left_ = 0;
  if (status.ok() && !early_.empty()) {
    // They came while SQL was being read, and what lies before them is still missing.
    early_.clear();
    Need(options_.gap_wait);
  }
  for (Done& done : std::exchange(serving_, {})) done(status);
  if (!fetching_ && !waiting_.empty()) Start();
}

}  // namespace trivium
