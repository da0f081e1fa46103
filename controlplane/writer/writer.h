// Commits one cluster's requests: group commit by compare-and-set (DESIGN "Revisions").
//
// One transaction is in flight; what arrives meanwhile is planned together, in order of arrival, when it is
// done, and an idle writer commits at once. Under load, once a whole batch waits, it is planned and encoded
// while the one before is on its way, as if that were committed; if it is not, it is planned again. Nothing
// is answered before it is committed; a refusal, and "nothing to change", not before SQL has confirmed that
// the mirror they were judged by is the head. Any number of writers of one cluster are right by the
// compare-and-set alone: the loser takes the log from SQL and plans its requests again.
//
// Belongs to one executor; not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/histogram.h"
#include "base/random.h"
#include "controlplane/store/store.h"
#include "controlplane/sync/cluster_mirror.h"
#include "controlplane/sync/follower.h"
#include "controlplane/writer/plan.h"
#include "controlplane/writer/request_memory.h"
#include "trivium/v1/rpc.pb.h"

namespace trivium {

class Writer {
 public:
  struct Options {
    size_t max_queue = 4096;                    // requests waiting
    size_t max_queue_bytes = 64 * 1024 * 1024;  // of them together, as received
    size_t plan_ahead_from = kMaxBatchChanges;  // changes waiting, from which the next batch is planned early
    absl::Duration retry_floor = absl::Milliseconds(20);
    absl::Duration retry_cap = absl::Seconds(1);
    // The pace under load: how long to wait, on average, after a commit of so many changes, for every commit
    // is a message to every agent. An idle writer commits at once, whatever it says. Null: as fast as SQL
    // answers.
    std::function<absl::Duration(size_t changes)> between_commits;
  };

  // Adds the request to the draft; may be run several times (a lost race, a full batch).
  using PlanFunction = std::function<absl::StatusOr<Planned>(Draft*)>;
  using Answer = absl::AnyInvocable<void(const v1::Reply&)>;

  struct Write {
    PlanFunction plan;
    std::string actor;
    Id128 request_id;    // zero: its repetition is not recognised
    size_t bytes = 0;    // what it counts in the queue
    size_t changes = 1;  // about so many: when a batch is full
    absl::Duration timeout = absl::Seconds(10);
    Answer answer;  // called exactly once, unless the writer is destroyed first
  };

  struct Counters {
    uint64_t commits = 0;
    uint64_t changes = 0;
    uint64_t lost_races = 0;
    uint64_t planned_ahead = 0;  // commits that were ready when the one before them was done
    uint64_t retries = 0;        // of a commit whose outcome was unknown
    uint64_t verified = 0;       // answers that needed no commit
    uint64_t refused_full = 0;
    Histogram commit_seconds = Histogram::ForSeconds();  // from the first attempt to the answer
    Histogram batch_changes = Histogram::ForSizes();     // of each commit
    Histogram batch_requests = Histogram::ForSizes();
  };

  // `mirror` has an index; `follower` follows it. `on_commit` gets each batch after it is committed and
  // applied, before its requests are answered. No pointer is owned; all outlive the writer.
  Writer(ClusterMirror* mirror, Follower* follower, Store* store, Executor* executor, Clock* clock,
         Random* random, Options options, std::function<void(const Batch&)> on_commit);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void Submit(Write write);

  // Takes no more requests (kUnavailable); `done` runs once those it has are answered.
  void Drain(absl::AnyInvocable<void()> done);

  // For whoever reads the log at start-up: ids that are committed already.
  RequestMemory* memory() { return &memory_; }
  const Counters& counters() const { return counters_; }
  size_t queued() const { return queue_.size(); }
  size_t queued_bytes() const { return queue_bytes_; }

