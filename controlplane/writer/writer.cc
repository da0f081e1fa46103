#include "controlplane/writer/writer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace trivium {
namespace {

// Jobs planned into one batch at most: those that change nothing do not fill it by themselves.
constexpr size_t kMaxMembers = 2000;

// So many commits may follow each other at once after a pause.
constexpr int kBurst = 4;

// A caller should hear from us before its own patience ends.
constexpr double kShareOfTimeout = 0.9;

bool NoServer(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

v1::Reply ErrorReply(const absl::Status& status) {
  v1::Reply reply;
  reply.set_code(static_cast<uint32_t>(status.code()));
  reply.set_message(std::string(status.message()));
  return reply;
}

// Requests on their way: one transaction, or one check that the mirror is the head.
struct Writer::Flight {
  Position planned_at;
  Id128 prev_batch;  // of the batch at `planned_at`
  Id128 digest;      // of the state there
  std::vector<Member> members;
  std::vector<std::pair<ObjectKey, std::string>> manifests;
  std::vector<AuditRow> audit;
  std::shared_ptr<const CommitRequest> request;  // for a commit
  absl::Duration began;                          // monotonic: its first attempt
  bool repeated = false;                         // an earlier attempt may have been committed
};

Writer::Writer(ClusterMirror* mirror, Follower* follower, Store* store, Executor* executor, Clock* clock,
               Random* random, Options options, std::function<void(const Batch&)> on_commit)
    : mirror_(mirror),
      follower_(follower),
      store_(store),
      executor_(executor),
      clock_(clock),
      options_(options),
      on_commit_(std::move(on_commit)),
      backoff_(options.retry_floor, options.retry_cap, random) {
  mirror_->Observe([this, alive = alive_.Watch(), epoch = uint64_t{0}](const Batch* batch) mutable {
    if (alive.expired()) return;
    if (batch != nullptr) {
      prev_batch_ = batch->prev_batch;
      memory_.Learn(*batch, clock_->Monotonic());
    } else {
      prev_batch_ = Id128();
      // What was done in another epoch, a restore may have undone: SQL alone says.
      const uint64_t before = std::exchange(epoch, mirror_->position().epoch);
      if (before != epoch) memory_ = RequestMemory();
      memory_.SetCompleteSince(clock_->Monotonic());
      ++snapshots_;
    }
  });
}

void Writer::Submit(Write write) {
  auto job = std::make_shared<Job>();
  job->deadline = clock_->Monotonic() + write.timeout * kShareOfTimeout;
  job->write = std::move(write);
  if (draining_) {
    return AnswerError(job, absl::UnavailableError("this control plane is shutting down: try again"));
  }
  const Id128& id = job->write.request_id;
  if (!id.IsZero()) {
    if (const auto open = open_.find(id); open != open_.end()) {
      if (open->second->write.actor != job->write.actor) {
        return AnswerError(job, absl::AlreadyExistsError("this request id is in use: choose another"));
      }
      open->second->repetitions.push_back(std::move(job->write.answer));
      return;
    }
    if (const auto answer = memory_.Answer(id, job->write.actor)) {
      v1::Reply reply;
      if (reply.ParseFromString(*answer)) return AnswerJob(job, reply);
    }
  }
  if (queue_.size() + looking_up_ >= options_.max_queue ||
      queue_bytes_ + job->write.bytes > options_.max_queue_bytes) {
    ++counters_.refused_full;
    return AnswerError(job, absl::ResourceExhaustedError(
                                absl::StrCat("cluster ", mirror_->ref().name, " has ", queue_.size(),
                                             " requests waiting already: try again later")));
  }
  job->unknown_at = snapshots_;
  if (!id.IsZero()) {
    open_.emplace(id, job);
    if (memory_.Known(id) || !memory_.Complete(clock_->Monotonic())) return LookUp(std::move(job));
  }
  Enqueue(std::move(job));
  Pump();
}

void Writer::Enqueue(JobPtr job) {
  queue_bytes_ += job->write.bytes;
  queue_changes_ += job->write.changes;
  queue_.push_back(std::move(job));
  PlanAheadSoon();
}

void Writer::PopQueue() {
  queue_bytes_ -= queue_.front()->write.bytes;
  queue_changes_ -= queue_.front()->write.changes;
  queue_.pop_front();
}

// Asks SQL what the request with this id was answered, if it was.
void Writer::LookUp(JobPtr job) {
  ++looking_up_;
  job->unknown_at = snapshots_;
  const bool known = memory_.Known(job->write.request_id);
  store_->FindRequest(
      mirror_->ref(), job->write.request_id, job->write.actor, executor_,
      [this, alive = alive_.Watch(), job, known](const absl::StatusOr<std::optional<std::string>>& found) {
        if (alive.expired()) return;
        --looking_up_;
        v1::Reply reply;
        if (!found.ok()) {
          AnswerError(job, Annotate(found.status(), "cannot tell whether this request was done already"));
        } else if (found->has_value() && reply.ParseFromString(**found)) {
          AnswerJob(job, reply);
        } else if (known) {
          AnswerError(job, absl::AlreadyExistsError("this request id was used before: choose another"));
        } else {
          Enqueue(job);  // looked up once more if it has become known meanwhile
        }
        Pump();
      });
}

void Writer::Pump() {
  if (busy_) return;
  if (!mirror_->loaded() && !queue_.empty()) return Recover();
  if (TooEarly()) return;
  busy_ = true;  // an answer may bring the next request: that one only joins the queue
  while (!queue_.empty()) {
    absl::Status encoded;
    std::shared_ptr<Flight> flight = PlanNext(nullptr, &encoded);
    if (flight == nullptr) continue;
    if (!encoded.ok()) return Refuse(flight, encoded);
    if (flight->request == nullptr) return Verify(std::move(flight));
    return Begin(std::move(flight));
  }
  busy_ = false;
  if (draining_ && looking_up_ == 0 && on_drained_) std::exchange(on_drained_, nullptr)();
}

std::shared_ptr<Writer::Flight> Writer::PlanNext(const Batch* under, absl::Status* status) {
  auto flight = std::make_shared<Flight>();
  flight->planned_at = mirror_->position();
  flight->prev_batch = prev_batch_;
  flight->digest = mirror_->mirror().digest();
  if (under != nullptr) {
    flight->planned_at = Position{under->epoch, under->revision, under->batch};
    flight->prev_batch = under->prev_batch;
    flight->digest = under->digest;
  }
  Draft draft(&mirror_->mirror(), mirror_->index(), flight->planned_at.revision + 1, under);
  PlanQueue(&draft, flight.get());
  if (flight->members.empty()) return nullptr;
  if (!draft.empty()) *status = Encode(draft, flight.get());
  return flight;
}

void Writer::Begin(std::shared_ptr<Flight> flight) {
  flight->began = clock_->Monotonic();
  if (options_.between_commits != nullptr) {
    const absl::Duration between =
        options_.between_commits(static_cast<size_t>(flight->request->batch.changes.changes_size()));
    next_commit_ = std::max(next_commit_, flight->began - kBurst * between) + between;
  }
  in_flight_ = flight;
  Commit(std::move(flight));
  PlanAheadSoon();
}

void Writer::PlanAheadSoon() {
  if (in_flight_ == nullptr || ahead_ != nullptr || ahead_posted_ || draining_) return;
  if (queue_changes_ < options_.plan_ahead_from || queue_.front()->alone) return;
  ahead_posted_ = true;
  executor_->Post([this, alive = alive_.Watch()] {
    if (alive.expired()) return;
    ahead_posted_ = false;
    PlanAhead();
  });
}

void Writer::PlanAhead() {
  if (in_flight_ == nullptr || ahead_ != nullptr || queue_.empty()) return;
  const Batch& under = in_flight_->request->batch;
  // Somebody else's batch came first, or this one came over the feed: its answer will say.
  if (mirror_->position() != in_flight_->planned_at) return;
  // A number that is retired there is known as retired only once that is committed.
  for (const v1::Change& change : under.changes.changes()) {
    if (change.op() == v1::Change::DELETE && change.kind() == v1::KIND_IDENTITY) return;
  }
  absl::Status encoded;
  ahead_ = PlanNext(&under, &encoded);
  if (ahead_ != nullptr && (!encoded.ok() || ahead_->request == nullptr)) ForgetAhead();
}

void Writer::ForgetAhead() {
  if (ahead_ != nullptr) PutBack(*std::exchange(ahead_, nullptr));
}

bool Writer::TooEarly() {
  // More cannot join a batch that is full.
  if (options_.between_commits == nullptr || queue_.empty() || queue_changes_ >= kMaxBatchChanges)
    return false;
  if (waiting_) return true;
  const absl::Duration wait = next_commit_ - clock_->Monotonic();
  if (wait <= absl::ZeroDuration()) return false;
  waiting_ = true;
  executor_->PostAfter(wait, [this, alive = alive_.Watch()] {
    if (alive.expired()) return;
    waiting_ = false;
    Pump();
  });
  return true;
}

void Writer::PlanQueue(Draft* draft, Flight* flight) {
  while (!queue_.empty() && flight->members.size() < kMaxMembers) {
    const JobPtr job = queue_.front();
    if (job->alone && !flight->members.empty()) return;
    const bool expired = Expired(*job);
    // What a snapshot jumped over may have been this very request, done by another writer.
    const bool jumped_over = job->unknown_at != snapshots_ && !job->write.request_id.IsZero();
    const bool maybe_done = jumped_over || memory_.Known(job->write.request_id);
    if (!expired && !maybe_done && !PlanJob(job, draft, flight)) return;
    PopQueue();
    if (expired) {
      AnswerError(job, absl::DeadlineExceededError("too many requests before this one: nothing was written"));
    } else if (maybe_done) {
      LookUp(job);
    }
    if (job->alone) return;
  }
}

bool Writer::PlanJob(const JobPtr& job, Draft* draft, Flight* flight) {
  absl::StatusOr<Planned> planned = job->write.plan(draft);
  if (!planned.ok()) {
    if (absl::IsInvalidArgument(planned.status())) {
      AnswerError(job, planned.status());  // wrong whatever the state is
    } else {
      flight->members.push_back(Member{job, ErrorReply(planned.status()), false});
    }
    return true;
  }
  if (planned->deferred) return false;
  Member member{job, std::move(planned->reply), draft->touched()};
  member.reply.set_epoch(flight->planned_at.epoch);
  if (member.changes) member.reply.set_revision(draft->revision());
  flight->members.push_back(std::move(member));
  std::move(planned->manifests.begin(), planned->manifests.end(), std::back_inserter(flight->manifests));
  std::move(planned->audit.begin(), planned->audit.end(), std::back_inserter(flight->audit));
  return true;
}

absl::Status Writer::Encode(const Draft& draft, Flight* flight) {
  CommitRequest request;
  const Position& at = flight->planned_at;
  request.cluster = mirror_->ref();
  request.expected.epoch = at.epoch;
  request.expected.revision = at.revision;
  request.expected.prev_batch = flight->prev_batch;
  request.expected.last_batch = at.batch;
  request.expected.digest = flight->digest;
  TRIVIUM_ASSIGN_OR_RETURN(request.batch, EncodeBatch(mirror_->ref().name, at.epoch, draft.revision(),
                                                      at.batch, draft.DigestAfter(), draft.ToChanges()));
  // Of several manifests for one object the last stands; of a deleted object none.
  absl::flat_hash_map<ObjectKey, size_t> places;
  for (auto& [key, text] : flight->manifests) {
    if (draft.Deletes(key)) continue;
    const auto [place, added] = places.try_emplace(key, request.manifests.size());
    if (added) {
      request.manifests.emplace_back(key, std::move(text));
    } else {
      request.manifests[place->second].second = std::move(text);
    }
  }
  request.audit = std::move(flight->audit);
  for (const Member& member : flight->members) {
    if (!member.changes || member.job->write.request_id.IsZero()) continue;
    request.requests.push_back(
        RequestRow{member.job->write.request_id, member.job->write.actor, member.reply.SerializeAsString()});
  }
  flight->request = std::make_shared<const CommitRequest>(std::move(request));
  return absl::OkStatus();
}

void Writer::Commit(std::shared_ptr<Flight> flight) {
  // The very same again, should the outcome stay unknown.
  store_->Commit(flight->request, executor_,
                 [this, alive = alive_.Watch(), flight](const absl::Status& status) {
                   if (!alive.expired()) OnCommitted(flight, status);
                 });
}

void Writer::OnCommitted(const std::shared_ptr<Flight>& flight, const absl::Status& status) {
  in_flight_ = nullptr;
  if (!status.ok()) ForgetAhead();
  // Where the log is gone nothing says who won; but a batch that was sent once alone, and refused, has lost.
  if (absl::IsAborted(status) || (absl::IsDataLoss(status) && !flight->repeated)) {
    ++counters_.lost_races;
    return PlanAgain(flight);
  }
  if (NoServer(status)) {
    ++counters_.retries;
    flight->repeated = true;
    return RetryOrDrop(flight, status, &Writer::Commit);
  }
  if (!status.ok()) return Refuse(flight, status);

  const Batch& batch = flight->request->batch;
  ++counters_.commits;
  counters_.changes += static_cast<uint64_t>(batch.changes.changes_size());
  counters_.commit_seconds.Add(absl::ToDoubleSeconds(clock_->Monotonic() - flight->began));
  counters_.batch_changes.Add(batch.changes.changes_size());
  counters_.batch_requests.Add(static_cast<double>(flight->members.size()));
  spdlog::debug("committed cluster={} epoch={} revision={} changes={} requests={}", batch.cluster,
                batch.epoch, batch.revision, batch.changes.changes_size(), flight->members.size());
  const Replica::Outcome outcome = mirror_->Apply(batch);
  const bool in_step = outcome == Replica::Outcome::kApplied || outcome == Replica::Outcome::kIgnored;
  const bool ready = ahead_ != nullptr && in_step && !draining_ && mirror_->position() == ahead_->planned_at;
  if (ready) {
    ++counters_.planned_ahead;
    Begin(std::exchange(ahead_, nullptr));
  } else {
    ForgetAhead();
  }
  on_commit_(batch);
  for (const RequestRow& row : flight->request->requests) {
    memory_.Remember(row.request_id, row.actor, row.result);
  }
  // What waits goes on its way first: its transaction and these answers need not wait for each other.
  const bool next_first = in_step && !draining_ && !ready && !queue_.empty();
  if (next_first) BecomeIdle();
  for (const Member& member : flight->members) AnswerJob(member.job, member.reply);
  if (ready) return backoff_.Reset();
  if (next_first) return;
  if (in_step) return BecomeIdle();
  spdlog::error("the mirror does not take its own batch cluster={} revision={} outcome={}", batch.cluster,
                batch.revision, static_cast<int>(outcome));
  Recover();
}

void Writer::Verify(std::shared_ptr<Flight> flight) {
  store_->ReadHead(mirror_->ref(), executor_,
                   [this, alive = alive_.Watch(), flight](const absl::StatusOr<StoredHead>& head) {
                     if (!alive.expired()) OnVerified(flight, head);
                   });
}

void Writer::OnVerified(const std::shared_ptr<Flight>& flight, const absl::StatusOr<StoredHead>& head) {
  if (NoServer(head.status())) return RetryOrDrop(flight, head.status(), &Writer::Verify);
  if (!head.ok()) return Refuse(flight, head.status());
  if (Position{head->epoch, head->revision, head->last_batch} != flight->planned_at) return PlanAgain(flight);
  for (const Member& member : flight->members) {
    ++counters_.verified;
    AnswerJob(member.job, member.reply);
  }
  BecomeIdle();
}

void Writer::RetryOrDrop(std::shared_ptr<Flight> flight, const absl::Status& status,
                         void (Writer::*again)(std::shared_ptr<Flight>)) {
  bool awaited = false;
  for (const Member& member : flight->members) {
    if (!Expired(*member.job)) {
      awaited = true;
    } else if (member.changes) {
      AnswerError(member.job, absl::DeadlineExceededError(absl::StrCat(
                                  "the database did not answer in time, the outcome is unknown (",
                                  status.message(), "): repeat the request with the same request id")));
    } else {
      AnswerError(member.job,
                  absl::DeadlineExceededError(absl::StrCat(
                      "the database is out of reach, nothing was written (", status.message(), ")")));
    }
  }
  ExpireQueue(status);
  // The next plan begins with what SQL holds, so an attempt that nobody waits for may be left to its fate.
  if (!awaited) return Recover();
  executor_->PostAfter(backoff_.Next(), [this, alive = alive_.Watch(), flight = std::move(flight), again] {
    if (!alive.expired()) (this->*again)(flight);
  });
}

// SQL will not take this. If several requests were in it, only the guilty ones are refused.
void Writer::Refuse(const std::shared_ptr<Flight>& flight, const absl::Status& status) {
  spdlog::error("a batch was refused cluster={} revision={} requests={} error=\"{}\"", mirror_->ref().name,
                flight->planned_at.revision + 1, flight->members.size(), std::string(status.message()));
  if (flight->members.size() == 1) {
    AnswerError(flight->members[0].job, status);
    return Recover();
  }
  for (const Member& member : flight->members) member.job->alone = true;
  PlanAgain(flight);
}

void Writer::PutBack(const Flight& flight) {
  for (auto member = flight.members.rbegin(); member != flight.members.rend(); ++member) {
    if (!member->job->write.answer) continue;  // answered meanwhile
    queue_bytes_ += member->job->write.bytes;
    queue_changes_ += member->job->write.changes;
    queue_.push_front(member->job);
  }
}

void Writer::PlanAgain(const std::shared_ptr<Flight>& flight) {
  PutBack(*flight);
  Recover();
}

void Writer::Recover() {
  busy_ = true;
  follower_->CatchUp([this, alive = alive_.Watch()](const absl::Status& status) {
    if (alive.expired()) return;
    if (status.ok()) return BecomeIdle();
    ExpireQueue(status);
    executor_->PostAfter(backoff_.Next(), [this, alive] {
      if (!alive.expired()) Recover();
    });
  });
}

void Writer::BecomeIdle() {
  busy_ = false;
  backoff_.Reset();
  Pump();
}

void Writer::ExpireQueue(const absl::Status& status) {
  std::deque<JobPtr> kept;
  for (JobPtr& job : std::exchange(queue_, {})) {
    if (!Expired(*job)) {
      kept.push_back(std::move(job));
      continue;
    }
    queue_bytes_ -= job->write.bytes;
    queue_changes_ -= job->write.changes;
    AnswerError(job, absl::DeadlineExceededError(absl::StrCat(
                         "the database is out of reach, nothing was written (", status.message(), ")")));
  }
  queue_ = std::move(kept);
}

void Writer::AnswerJob(const JobPtr& job, const v1::Reply& reply) {
  if (!job->write.answer) return;
  if (const auto open = open_.find(job->write.request_id); open != open_.end() && open->second == job) {
    open_.erase(open);
  }
  std::exchange(job->write.answer, nullptr)(reply);
  for (Answer& repetition : std::exchange(job->repetitions, {})) repetition(reply);
}

void Writer::AnswerError(const JobPtr& job, const absl::Status& status) {
  AnswerJob(job, ErrorReply(status));
}

void Writer::Drain(absl::AnyInvocable<void()> done) {
  draining_ = true;
  on_drained_ = std::move(done);
  Pump();
}

}  // namespace trivium