 private:
  struct Job {
    Write write;
    std::vector<Answer> repetitions;  // the same request, received again meanwhile
    absl::Duration deadline;          // monotonic
    bool alone = false;               // committed by itself: a batch that held it was refused for good
    uint64_t unknown_at = 0;          // snapshots_ when it was known not to have been done
  };
  using JobPtr = std::shared_ptr<Job>;
  // A planned request, waiting for its batch.
  struct Member {
    JobPtr job;
    v1::Reply reply;
    bool changes = false;
  };
  struct Flight;

  void Enqueue(JobPtr job);
  void PopQueue();
  void LookUp(JobPtr job);
  void Pump();
  // True: the next commit's time has not come yet; Pump is called when it does.
  bool TooEarly();
  // The next commit from the queue, planned over `under`, or else over the mirror; null if nothing is left to
  // answer. `status` is what encoding it said.
  std::shared_ptr<Flight> PlanNext(const Batch* under, absl::Status* status);
  void PlanQueue(Draft* draft, Flight* flight);
  // False: the job stays first in the queue for the next batch.
  bool PlanJob(const JobPtr& job, Draft* draft, Flight* flight);
  absl::Status Encode(const Draft& draft, Flight* flight);
  // Plans the batch after `in_flight_`, once enough waits for it.
  void PlanAheadSoon();
  void PlanAhead();
  // What was planned ahead waits in the queue again.
  void ForgetAhead();
  void PutBack(const Flight& flight);

  // The first attempt of a commit, and whoever paces the next one.
  void Begin(std::shared_ptr<Flight> flight);
  void Commit(std::shared_ptr<Flight> flight);
  void OnCommitted(const std::shared_ptr<Flight>& flight, const absl::Status& status);
  void Verify(std::shared_ptr<Flight> flight);
  void OnVerified(const std::shared_ptr<Flight>& flight, const absl::StatusOr<StoredHead>& head);
  // After a call that reached no server: calls `again` later, unless nobody waits for the answer any more.
  void RetryOrDrop(std::shared_ptr<Flight> flight, const absl::Status& status,
                   void (Writer::*again)(std::shared_ptr<Flight>));
  void Refuse(const std::shared_ptr<Flight>& flight, const absl::Status& status);
  // Puts the requests back in front of the queue and brings the mirror to SQL's head.
  void PlanAgain(const std::shared_ptr<Flight>& flight);
  void Recover();
  void BecomeIdle();

  bool Expired(const Job& job) const { return clock_->Monotonic() >= job.deadline; }
  void AnswerJob(const JobPtr& job, const v1::Reply& reply);
  void AnswerError(const JobPtr& job, const absl::Status& status);
  void ExpireQueue(const absl::Status& status);

  ClusterMirror* const mirror_;
  Follower* const follower_;
  Store* const store_;
  Executor* const executor_;
  Clock* const clock_;
  const Options options_;
  const std::function<void(const Batch&)> on_commit_;
  Backoff backoff_;

  std::deque<JobPtr> queue_;
  size_t queue_bytes_ = 0;
  size_t queue_changes_ = 0;
  std::shared_ptr<Flight> in_flight_;  // a commit that has not been answered yet, at its first attempt
  std::shared_ptr<Flight> ahead_;      // what follows it, if it is committed
  bool ahead_posted_ = false;
  size_t looking_up_ = 0;
  absl::flat_hash_map<Id128, JobPtr> open_;  // by request id: received, not answered
  bool busy_ = false;
  bool waiting_ = false;                                    // for `next_commit_`
  absl::Duration next_commit_ = -absl::InfiniteDuration();  // monotonic
  Id128 prev_batch_;                                        // of the mirror's present batch, as far as known
  RequestMemory memory_;
  uint64_t snapshots_ = 0;  // that the mirror has taken
  Counters counters_;
  absl::AnyInvocable<void()> on_drained_;
  bool draining_ = false;
  Alive alive_;
};

// A Reply that says only what went wrong.
v1::Reply ErrorReply(const absl::Status& status);

}  // namespace trivium
